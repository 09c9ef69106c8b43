"""Claiming: choosing which contacts are dialed now, in one transaction under the trunk's lock.

Only one claim runs per trunk at a time, so what it counts stays true until it commits. Rows are written set by set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists

from campaigns.crash_points import reach
from campaigns.enums import AttemptState, CampaignState, ContactState, TrunkHold
from campaigns.models import AttemptLog, CallAttempt, Campaign, Contact, Trunk
from campaigns.policies.calling_window import CallingWindow, closed_date_in, next_opening, spread_opening
from campaigns.policies.eligibility import Gate
from campaigns.policies.pacing import Load, TokenBucket, pace_factor, take_turns
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

CLAIM_BATCH = 50
# Contacts found outside their window are put off in bulk, at most this many rounds of them in one claim.
POSTPONE_ROUNDS = 4
POSTPONE_BATCH = 200
NUMBER_BUSY_WAIT_S = 60.0
NO_OPENING_WAIT_S = 86_400.0
FIRST_FENCE = 1


@dataclass(frozen=True, slots=True)
class Claimed:
    """One attempt that waits to be placed; the fence must come back with it."""

    attempt_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class _Turn:
    """A running campaign with its calling window and the calls it may start now."""

    campaign: Campaign
    window: CallingWindow
    bucket: TokenBucket
    allowance: int


def claim_due(trunk_id: int, *, now: datetime) -> list[Claimed]:
    """Attempts for the contacts of a trunk that may be dialed now, committed and leased; empty if none may.

    Whoever is claimed and not placed before the lease ends is given back by the reaper.
    """
    with transaction.atomic(durable=True):
        trunks = Trunk.objects.annotate(is_stopped=Exists(stops_in_force()))
        trunk = trunks.select_for_update(of=("self",)).get(pk=trunk_id)
        if trunk.is_stopped or not trunk.is_enabled or not trunk.token or trunk.hold != TrunkHold.NONE:
            return []
        open_calls = open_calls_by_campaign(trunk_id)
        rate_per_s = trunk.calls_per_second * pace_factor(trunk.throttled_until, now)
        if not rate_per_s:
            return []
        bucket = TokenBucket(trunk.bucket_tokens, trunk.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
        line = Load(trunk.max_concurrent_calls, sum(open_calls.values()), bucket)
        # Nodes are locked so that claims of two trunks cannot both count on the same slot.
        list(live_nodes(now).order_by("name").select_for_update())
        limit = min(line.allowance, CLAIM_BATCH, free_bridge_slots(now))
        chosen = _choose(trunk, open_calls, limit, now) if limit > 0 else []
        claimed = _write(trunk, [contact for _, contact in chosen], now)
        _charge(trunk, bucket, chosen, claimed)
    if claimed:
        reach("claimed")
    return [Claimed(attempt.pk, attempt.fence) for attempt in claimed]


def _choose(trunk: Trunk, open_calls: dict[int, int], limit: int, now: datetime) -> list[tuple[_Turn, Contact]]:
    """Contacts to dial: the highest priority first, campaigns of one priority in turn, the longest unserved first."""
    chosen: list[tuple[_Turn, Contact]] = []
    by_priority: dict[int, list[_Turn]] = defaultdict(list)
    running = with_good_dnc_lists(Campaign.objects.filter(trunk=trunk, state=CampaignState.RUNNING).order_by("id"), now)
    windows = windows_of(running, now)
    trials: dict[int, int | None] = {}
    for campaign in running:
        if campaign.agent_id not in trials:
            trials[campaign.agent_id] = trials_left(campaign.agent_id, now)
        bucket = TokenBucket(campaign.bucket_tokens, campaign.bucket_at)
        bucket = bucket.refilled(rate_per_s=campaign_rate_per_s(campaign, now), now=now)
        load = Load(campaign.max_concurrent_calls, open_calls.get(campaign.pk, 0), bucket)
        limits = (load.allowance, trials[campaign.agent_id], canary_calls_left(campaign))
        allowance = min(limit for limit in limits if limit is not None)
        by_priority[campaign.priority].append(_Turn(campaign, windows[campaign.pk], bucket, allowance))
    for priority in sorted(by_priority, reverse=True):
        places = limit - len(chosen)
        if places <= 0:
            break
        turns = {turn.campaign.pk: turn for turn in by_priority[priority]}
        queues = {
            campaign_id: _open_contacts(turn, min(turn.allowance, places), now) for campaign_id, turn in turns.items()
        }
        order = sorted(turns, key=lambda campaign_id: _served_at(turns[campaign_id].campaign))
        chosen += [(turns[campaign_id], contact) for campaign_id, contact in take_turns(queues, order, places)]
    return chosen


def _served_at(campaign: Campaign) -> tuple[float, int]:
    return (campaign.bucket_at.timestamp() if campaign.bucket_at else 0.0, campaign.pk)


def _open_contacts(turn: _Turn, limit: int, now: datetime) -> list[Contact]:
    """Up to `limit` due contacts whose window is open; those whose window is closed are put off to its opening."""
    window = turn.window
    if window.timezone and next_opening(replace(window, legal_hours=None), (window.timezone,), now) != now:
        # Closed for everybody: no row needs to be touched.
        return []
    openings: dict[tuple[str, ...], datetime | None] = {}
    found: list[Contact] = []
    fetch = limit
    for _ in range(POSTPONE_ROUNDS):
        found, closed = [], []
        for contact in due_contacts(turn.campaign, now=now, limit=fetch):
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


def _write(trunk: Trunk, contacts: Sequence[Contact], now: datetime) -> list[CallAttempt]:
    """The attempts that could be written; a contact whose number is in another open call waits a minute."""
    if not contacts:
        return []
    wanted = [
        CallAttempt(
            contact=contact,
            campaign_id=contact.campaign_id,
            trunk=trunk,
            phone_number=contact.phone_number,
            number=contact.attempts_made + 1,
            state=AttemptState.CLAIMED,
            fence=FIRST_FENCE,
            claimed_at=now,
            deadline_at=now + timedelta(seconds=settings.CLAIM_LEASE_S),
        )
        for contact in contacts
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


def _charge(
    trunk: Trunk,
    bucket: TokenBucket,
    chosen: Sequence[tuple[_Turn, Contact]],
    claimed: Sequence[CallAttempt],
) -> None:
    """Take the started calls out of the buckets. Who started none keeps its old bucket, and its place in the turn."""
    if not claimed:
        return
    left = bucket.take(len(claimed))
    Trunk.objects.filter(pk=trunk.pk).update(bucket_tokens=left.tokens, bucket_at=left.at)
    turns = {turn.campaign.pk: turn for turn, _ in chosen}
    for campaign_id, turn in turns.items():
        calls = sum(attempt.campaign_id == campaign_id for attempt in claimed)
        if calls:
            left = turn.bucket.take(calls)
            Campaign.objects.filter(pk=campaign_id).update(bucket_tokens=left.tokens, bucket_at=left.at)
