"""What the dialer needs to know before it calls: who is due, what is open, and the facts the gates look at."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, TrunkHold
from campaigns.models import BridgeNode, CallAttempt, Campaign, Contact, SuppressedNumber, Trunk
from campaigns.policies.cadence import Cadence, default_cadence, parse_cadence
from campaigns.policies.calling_window import NEVER_OPEN, CallingWindow, next_opening, parse_window, zones_of
from campaigns.policies.eligibility import DialFacts
from campaigns.policies.outcomes import RedialRules
from campaigns.policies.pacing import free_slots
from campaigns.queries.agent_outages import outage_of, trial_of
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number, timezones_of

log = logging.getLogger(__name__)

# A bridge beats every 5 s; three beats missed and it counts for nothing.
NODE_SEEN_S = 15.0
# Priorities walked one by one; a campaign with more of them pays for a longer scan.
PRIORITY_STEPS = 8
RECENT_CALLS = 3
# A fill writes a block at least this often while it runs.
FILL_STALE_S = 5.0
FILLABLE_STATES = (CampaignState.RUNNING, CampaignState.PAUSED)


def redial_rules(campaign: Campaign) -> RedialRules:
    """The campaign's rules of trying again, with the installation's floors."""
    return RedialRules(
        cadence=cadence_of(campaign),
        max_attempts=campaign.max_attempts,
        redial_min_s=settings.REDIAL_MIN_S,
        unconfirmed_redial_min_s=settings.UNCONFIRMED_REDIAL_MIN_S,
    )


def window_of(campaign: Campaign) -> CallingWindow:
    """The campaign's calling window; one that cannot be read is never open, and stops nobody else's dialing."""
    try:
        return parse_window(campaign.calling_window)
    except ValueError:
        log.warning("calling_window_broken", extra={"campaign_id": campaign.pk})
        return NEVER_OPEN


def cadence_of(campaign: Campaign) -> Cadence:
    """The campaign's cadence; the default one where it cannot be read, so that no contact is given up for it."""
    try:
        return parse_cadence(campaign.cadence)
    except ValueError:
        log.warning("cadence_broken", extra={"campaign_id": campaign.pk})
        return parse_cadence(default_cadence())


def zones_for(contact: Contact, window: CallingWindow) -> tuple[str, ...]:
    """The timezones in which the campaign's window must be open for this contact."""
    needs_number = not (window.timezone or contact.timezone)
    return zones_of(
        window,
        customer_zone=contact.timezone,
        number_zones=timezones_of(contact.phone_number) if needs_number else (),
        fallback=settings.TIME_ZONE,
    )


def opening_for(contact: Contact, at: datetime) -> datetime:
    """The first instant from `at` on inside the contact's calling window; `at` itself where there is none."""
    window = window_of(contact.campaign)
    return next_opening(window, zones_for(contact, window), at) or at


def number_fault(phone_number: str) -> str:
    """Why a number may not be dialed at all (emergency, premium, not a number); empty if it may."""
    try:
        return "" if parse_phone_number(phone_number).e164 == phone_number else "The number is not in E.164 form."
    except PhoneNumberError as error:
        return str(error)


def open_calls_by_campaign(trunk_id: int) -> dict[int, int]:
    """Open attempts of a trunk, by campaign. Lines are counted from these rows, so none can leak."""
    rows = open_attempts().filter(trunk_id=trunk_id).values("campaign_id").annotate(calls=Count("id")).order_by()
    return {row["campaign_id"]: row["calls"] for row in rows}


def open_attempts() -> QuerySet[CallAttempt]:
    """Attempts that have not ended."""
    return CallAttempt.objects.exclude(state=AttemptState.ENDED)


def live_nodes(now: datetime) -> QuerySet[BridgeNode]:
    """Bridge processes that were seen lately and take new calls."""
    return BridgeNode.objects.filter(seen_at__gte=now - timedelta(seconds=NODE_SEEN_S), is_draining=False)


def free_bridge_slots(now: datetime) -> int:
    """Calls the bridges can still take; 0 where no bridge is running."""
    nodes = live_nodes(now).aggregate(capacity=Sum("capacity"), live=Sum("live_calls"))
    is_in_call = Q(state=AttemptState.IN_CALL)
    attempts = open_attempts().aggregate(
        in_call=Count("id", filter=is_in_call), ringing=Count("id", filter=~is_in_call)
    )
    return free_slots(
        capacity=nodes["capacity"] or 0,
        live_calls=nodes["live"] or 0,
        in_call_attempts=attempts["in_call"],
        ringing_attempts=attempts["ringing"],
    )


def due_contacts(campaign: Campaign, *, now: datetime, limit: int) -> Iterator[Contact]:
    """Contacts of a campaign that are due, locked: who asked to be called, then by importance and length of waiting.

    One range of the `contact_due` index per priority: asking for all priorities at once would read every contact of
    the first that is not due before it reached the second.
    """
    waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING)
    if limit <= 0:
        return
    asked_for = list(_locked_due(waiting.filter(callback_at__isnull=False), now, limit))
    yield from asked_for
    limit -= len(asked_for)
    waiting = waiting.filter(callback_at=None)
    for _ in range(PRIORITY_STEPS):
        if limit <= 0:
            return
        top = waiting.order_by("-priority", "next_attempt_at", "id").values_list("priority", flat=True).first()
        if top is None:
            return
        found = list(_locked_due(waiting.filter(priority=top), now, limit))
        yield from found
        limit -= len(found)
        waiting = waiting.filter(priority__lt=top)
    yield from _locked_due(waiting, now, limit)


def facts_for(contact: Contact, *, now: datetime, frozen_number: str = "") -> DialFacts:
    """The facts of a contact whose campaign and trunk are loaded, as of now. `frozen_number` is an attempt's."""
    campaign, trunk = contact.campaign, contact.campaign.trunk
    window = window_of(campaign)
    agent_outage = outage_of(campaign.agent_id, now)
    return DialFacts(
        campaign_state=CampaignState(campaign.state),
        is_trunk_usable=trunk.is_enabled and bool(trunk.token),
        trunk_hold=TrunkHold(trunk.hold),
        trunk_hold_detail=trunk.hold_detail,
        throttled_until=trunk.throttled_until,
        agent_outage=agent_outage,
        agent_trial_at=None if agent_outage is None else trial_of(campaign.agent_id, now),
        contact_number=contact.phone_number,
        frozen_number=frozen_number or contact.phone_number,
        number_fault=number_fault(contact.phone_number),
        is_suppressed=is_suppressed(contact.phone_number, now),
        attempts_made=contact.attempts_made,
        has_asked_for_call=contact.callback_at is not None,
        max_attempts=campaign.max_attempts,
        window=window,
        zones=zones_for(contact, window),
        rested_at=rested_at(contact.phone_number, redial_rules(campaign)),
    )


def is_suppressed(phone_number: str, now: datetime) -> bool:
    """Whether a number is on the do-not-call list."""
    entries = SuppressedNumber.objects.filter(phone_number=phone_number)
    return entries.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exists()


def rested_at(phone_number: str, rules: RedialRules) -> datetime | None:
    """When a number has rested from its latest calls of all campaigns; None if it was never disturbed."""
    calls = CallAttempt.objects.filter(phone_number=phone_number, is_counted=True, dispatched_at__isnull=False)
    latest = calls.order_by("-dispatched_at").values_list("dispatched_at", "outcome", "answered_at")[:RECENT_CALLS]
    rests = [
        dispatched_at + timedelta(seconds=floor_s)
        for dispatched_at, outcome, answered_at in latest
        if dispatched_at and (floor_s := rules.floor_s(Outcome(outcome), has_talked=answered_at is not None))
    ]
    return max(rests, default=None)


def _locked_due(waiting: QuerySet[Contact], now: datetime, limit: int) -> QuerySet[Contact]:
    due = waiting.filter(next_attempt_at__lte=now).order_by("-priority", "next_attempt_at", "id")
    return due.select_for_update(skip_locked=True, of=("self",))[:limit]


def dialable_trunk_ids() -> list[int]:
    """Trunks on which something may have to be dialed: enabled, not held, with a running campaign."""
    trunks = Trunk.objects.filter(is_enabled=True, hold=TrunkHold.NONE, campaigns__state=CampaignState.RUNNING)
    return list(trunks.order_by("pk").values_list("pk", flat=True).distinct())


def due_launches(now: datetime) -> list[int]:
    """Scheduled campaigns whose time has come."""
    due = Campaign.objects.filter(state=CampaignState.SCHEDULED, starts_at__lte=now)
    return list(due.order_by("starts_at").values_list("pk", flat=True))


def unfilled_campaign_ids(now: datetime) -> list[int]:
    """Launched campaigns whose contacts nobody seems to be filling in."""
    unfilled = Campaign.objects.filter(
        state__in=FILLABLE_STATES, contacts_filled_at=None, updated_at__lte=now - timedelta(seconds=FILL_STALE_S)
    )
    return list(unfilled.order_by("pk").values_list("pk", flat=True))
