"""Claiming: choosing which contacts are dialed now, in one transaction under the trunk's lock.

Only one claim runs per trunk at a time, so what it counts stays true until it commits. Rows are written set by set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists

from campaigns.crash_points import reach
from campaigns.enums import App, AttemptState, CampaignState, ContactState, TrunkHold
from campaigns.models import AttemptLog, CallAttempt, Campaign, Contact, Trunk
from campaigns.policies.calling_window import CallingWindow, closed_date_in, next_opening, spread_opening
from campaigns.policies.eligibility import Gate
from campaigns.policies.extension_pool import free_extensions
from campaigns.policies.fair_share import Lane, Plan, plan_starts
from campaigns.policies.pacing import HORIZON_S, TokenBucket, pace_factor
from campaigns.queries.agent_outages import trials_left
from campaigns.queries.calling_rules import stops_in_force, windows_of, with_good_dnc_lists
from campaigns.queries.canaries import canary_calls_left
from campaigns.queries.dialing import (
    campaign_rate_per_s,
    due_contacts,
    free_bridge_slots,
    live_nodes,
    open_calls_by_campaign,
    zones_for,
)
from campaigns.queries.extensions import extension_use

CLAIM_BATCH = 50
# Contacts found outside their window are put off in bulk, at most this many rounds of them in one claim.
POSTPONE_ROUNDS = 4
POSTPONE_BATCH = 200
NUMBER_BUSY_WAIT_S = 60.0
NO_OPENING_WAIT_S = 86_400.0
FIRST_FENCE = 1


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt that waits to be placed, `start_in_s` after the claim; the fence must come back with it."""

    attempt_id: UUID
    fence: int
    start_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Turn:
    """A running campaign with the contacts it may call now, and the extensions they may ring; None rings none."""

    lane: Lane[int]
    contacts: Sequence[Contact]
    extensions: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Who is called when, over which extension; empty for none."""

    contact: Contact
    start_in_s: float
    extension: str


def claim_due(trunk_id: int, *, now: datetime) -> list[Claimed]:
    """Attempts for the contacts of a trunk that may be dialed now or within the next second, committed and leased.

    Whoever is claimed and not placed before the lease ends is given back by the reaper.
    """
    with transaction.atomic(durable=True):
        trunks = Trunk.objects.annotate(is_stopped=Exists(stops_in_force()))
        trunk = trunks.select_for_update(of=("self",)).get(pk=trunk_id)
        if trunk.is_stopped or not trunk.is_enabled or not trunk.token or trunk.hold != TrunkHold.NONE:
            return []
        rate_per_s = trunk.calls_per_second * pace_factor(trunk.throttled_until, now)
        if not rate_per_s:
            return []
        bucket = TokenBucket(trunk.bucket_tokens, trunk.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
        open_calls = open_calls_by_campaign(trunk_id)
        # Nodes are locked so that claims of two trunks cannot both count on the same slot.
        list(live_nodes(now).order_by("name").select_for_update())
        free = trunk.max_concurrent_calls - sum(open_calls.values())
        limit = min(free, CLAIM_BATCH, free_bridge_slots(now), bucket.starts_within(HORIZON_S, rate_per_s))
        if limit <= 0:
            return []
        turns = _turns(trunk, open_calls, limit, now)
        lanes = [turn.lane for turn in turns]
        plan = plan_starts(lanes, bucket, rate_per_s=rate_per_s, limit=limit, horizon_s=HORIZON_S)
        chosen = _choose(turns, plan)
        claimed = _write(trunk, chosen, now)
        if claimed:
            _charge(trunk, plan, {entry.contact.campaign_id for entry in chosen})
    if claimed:
        reach("claimed")
    delays_s = {entry.contact: entry.start_in_s for entry in chosen}
    return [Claimed(attempt.pk, attempt.fence, delays_s[attempt.contact]) for attempt in claimed]


def _turns(trunk: Trunk, open_calls: dict[int, int], limit: int, now: datetime) -> list[_Turn]:
    """The running campaigns with whom they may call; who starves and who is important is asked first.

    Who comes behind as many contacts as can start is not asked.
    """
    running = with_good_dnc_lists(Campaign.objects.filter(trunk=trunk, state=CampaignState.RUNNING).order_by("id"), now)
    windows = windows_of(running, now)
    trials = {agent_id: trials_left(agent_id, now) for agent_id in {campaign.agent_id for campaign in running}}
    extensions = _extensions(trunk, running, now)
    lanes = [
        (campaign, _lane(campaign, open_calls, trials[campaign.agent_id], extensions.get(campaign.pk), now))
        for campaign in running
    ]
    lanes.sort(key=lambda pair: (not pair[1].is_starving, -pair[1].priority))
    turns: list[_Turn] = []
    for _, equals in groupby(lanes, key=lambda pair: (pair[1].is_starving, pair[1].priority)):
        # One that starves has one start for certain, and the rest only if nobody comes before it.
        if sum(min(len(turn.contacts), 1 if turn.lane.is_starving else limit) for turn in turns) >= limit:
            break
        for campaign, lane in equals:
            contacts = _open_contacts(campaign, windows[campaign.pk], min(lane.calls, limit), now)
            turns.append(_Turn(replace(lane, calls=len(contacts)), contacts, extensions.get(campaign.pk)))
    return turns


def _extensions(trunk: Trunk, running: Sequence[Campaign], now: datetime) -> Mapping[int, Sequence[str]]:
    """The free extensions of each campaign that rings one first, the longest idle first. Asks only where there is one.

    A claim holds the trunk, and with it what it reads here, until it commits.
    """
    dialing = [campaign for campaign in running if campaign.app == App.DIAL]
    if not dialing:
        return {}
    use = extension_use(trunk.pk, now)
    return {campaign.pk: free_extensions(campaign.extensions, use) for campaign in dialing}


def _choose(turns: Sequence[_Turn], plan: Plan[int]) -> list[_Chosen]:
    """The contacts of the planned starts. Of campaigns that share an extension the first to start has it."""
    waiting = {turn.lane.key: (iter(turn.contacts), turn.extensions) for turn in turns}
    chosen: list[_Chosen] = []
    taken: set[str] = set()
    for start in plan.starts:
        contacts, extensions = waiting[start.key]
        free = [""] if extensions is None else [extension for extension in extensions if extension not in taken]
        if free:
            chosen.append(_Chosen(next(contacts), start.delay_s, free[0]))
            taken.add(free[0])
    return chosen


def _lane(
    campaign: Campaign, open_calls: dict[int, int], trials: int | None, extensions: Sequence[str] | None, now: datetime
) -> Lane[int]:
    """The campaign as the plan sees it, with as many calls as its limits allow."""
    rate_per_s = campaign_rate_per_s(campaign, now)
    bucket = TokenBucket(campaign.bucket_tokens, campaign.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
    free = campaign.max_concurrent_calls - open_calls.get(campaign.pk, 0)
    at_extensions = None if extensions is None else len(extensions)
    limits = (free, bucket.starts_within(HORIZON_S, rate_per_s), trials, canary_calls_left(campaign), at_extensions)
    served_at = campaign.bucket_at or campaign.launched_at or now
    return Lane(
        key=campaign.pk,
        calls=max(0, min(limit for limit in limits if limit is not None)),
        bucket=bucket,
        rate_per_s=rate_per_s,
        priority=campaign.priority,
        weight=campaign.weight,
        share_used=campaign.share_used,
        waited_s=(now - served_at).total_seconds(),
    )


def _open_contacts(campaign: Campaign, window: CallingWindow, limit: int, now: datetime) -> list[Contact]:
    """Up to `limit` due contacts whose window is open; those whose window is closed are put off to its opening."""
    if window.timezone and next_opening(replace(window, legal_hours=None), (window.timezone,), now) != now:
        # Closed for everybody: no row needs to be touched.
        return []
    openings: dict[tuple[str, ...], datetime | None] = {}
    found: list[Contact] = []
    fetch = limit
    for _ in range(POSTPONE_ROUNDS):
        found, closed = [], []
        for contact in due_contacts(campaign, now=now, limit=fetch):
            zones = zones_for(contact, window)
            if zones not in openings:
                openings[zones] = next_opening(window, zones, now)
            opens_at = openings[zones]
            if opens_at == now:
                found.append(contact)
            else:
                closed.append(_closed(contact, window, zones, opens_at, now))
        if closed:
            Contact.objects.bulk_update(closed, ["next_attempt_at", "state_reason", "updated_at"])
        if not closed or len(found) >= limit:
            break
        fetch = POSTPONE_BATCH
    return found[:limit]


def _closed(
    contact: Contact, window: CallingWindow, zones: tuple[str, ...], opens_at: datetime | None, now: datetime
) -> Contact:
    """The locked contact, to wait for an opening: not all at one second, and a day where none is in sight."""
    contact.next_attempt_at = (
        now + timedelta(seconds=NO_OPENING_WAIT_S)
        if opens_at is None
        else spread_opening(window, zones, opens_at, key=contact.pk)
    )
    contact.state_reason = Gate.BLACKOUT if closed_date_in(window, zones, now) else Gate.WINDOW
    contact.updated_at = now
    return contact


def _put_off(contact_ids: Sequence[int], *, until: datetime, reason: str, now: datetime) -> None:
    waiting = Contact.objects.filter(pk__in=contact_ids, state=ContactState.PENDING)
    waiting.update(next_attempt_at=until, state_reason=reason, updated_at=now)


def _write(trunk: Trunk, chosen: Sequence[_Chosen], now: datetime) -> list[CallAttempt]:
    """The attempts that could be written; a contact whose number is in another open call waits a minute."""
    if not chosen:
        return []
    wanted = [
        CallAttempt(
            contact=entry.contact,
            campaign_id=entry.contact.campaign_id,
            trunk=trunk,
            phone_number=entry.contact.phone_number,
            extension=entry.extension,
            number=entry.contact.attempts_made + 1,
            state=AttemptState.CLAIMED,
            fence=FIRST_FENCE,
            claimed_at=now,
            deadline_at=now + timedelta(seconds=settings.CLAIM_LEASE_S),
        )
        for entry in chosen
    ]
    # The unique indexes on open attempts decide; whoever loses there is simply not written.
    CallAttempt.objects.bulk_create(wanted, ignore_conflicts=True)
    written_ids = set(
        CallAttempt.objects.filter(pk__in=[attempt.pk for attempt in wanted]).values_list("pk", flat=True)
    )
    written = [attempt for attempt in wanted if attempt.pk in written_ids]
    dialing = Contact.objects.filter(pk__in=[attempt.contact_id for attempt in written])
    dialing.update(state=ContactState.DIALING, next_attempt_at=None, state_reason="", updated_at=now)
    AttemptLog.objects.bulk_create(
        AttemptLog(attempt=attempt, at=now, to_state=AttemptState.CLAIMED, reason="due") for attempt in written
    )
    busy = [attempt.contact_id for attempt in wanted if attempt.pk not in written_ids]
    if busy:
        _put_off(busy, until=now + timedelta(seconds=NUMBER_BUSY_WAIT_S), reason=Gate.NUMBER_BUSY, now=now)
    return written


def _charge(trunk: Trunk, plan: Plan[int], started: set[int]) -> None:
    """Remember the planned starts. Who got none keeps its old bucket, and so how long it has waited."""
    Trunk.objects.filter(pk=trunk.pk).update(bucket_tokens=plan.trunk.tokens, bucket_at=plan.trunk.at)
    for lane in plan.lanes:
        if lane.key in started:
            Campaign.objects.filter(pk=lane.key).update(
                bucket_tokens=lane.bucket.tokens, bucket_at=lane.bucket.at, share_used=lane.share_used
            )
