"""Claiming: choosing which contacts are dialed now, in one transaction under the trunk's lock.

Only one claim runs per trunk at a time, so what it counts stays true until it commits. Rows are written set by set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, DateTimeField, Exists, OuterRef, QuerySet, Subquery

from campaigns.crash_points import reach
from campaigns.enums import App, AttemptState, CampaignState, ContactState, TrunkHold
from campaigns.models import AttemptLog, BridgeNode, CallAttempt, Campaign, Contact, Trunk
from campaigns.policies.calling_window import NEVER_OPEN, CallingWindow, closed_date_in, next_opening, spread_opening
from campaigns.policies.eligibility import Gate
from campaigns.policies.extension_pool import free_extensions
from campaigns.policies.fair_share import Lane, Plan, plan_starts
from campaigns.policies.pacing import HORIZON_S, TokenBucket, pace_factor
from campaigns.queries.agent_outages import LOOK_BACK, failures_since, trials_left
from campaigns.queries.calling_rules import stops_in_force, windows_of, with_good_dnc_lists
from campaigns.queries.canaries import canary_calls_left
from campaigns.queries.dialing import (
    campaign_rate_per_s,
    due_contacts,
    nodes_seen,
    open_lines,
    seen_since,
    zones_for,
)
from campaigns.queries.extensions import extension_use
from campaigns.queries.prepared import Given, Prepared
from campaigns.services.row_sets import insert_alike, update_alike

CLAIM_BATCH = 50
# Contacts found outside their window, or in a call, are put off in bulk, at most this many rounds of them in one claim.
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


@dataclass(slots=True)
class _Turn:
    """A running campaign with the contacts it may call now, and the extensions they may ring; None rings none.

    `campaign` is a row of `_RUNNING`. `lane` says how many calls its limits allow, and once its contacts have turned
    out to be fewer, how many those are.
    """

    campaign: Any
    lane: Lane[int]
    window: CallingWindow
    extensions: Sequence[str] | None
    contacts: Sequence[Contact] = ()

    def find(self, count: int, taken: Container[str], now: datetime) -> None:
        """Look for so many contacts that may be called; numbers that are `taken` are called by another campaign."""
        self.contacts = _open_contacts(self.campaign, self.window, count, taken, now)
        if len(self.contacts) < count:
            self.lane = replace(self.lane, calls=len(self.contacts))


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
        trunk: Any = _TRUNK.first(trunk_id=trunk_id)
        if trunk is None:
            raise Trunk.DoesNotExist(f"There is no trunk {trunk_id}.")
        if trunk.is_stopped or not trunk.is_enabled or not trunk.token or trunk.hold != TrunkHold.NONE:
            return []
        rate_per_s = trunk.calls_per_second * pace_factor(trunk.throttled_until, now)
        if not rate_per_s:
            return []
        bucket = TokenBucket(trunk.bucket_tokens, trunk.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
        # Nodes are locked, and attempts counted after that, so that claims of two trunks cannot both count on one slot.
        nodes = _NODES.ask(since=seen_since(now))
        lines = open_lines()
        open_calls = lines.by_campaign(trunk_id)
        free = trunk.max_concurrent_calls - sum(open_calls.values())
        limit = min(free, CLAIM_BATCH, lines.free_slots(nodes), bucket.starts_within(HORIZON_S, rate_per_s))
        if limit <= 0:
            return []
        turns = _turns(trunk, open_calls, now)
        plan = _plan(turns, bucket, rate_per_s=rate_per_s, limit=limit, now=now)
        chosen = _choose(turns, plan)
        written = _write(trunk, chosen, now)
        if written:
            _charge(trunk, plan, {entry.contact.campaign_id for entry in chosen})
    if written:
        reach("claimed")
    return written


def _turns(trunk: Trunk, open_calls: dict[int, int], now: datetime) -> list[_Turn]:
    """The running campaigns with how many calls each may start; none where nobody is due."""
    campaigns: list[Any] = with_good_dnc_lists(
        _RUNNING.ask(trunk_id=trunk.pk, now=now, failed_since=now - LOOK_BACK), now
    )
    asked = [one for one in campaigns if one.first_due_at is not None and one.first_due_at <= now]
    windows = windows_of(asked, trunk.pk, now) if asked else {}
    in_doubt = {campaign.agent_id for campaign in asked if campaign.is_agent_in_doubt}
    trials = {agent_id: trials_left(agent_id, now) for agent_id in in_doubt}
    extensions = _extensions(trunk, asked, now)
    turns = []
    for campaign in campaigns:
        limits = (
            trials.get(campaign.agent_id),
            _len(extensions.get(campaign.pk)),
            None if campaign.pk in windows else 0,
        )
        lane = _lane(campaign, open_calls, limits, now)
        turns.append(_Turn(campaign, lane, windows.get(campaign.pk, NEVER_OPEN), extensions.get(campaign.pk)))
    return turns


def _plan(turns: Sequence[_Turn], bucket: TokenBucket, *, rate_per_s: float, limit: int, now: datetime) -> Plan[int]:
    """Starts for which there are contacts.

    Contacts are locked only for starts they are planned for. A campaign that has fewer is planned once more with those
    it has, until everybody has enough.
    """
    while True:
        lanes = [turn.lane for turn in turns]
        plan = plan_starts(lanes, bucket, rate_per_s=rate_per_s, limit=limit, horizon_s=HORIZON_S)
        planned = Counter(start.key for start in plan.starts)
        short = [turn for turn in turns if len(turn.contacts) < planned[turn.campaign.pk]]
        for turn in short:
            # Campaigns that share a list would all begin with the same people of it.
            others = [other.contacts for other in turns if other is not turn]
            taken = {contact.phone_number for contacts in others for contact in contacts}
            turn.find(planned[turn.campaign.pk], taken, now)
        if all(len(turn.contacts) >= planned[turn.campaign.pk] for turn in short):
            return plan


def _extensions(trunk: Trunk, campaigns: Sequence[Campaign], now: datetime) -> Mapping[int, Sequence[str]]:
    """The free extensions of each campaign that rings one first, the longest idle first. Asks only where there is one.

    A claim holds the trunk, and with it what it reads here, until it commits.
    """
    dialing = [campaign for campaign in campaigns if campaign.app == App.DIAL]
    if not dialing:
        return {}
    use = extension_use(trunk.pk, now)
    return {campaign.pk: free_extensions(campaign.extensions, use) for campaign in dialing}


def _choose(turns: Sequence[_Turn], plan: Plan[int]) -> list[_Chosen]:
    """The contacts of the planned starts. Of campaigns that share an extension the first to start has it."""
    waiting = {turn.campaign.pk: (iter(turn.contacts), turn.extensions) for turn in turns}
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
    campaign: Campaign, open_calls: dict[int, int], more_limits: Sequence[int | None], now: datetime
) -> Lane[int]:
    """The campaign as the plan sees it, with as many calls as its limits allow; a limit of None limits nothing."""
    rate_per_s = campaign_rate_per_s(campaign, now)
    bucket = TokenBucket(campaign.bucket_tokens, campaign.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
    free = campaign.max_concurrent_calls - open_calls.get(campaign.pk, 0)
    limits = (free, bucket.starts_within(HORIZON_S, rate_per_s), canary_calls_left(campaign), *more_limits)
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


def _open_contacts(
    campaign: Any, window: CallingWindow, limit: int, taken: Container[str], now: datetime
) -> list[Contact]:
    """Up to `limit` due contacts that may be called.

    Those whose window is closed are put off to its opening, and those whose number is taken or in a call by a minute.
    """
    if window.timezone and next_opening(replace(window, legal_hours=None), (window.timezone,), now) != now:
        # Closed for everybody: no row needs to be touched.
        return []
    openings: dict[tuple[str, ...], datetime | None] = {}
    found: list[Contact] = []
    fetch = limit
    for _ in range(POSTPONE_ROUNDS):
        found, closed = [], []
        contact: Any
        for contact in due_contacts(campaign, now=now, limit=fetch, has_asked=campaign.has_asked):
            zones = zones_for(contact, window)
            if zones not in openings:
                openings[zones] = next_opening(window, zones, now)
            opens_at = openings[zones]
            if opens_at != now:
                closed.append(_closed(contact, window, zones, opens_at, now))
            elif contact.is_number_busy or contact.phone_number in taken:
                closed.append(_waiting(contact, now + timedelta(seconds=NUMBER_BUSY_WAIT_S), Gate.NUMBER_BUSY, now))
            else:
                found.append(contact)
        update_alike(
            Contact,
            {"updated_at": now},
            ("id", "next_attempt_at", "state_reason"),
            [(contact.pk, contact.next_attempt_at, contact.state_reason) for contact in closed],
        )
        if not closed or len(found) >= limit:
            break
        fetch = POSTPONE_BATCH
    return found[:limit]


def _closed(
    contact: Contact, window: CallingWindow, zones: tuple[str, ...], opens_at: datetime | None, now: datetime
) -> Contact:
    """The locked contact, to wait for an opening: not all at one second, and a day where none is in sight."""
    until = (
        now + timedelta(seconds=NO_OPENING_WAIT_S)
        if opens_at is None
        else spread_opening(window, zones, opens_at, key=contact.pk)
    )
    return _waiting(contact, until, Gate.BLACKOUT if closed_date_in(window, zones, now) else Gate.WINDOW, now)


def _waiting(contact: Contact, until: datetime, reason: Gate, now: datetime) -> Contact:
    contact.next_attempt_at, contact.state_reason, contact.updated_at = until, reason, now
    return contact


def _put_off(contact_ids: Sequence[int], *, until: datetime, reason: str, now: datetime) -> None:
    waiting = Contact.objects.filter(pk__in=contact_ids, state=ContactState.PENDING)
    waiting.update(next_attempt_at=until, state_reason=reason, updated_at=now)


def _write(trunk: Trunk, chosen: Sequence[_Chosen], now: datetime) -> list[Claimed]:
    """The attempts that could be written; a contact whose number is in another open call waits a minute."""
    if not chosen:
        return []
    wanted = {uuid4(): entry for entry in chosen}
    like = CallAttempt(
        trunk=trunk,
        state=AttemptState.CLAIMED,
        fence=FIRST_FENCE,
        claimed_at=now,
        deadline_at=now + timedelta(seconds=settings.CLAIM_LEASE_S),
    )
    # The unique indexes on open attempts decide; whoever loses there is simply not written.
    written = insert_alike(
        like,
        ("id", "contact_id", "campaign_id", "phone_number", "extension", "number"),
        [(attempt_id, *_own_values(entry)) for attempt_id, entry in wanted.items()],
    )
    insert_alike(
        AttemptLog(at=now, to_state=AttemptState.CLAIMED, reason="due"),
        ("attempt_id",),
        [(attempt_id,) for attempt_id in wanted if attempt_id in written],
    )
    update_alike(
        Contact,
        {"state": ContactState.DIALING, "next_attempt_at": None, "state_reason": "", "updated_at": now},
        ("id",),
        [(entry.contact.pk,) for attempt_id, entry in wanted.items() if attempt_id in written],
    )
    busy = [entry.contact.pk for attempt_id, entry in wanted.items() if attempt_id not in written]
    if busy:
        _put_off(busy, until=now + timedelta(seconds=NUMBER_BUSY_WAIT_S), reason=Gate.NUMBER_BUSY, now=now)
    return [
        Claimed(attempt_id, FIRST_FENCE, entry.start_in_s)
        for attempt_id, entry in wanted.items()
        if attempt_id in written
    ]


def _own_values(entry: _Chosen) -> tuple[Any, ...]:
    contact = entry.contact
    return (contact.pk, contact.campaign_id, contact.phone_number, entry.extension, contact.attempts_made + 1)


def _charge(trunk: Trunk, plan: Plan[int], started: set[int]) -> None:
    """Remember the planned starts. Who got none keeps its old bucket, and so how long it has waited."""
    update_alike(Trunk, {}, ("id", "bucket_tokens", "bucket_at"), [(trunk.pk, plan.trunk.tokens, plan.trunk.at)])
    charged = [lane for lane in plan.lanes if lane.key in started]
    update_alike(
        Campaign,
        {},
        ("id", "bucket_tokens", "bucket_at", "share_used"),
        [(lane.key, lane.bucket.tokens, lane.bucket.at, lane.share_used) for lane in charged],
    )


def _len(extensions: Sequence[str] | None) -> int | None:
    return None if extensions is None else len(extensions)


def _locked_trunk() -> QuerySet[Any]:
    trunks = Trunk.objects.annotate(is_stopped=Exists(stops_in_force()))
    return trunks.select_for_update(of=("self",)).filter(pk=Given("trunk_id", BigIntegerField()))


def _running() -> QuerySet[Any]:
    waiting = Contact.objects.filter(campaign=OuterRef("pk"), state=ContactState.PENDING)
    due = waiting.filter(next_attempt_at__lte=Given("now", DateTimeField()))
    running = Campaign.objects.filter(trunk_id=Given("trunk_id", BigIntegerField()), state=CampaignState.RUNNING)
    return running.annotate(
        # The first of an index, and not whether one is due: that the database may look for among all who are not.
        first_due_at=Subquery(waiting.order_by("next_attempt_at").values("next_attempt_at")[:1]),
        has_asked=Exists(due.filter(callback_at__isnull=False)),
        is_agent_in_doubt=Exists(failures_since(Given("failed_since", DateTimeField()), OuterRef("agent_id"))),
    ).order_by("id")


def _locked_nodes() -> QuerySet[BridgeNode]:
    return nodes_seen(Given("since", DateTimeField())).order_by("name").select_for_update()


# Asked every second.
_NODES: Final = Prepared(_locked_nodes)
_TRUNK: Final = Prepared(_locked_trunk)
_RUNNING: Final = Prepared(_running)
