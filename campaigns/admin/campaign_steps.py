"""Launching, pausing, resuming and canceling from the admin: first a page that says what will happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.admin.base import signed_in
from campaigns.errors import CampaignNotReady, IllegalTransition
from campaigns.models import Campaign
from campaigns.queries.launch_plan import StepPlan, plan_step
from campaigns.services import campaigns
from campaigns.services.campaign_log import REASON_MAX_CHARS
from campaigns.states import CAMPAIGN_STEPS, CampaignAction
from campaigns.tasks.launching import fill_contacts
from campaigns.tasks.sending import send


@dataclass(frozen=True, slots=True)
class Step:
    """A step a person may take: the service behind it and its words."""

    take: Callable[..., Campaign]
    title: str
    button: str
    done: str


STEPS: Mapping[CampaignAction, Step] = {
    CampaignAction.LAUNCH: Step(campaigns.launch, "Launch?", "Launch now", "was launched"),
    CampaignAction.PAUSE: Step(campaigns.pause, "Pause?", "Pause now", "is paused"),
    CampaignAction.RESUME: Step(campaigns.resume, "Resume?", "Resume now", "goes on"),
    CampaignAction.CANCEL: Step(campaigns.cancel, "Cancel for good?", "Cancel for good", "is canceled"),
}


def step_url(action: CampaignAction, campaign_ids: Iterable[int]) -> str:
    """Where a step is confirmed for these campaigns."""
    return f"{reverse('admin:campaigns_campaign_step', args=[action])}?ids={','.join(map(str, campaign_ids))}"


def confirm_step(request: HttpRequest, action: str) -> HttpResponse:
    """What the step will do to each campaign; posted, it is done."""
    known = next((candidate for candidate in STEPS if candidate == action), None)
    if known is None:
        raise Http404("There is no such step.")
    if not request.user.has_perm("campaigns.change_campaign"):
        raise PermissionDenied
    chosen = _campaigns(request.GET.get("ids", ""))
    back = _back(chosen)
    if request.method == "POST":
        for campaign in chosen:
            _take(request, known, campaign)
        return HttpResponseRedirect(back)
    plans = [_plan(campaign, known) for campaign in chosen]
    step = STEPS[known]
    context = admin.site.each_context(request) | {
        "title": step.title,
        "plans": plans,
        "is_possible": any(not plan.problems for plan in plans),
        "button": step.button,
        "back": back,
    }
    return TemplateResponse(request, "admin/campaigns/campaign/step.html", context)


def _campaigns(ids: str) -> Sequence[Campaign]:
    wanted = [int(part) for part in ids.split(",") if part.isdigit()][:100]
    found = list(Campaign.objects.filter(pk__in=wanted).select_related("trunk", "agent"))
    if not found:
        raise Http404("Choose at least one campaign.")
    return found


def _back(chosen: Sequence[Campaign]) -> str:
    if len(chosen) == 1:
        return reverse("admin:campaigns_campaign_change", args=[chosen[0].pk])
    return reverse("admin:campaigns_campaign_changelist")


def _plan(campaign: Campaign, action: CampaignAction) -> StepPlan:
    if action not in CAMPAIGN_STEPS[campaign.state]:  # type: ignore[index]  # stored as text, equal to the enum's
        return StepPlan(campaign, [], [f"A campaign that is {campaign.get_state_display().lower()} cannot {action}."])
    return plan_step(campaign, action, timezone.now())


def _take(request: HttpRequest, action: CampaignAction, campaign: Campaign) -> None:
    try:
        reason = request.POST.get("reason", "").strip()[:REASON_MAX_CHARS]
        STEPS[action].take(campaign.pk, now=timezone.now(), user=signed_in(request), reason=reason)
    except CampaignNotReady as refusal:
        for reasons in refusal.errors.values():
            for reason in reasons:
                messages.error(request, f"“{campaign.name}”: {reason}")
    except IllegalTransition as refusal:
        messages.error(request, f"“{campaign.name}”: {refusal.detail}")
    else:
        if action is CampaignAction.LAUNCH:
            # Contacts are made at once. Without a broker the launch stands, and the beat takes it up.
            send(fill_contacts, campaign_id=campaign.pk)
        messages.success(request, f"“{campaign.name}” {STEPS[action].done}.")
