"""The life of a campaign: launch, pause, resume, cancel, finish; each with its log line and its event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.enums import CampaignState, CanaryState, ContactState, WebhookEvent
from campaigns.errors import CampaignNotReady, IllegalTransition
from campaigns.models import BlackoutDate, CallAttempt, Campaign, CampaignEvent, Contact
from campaigns.policies.eligibility import OVER_STATES
from campaigns.queries.lifecycle import campaigns_through, canceled_with_waiting, has_open_contacts
from campaigns.queries.preflight import Problem, preflight
from campaigns.services import campaign_log
from campaigns.services.approvals import approve, ask_if_needed
from campaigns.services.campaign_log import MESSAGE_MAX_CHARS
from campaigns.services.definitions import CHANGEABLE
from campaigns.services.outbox import record_event
from campaigns.states import CAMPAIGN_STEPS, CampaignAction, next_campaign_state

__all__ = [
    "Problem",
    "archive",
    "cancel",
    "cancel_waiting",
    "clone",
    "finish",
    "finish_all",
    "launch",
    "pause",
    "pause_after_refusals",
    "preflight",
    "report_launch_problems",
    "resume",
    "unarchive",
]

CANCELED = "campaign_canceled"
CANCEL_BLOCK = 10_000
# How long after its end a canceled campaign is looked at for contacts that came back from their last attempt.
STRAGGLERS = timedelta(days=1)
# Source: reliability D16.
REFUSALS_IN_A_ROW = 5
PAST_TENSE = {
    CampaignAction.SCHEDULE: "Scheduled",
    CampaignAction.LAUNCH: "Launched",
    CampaignAction.PAUSE: "Paused",
    CampaignAction.RESUME: "Resumed",
    CampaignAction.CANCEL: "Canceled",
    CampaignAction.FINISH: "Finished",
}
# All that a draft can be given, but the dates of its run. A loosened rule was loosened for that campaign.
COPIED_FIELDS = sorted(CHANGEABLE[CampaignState.DRAFT] - {"name", "customer_lists", "starts_at"})


def launch(campaign_id: int, *, now: datetime, user: User | None = None, reason: str = "") -> Campaign:
    """Start a campaign; a draft whose `starts_at` lies ahead is scheduled instead.

    Quick however long the lists are: the caller enqueues `fill_contacts`, which makes the contacts in blocks.

    Raises:
        IllegalTransition: it was launched before, or is over.
        CampaignNotReady: `errors` names every field that stands against it.
        ApprovalNeeded: it is large, and another manager has to approve it; that is asked for now.
    """
    campaign = Campaign.objects.select_related("trunk").get(pk=campaign_id)
    if CampaignAction.LAUNCH in CAMPAIGN_STEPS[CampaignState(campaign.state)] and not preflight(campaign, now):
        ask_if_needed(campaign, user=user, now=now)
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update(of=("self",)).select_related("trunk").get(pk=campaign_id)
        is_early = campaign.state == CampaignState.DRAFT and campaign.starts_at and campaign.starts_at > now
        action = CampaignAction.SCHEDULE if is_early else CampaignAction.LAUNCH
        next_campaign_state(CampaignState(campaign.state), action)
        problems = preflight(campaign, now)
        if problems:
            errors: dict[str, list[str]] = {}
            for problem in problems:
                errors.setdefault(problem.field, []).append(problem.message)
            raise CampaignNotReady("The campaign cannot be launched as it is.", errors=errors)
        fields: dict[str, Any] = {} if is_early else {"launched_at": now, **_careful_start(campaign, now)}
        return _step(campaign_id, action, now=now, user=user, reason=reason, **fields)


def approve_launch(campaign_id: int, *, user: User, now: datetime, reason: str = "") -> Campaign:
    """Approve a launch that somebody else has asked for, and launch.

    Raises:
        IllegalTransition: nobody has asked, or the same person has.
        CampaignNotReady: something has come to stand against it since.
    """
    approve(campaign_id, user=user, now=now)
    return launch(campaign_id, now=now, user=user, reason=reason)


def pause(campaign_id: int, *, now: datetime, user: User | None = None, reason: str = "") -> Campaign:
    """Stop dialing before the next call; live calls go on.

    Raises:
        IllegalTransition: it is not running.
    """
    return _step(campaign_id, CampaignAction.PAUSE, now=now, user=user, reason=reason)


def resume(campaign_id: int, *, now: datetime, user: User | None = None, reason: str = "") -> Campaign:
    """Go on dialing. After a careful start that failed, the next calls are looked at like the first were.

    Raises:
        IllegalTransition: it is not paused.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        has_failed = campaign.canary_state == CanaryState.FAILED
        fields = _careful_start(campaign, now) if has_failed else {}
        return _step(campaign_id, CampaignAction.RESUME, now=now, user=user, reason=reason, **fields)


def cancel(campaign_id: int, *, now: datetime, user: User | None = None, reason: str = "") -> Campaign:
    """End a campaign for good; live calls go on, contacts that wait are canceled (the rest of many by the tick).

    Raises:
        IllegalTransition: it is over.
    """
    with transaction.atomic():
        campaign = _step(campaign_id, CampaignAction.CANCEL, now=now, user=user, reason=reason, finished_at=now)
        cancel_waiting(campaign_id, now=now)
    return campaign


def finish(campaign_id: int, *, now: datetime, user: User | None = None) -> Campaign:
    """Close a campaign in which nobody waits and nobody is being dialed.

    Raises:
        IllegalTransition: it is not running, or somebody still waits.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.contacts_filled_at is None or has_open_contacts(campaign_id):
            raise IllegalTransition("Contacts are still waiting or being dialed.")
        return _step(campaign_id, CampaignAction.FINISH, now=now, user=user, finished_at=now)


def archive(campaign_id: int, *, now: datetime, user: User | None = None, reason: str = "") -> Campaign:
    """Take a campaign that is over out of the lists. Nothing is lost; asked for again it changes nothing.

    Raises:
        IllegalTransition: it is not over.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.state not in OVER_STATES:
            state = CampaignState(campaign.state).label.lower()
            raise IllegalTransition(
                f"A campaign that is {state} cannot be archived. Cancel it, or let it finish first."
            )
        if campaign.archived_at is None:
            campaign.archived_at = now
            campaign.save(update_fields=["archived_at", "updated_at"])
            campaign_log.record(campaign, "archive", "Archived.", user=user, now=now, reason=reason)
    return campaign


def unarchive(campaign_id: int, *, now: datetime, user: User | None = None, reason: str = "") -> Campaign:
    """Put an archived campaign back into the lists; asked for again it changes nothing."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.archived_at is not None:
            campaign.archived_at = None
            campaign.save(update_fields=["archived_at", "updated_at"])
            campaign_log.record(campaign, "unarchive", "Taken out of the archive.", user=user, now=now, reason=reason)
    return campaign


def finish_all(*, now: datetime) -> list[int]:
    """Finish every running campaign that is through, and cancel who still waits in canceled ones; the finished ids."""
    finished = []
    for campaign_id in campaigns_through():
        try:
            finish(campaign_id, now=now)
        except IllegalTransition:
            continue
        finished.append(campaign_id)
    for campaign_id in canceled_with_waiting(since=now - STRAGGLERS):
        cancel_waiting(campaign_id, now=now)
    return finished


def cancel_waiting(campaign_id: int, *, now: datetime, limit: int = CANCEL_BLOCK) -> int:
    """Cancel up to `limit` waiting contacts of a canceled campaign; returns how many."""
    waiting = Contact.objects.filter(campaign_id=campaign_id, state=ContactState.PENDING)
    block = list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])
    if not block:
        return 0
    # A range, not a list of ids: SQLite takes only so many parameters.
    chosen = waiting.filter(pk__gte=block[0], pk__lte=block[-1])
    return chosen.update(
        state=ContactState.CANCELED, state_reason=CANCELED, next_attempt_at=None, releases=0, updated_at=now
    )


def pause_after_refusals(campaign_id: int, *, now: datetime) -> bool:
    """Pause a campaign whose last calls the switch has all refused: something is wrong with all of them."""
    ended = CallAttempt.objects.filter(campaign_id=campaign_id, is_counted=True, ended_at__isnull=False)
    latest = list(ended.order_by("-ended_at").values_list("reason", flat=True)[:REFUSALS_IN_A_ROW])
    if len(latest) < REFUSALS_IN_A_ROW or not all(reason.startswith("refused_") for reason in latest):
        return False
    try:
        pause(campaign_id, now=now, reason=f"the switch refused {REFUSALS_IN_A_ROW} calls in a row ({latest[0]})")
    except IllegalTransition:
        return False
    return True


def report_launch_problems(campaign_id: int, problems: CampaignNotReady, *, now: datetime) -> None:
    """Log why a scheduled launch has not happened, once for as long as the reasons stay the same."""
    reasons = " ".join(reason for field in problems.errors.values() for reason in field)
    message = f"The scheduled launch waits: {reasons}"[:MESSAGE_MAX_CHARS]
    latest = CampaignEvent.objects.filter(campaign_id=campaign_id).order_by("-id").first()
    if latest is None or latest.message != message:
        CampaignEvent.objects.create(campaign_id=campaign_id, at=now, kind="launch_waits", message=message)


def clone(campaign_id: int, *, name: str, user: User | None, now: datetime) -> Campaign:
    """A draft with the same settings and lists under another name; dates, contacts and results stay behind.

    Raises:
        IntegrityError: the name is taken.
    """
    with transaction.atomic():
        source = Campaign.objects.get(pk=campaign_id)
        copied: dict[str, Any] = {field: getattr(source, field) for field in COPIED_FIELDS}
        copy = Campaign.objects.create(name=name, created_by=user, **copied)
        copy.customer_lists.set(source.customer_lists.all())
        BlackoutDate.objects.bulk_create(
            BlackoutDate(campaign=copy, date=row.date, name=row.name) for row in source.blackout_dates.all()
        )
        CampaignEvent.objects.create(
            campaign=copy, at=now, kind="cloned", message=f"Made from “{source.name}”."[:MESSAGE_MAX_CHARS], user=user
        )
    return copy


def _careful_start(campaign: Campaign, now: datetime) -> dict[str, Any]:
    state = CanaryState.RUNNING if campaign.canary_calls else CanaryState.NONE
    return {"canary_state": state, "canary_since": now if campaign.canary_calls else None}


def _step(
    campaign_id: int, action: CampaignAction, *, now: datetime, user: User | None, reason: str = "", **fields: Any
) -> Campaign:
    """Take one step by the table; whoever loses a race is judged by the state the winner left."""
    with transaction.atomic():
        for _ in CampaignState:
            old = CampaignState(Campaign.objects.values_list("state", flat=True).get(pk=campaign_id))
            new = next_campaign_state(old, action)
            step = Campaign.objects.filter(pk=campaign_id, state=old)
            if step.update(state=new, updated_at=now, **fields):
                return _record_step(campaign_id, action, old, new, now=now, user=user, reason=reason)
    raise IllegalTransition("The campaign kept changing under this step.")


def _record_step(
    campaign_id: int,
    action: CampaignAction,
    old: CampaignState,
    new: CampaignState,
    *,
    now: datetime,
    user: User | None,
    reason: str,
) -> Campaign:
    campaign = Campaign.objects.get(pk=campaign_id)
    campaign_log.record(campaign, action.value, f"{PAST_TENSE[action]}.", user=user, now=now, reason=reason)
    record_event(
        type=WebhookEvent.CAMPAIGN_STATE_CHANGED,
        subject=str(campaign_id),
        occurred_at=now,
        body={
            "campaign_id": campaign_id,
            "name": campaign.name,
            "from_state": old.value,
            "to_state": new.value,
            "reason": reason,
        },
    )
    return campaign
