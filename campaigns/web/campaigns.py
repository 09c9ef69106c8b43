"""The campaigns and one campaign, and the buttons that move it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from campaigns.enums import CampaignState, Role, TrunkHold
from campaigns.errors import CallTestRefused, CampaignNotReady, CampaignsError
from campaigns.models import Campaign
from campaigns.policies.stop_text import live_in_words
from campaigns.queries.approvals import is_waiting
from campaigns.queries.calls import placed_live_calls
from campaigns.queries.contacts import contacts_matching
from campaigns.queries.live import CampaignNow, campaign_now
from campaigns.queries.overview import progress_of
from campaigns.services import campaigns as lifecycle
from campaigns.services.campaign_log import REASON_MAX_CHARS
from campaigns.services.test_calls import Told, claim_test_call
from campaigns.services.trunks import release_hold
from campaigns.states import CampaignAction
from campaigns.tasks.dialing import place_call
from campaigns.tasks.launching import fill_contacts
from campaigns.tasks.sending import send
from campaigns.web.access import ROLES_FOR, may, page, roles_of, sees_numbers, signed_in
from campaigns.web.charts import contact_segments
from campaigns.web.forms import ContactFilterForm
from campaigns.web.live.parts import campaign_context
from campaigns.web.paging import one_page
from campaigns.web.stops import may_stop, stop_context

STEPS: Mapping[CampaignAction, Callable[..., Campaign]] = {
    CampaignAction.LAUNCH: lifecycle.launch,
    CampaignAction.PAUSE: lifecycle.pause,
    CampaignAction.RESUME: lifecycle.resume,
    CampaignAction.CANCEL: lifecycle.cancel,
}
# action → (button, what will happen, what was done)
WORDS: Mapping[CampaignAction, tuple[str, str, str]] = {
    CampaignAction.LAUNCH: (
        "Launch",
        "Every customer on its lists becomes a contact, and dialing begins as soon as the calling window is open.",
        "is launched",
    ),
    CampaignAction.PAUSE: (
        "Pause",
        "No further call is placed. Calls that are ringing or being held go on to their end.",
        "is paused",
    ),
    CampaignAction.RESUME: ("Resume", "Dialing goes on where it stopped.", "goes on"),
    CampaignAction.CANCEL: (
        "Cancel",
        "All waiting contacts are canceled and the campaign is over. This cannot be undone.",
        "is canceled",
    ),
}


# Beside the states, what the list can be narrowed to.
ARCHIVED = "archived"


@require_GET
@page
def list_campaigns(request: HttpRequest) -> HttpResponse:
    """Every campaign with its progress, newest first."""
    state = request.GET.get("state", "")
    campaigns = Campaign.objects.select_related("agent").order_by("-id")
    campaigns = campaigns.filter(archived_at__isnull=state != ARCHIVED)
    if state in CampaignState.values:
        campaigns = campaigns.filter(state=state)
    context = one_page(request, campaigns)
    rows = [(progress, contact_segments(progress.contacts)) for progress in progress_of(context["page"].object_list)]
    context |= {"rows": rows, "states": [*CampaignState.choices, (ARCHIVED, "Archived")], "state": state}
    context |= stop_context(signed_in(request.user))
    return render(request, "pages/campaigns.html", context)


@require_GET
@page
def show_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """One campaign: progress, pace, why nothing dials, live calls, contacts, log."""
    now = timezone.now()
    found = campaign_now(campaign_id, now)
    if found is None:
        raise Http404("There is no such campaign.")
    user = signed_in(request.user)
    shows_numbers = sees_numbers(user)
    form = ContactFilterForm(request.GET)
    form.is_valid()
    wanted = {name: form.cleaned_data.get(name, "") for name in form.fields}
    contacts = contacts_matching(campaign_id, **wanted, may_search_numbers=shows_numbers)
    context = campaign_context(found) | one_page(request, contacts) | stop_context(user)
    context |= {
        "now": now,
        "form": form,
        "is_filtered": any(wanted.values()),
        "shows_numbers": shows_numbers,
        "live_path": f"/live/campaigns/{campaign_id}",
        "may_test": Role.MANAGER in roles_of(user),
        "may_stop": may_stop(user),
        "placed_live": live_in_words(placed_live_calls().count()),
        "may_approve": is_waiting(found.campaign) and Role.MANAGER in roles_of(user) and not _has_asked(found, user),
        "may_release_trunk": found.campaign.trunk.hold != TrunkHold.NONE and Role.MANAGER in roles_of(user),
        "buttons": [(action.value, *WORDS[action][:2]) for action in ROLES_FOR if may(user, action)],
    }
    return render(request, "pages/campaign.html", context)


def _has_asked(found: CampaignNow, user: User) -> bool:
    return found.campaign.approval_asked_by_id == user.pk


@require_POST
@page
def step_campaign(request: HttpRequest, campaign_id: int, action: str) -> HttpResponse:
    """Launch, pause, resume or cancel, then back to the campaign with what came of it."""
    step = next((known for known in STEPS if known == action), None)
    if step is None:
        raise Http404("There is no such step.")
    user = signed_in(request.user)
    if not may(user, step):
        raise PermissionDenied(f"Your roles do not let you {step} a campaign.")
    try:
        reason = request.POST.get("reason", "").strip()[:REASON_MAX_CHARS]
        campaign = STEPS[step](campaign_id, now=timezone.now(), user=user, reason=reason)
    except Campaign.DoesNotExist as missing:
        raise Http404("There is no such campaign.") from missing
    except CampaignNotReady as problem:
        messages.error(request, problem.detail)
        for reasons in problem.errors.values():
            for reason in reasons:
                messages.error(request, reason)
    except CampaignsError as problem:
        messages.error(request, problem.detail)
    else:
        if step is CampaignAction.LAUNCH:
            # Contacts are made at once. Without a broker the launch stands, and `start_scheduled` takes it up.
            send(fill_contacts, campaign_id=campaign_id)
        messages.success(request, f"“{campaign.name}” {WORDS[step][2]}.")
    return redirect("campaign", campaign_id)


@require_POST
@page
def approve_launch(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Approve and launch what another manager has asked to launch."""
    user = signed_in(request.user)
    if Role.MANAGER not in roles_of(user):
        raise PermissionDenied("Only a manager approves a launch.")
    get_object_or_404(Campaign, pk=campaign_id)
    try:
        campaign = lifecycle.approve_launch(campaign_id, user=user, now=timezone.now())
    except CampaignsError as problem:
        messages.error(request, problem.detail)
    else:
        send(fill_contacts, campaign_id=campaign_id)
        messages.success(request, f"“{campaign.name}” is approved and launched.")
    return redirect("campaign", campaign_id)


@require_POST
@page
def place_test_call(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Call one number to hear the campaign, then back to it."""
    user = signed_in(request.user)
    if Role.MANAGER not in roles_of(user):
        raise PermissionDenied("Only a manager places test calls.")
    number = request.POST.get("phone_number", "")
    get_object_or_404(Campaign, pk=campaign_id)
    try:
        claimed = claim_test_call(campaign_id, number, told=Told(), user=user, now=timezone.now())
    except CallTestRefused as refusal:
        messages.error(request, refusal.detail)
    else:
        is_sent = send(
            place_call, attempt_id=str(claimed.attempt_id), fence=claimed.fence, start_in_s=claimed.start_in_s
        )
        if is_sent:
            messages.success(request, "The test call is on its way.")
        else:
            messages.error(request, "The test call was not placed: the broker does not answer.")
    return redirect("campaign", campaign_id)


@require_POST
@page
def release_trunk(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Let the campaign's held trunk dial again."""
    user = signed_in(request.user)
    if Role.MANAGER not in roles_of(user):
        raise PermissionDenied("Only a manager lets a trunk dial again.")
    campaign = get_object_or_404(Campaign.objects.select_related("trunk"), pk=campaign_id)
    if release_hold(campaign.trunk_id, now=timezone.now()):
        messages.success(request, f"“{campaign.trunk.name}” dials again.")
    return redirect("campaign", campaign_id)
