"""Cloning and archiving from the admin: first a page that says what will happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.admin.base import signed_in
from campaigns.errors import IllegalTransition
from campaigns.models import Campaign
from campaigns.policies.eligibility import OVER_STATES
from campaigns.queries.launch_plan import StepPlan
from campaigns.services import campaigns
from campaigns.services.campaign_log import REASON_MAX_CHARS

NAME_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class Filing:
    """Putting a campaign away, or taking it out again: the service, when it makes sense, and its words."""

    take: Callable[..., Campaign]
    is_possible: Callable[[Campaign], bool]
    title: str
    sentence: str
    done: str


CLONE = "clone"
FILINGS: Mapping[str, Filing] = {
    "archive": Filing(
        campaigns.archive,
        lambda campaign: campaign.state in OVER_STATES and campaign.archived_at is None,
        "Archive?",
        "It leaves the lists. Its contacts, calls and numbers stay as they are.",
        "was archived",
    ),
    "unarchive": Filing(
        campaigns.unarchive,
        lambda campaign: campaign.archived_at is not None,
        "Take out of the archive?",
        "It stands in the lists again.",
        "stands in the lists again",
    ),
}


def possible(campaign: Campaign) -> set[str]:
    """What can be done with the campaign as it is."""
    return {CLONE} | {name for name, filing in FILINGS.items() if filing.is_possible(campaign)}


def confirm_clone(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Ask for the copy's name; posted, make it and show it."""
    if not request.user.has_perm("campaigns.add_campaign"):
        raise PermissionDenied
    source = get_object_or_404(Campaign, pk=campaign_id)
    name = request.POST.get("reason", f"{source.name} (copy)").strip()[:NAME_MAX_CHARS]
    if request.method == "POST":
        if name and not Campaign.objects.filter(name=name).exists():
            copy = campaigns.clone(source.pk, name=name, user=signed_in(request), now=timezone.now())
            messages.success(request, f"“{copy.name}” was made of “{source.name}”.")
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[copy.pk]))
        messages.error(request, "Give the copy a name that no other campaign has.")
    sentence = "A draft with the same settings and lists is made. Dates, contacts and results stay behind."
    words = {"title": "Clone?", "button": "Clone", "text_label": "Name of the copy", "text_value": name}
    return _page(request, StepPlan(source, [sentence], []), words)


def confirm_filing(request: HttpRequest, campaign_id: int, name: str) -> HttpResponse:
    """Say what archiving means, or the way back; posted, do it."""
    if name not in FILINGS:
        raise Http404("There is no such step.")
    if not request.user.has_perm("campaigns.change_campaign"):
        raise PermissionDenied
    campaign, filing = get_object_or_404(Campaign, pk=campaign_id), FILINGS[name]
    if request.method == "POST":
        reason = request.POST.get("reason", "").strip()[:REASON_MAX_CHARS]
        try:
            filing.take(campaign.pk, now=timezone.now(), user=signed_in(request), reason=reason)
        except IllegalTransition as refusal:
            messages.error(request, f"“{campaign.name}”: {refusal.detail}")
        else:
            messages.success(request, f"“{campaign.name}” {filing.done}.")
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
    problems = [] if filing.is_possible(campaign) else ["Only a campaign that is over can be archived."]
    words = {"title": filing.title, "button": filing.title.rstrip("?")}
    return _page(request, StepPlan(campaign, [filing.sentence], problems), words)


def _page(request: HttpRequest, plan: StepPlan, words: Mapping[str, str]) -> HttpResponse:
    back = reverse("admin:campaigns_campaign_change", args=[plan.campaign.pk])
    context = admin.site.each_context(request) | {"plans": [plan], "is_possible": not plan.problems, "back": back}
    return TemplateResponse(request, "admin/campaigns/campaign/step.html", context | dict(words))
