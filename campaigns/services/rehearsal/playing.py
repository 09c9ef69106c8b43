"""Playing a campaign in virtual time: the real services take their steps, and nobody is at the other end.

The clock jumps from one event to the next: a tick, a placed call, the switch's answer, a socket, the end of a
conversation, a deadline. Every service is told what time it is, as always.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import ceil
from random import Random
from typing import Final
from uuid import UUID

from django.conf import settings

from campaigns.enums import CampaignState, CanaryState, ContactState, EndedBy, TrunkHold
from campaigns.errors import CallRefused
from campaigns.models import CallAttempt, Campaign, Contact
from campaigns.policies.calling_window import closed_date_in, next_opening
from campaigns.policies.eligibility import Gate
from campaigns.policies.pacing import HORIZON_S, TokenBucket, pace_factor
from campaigns.policies.rehearsed_calls import Fate
from campaigns.queries.agent_outages import outage_of, trial_of
from campaigns.queries.calling_rules import stops_in_force, window_of, with_good_dnc_lists
from campaigns.queries.dialing import campaign_rate_per_s, open_calls_by_campaign
from campaigns.queries.why_not import capacity_gates
from campaigns.services import attempts, calls, campaigns, canaries, contacts, dialing
from telephony.psr.classifier import classify

TICK = timedelta(seconds=1)
# As often as the beat sends the reaper.
REAP_EVERY_S: Final = 5
# Where nobody knows what a campaign waits for, it is looked at again after so long, then after twice as long.
LOOK_AGAIN: Final = timedelta(seconds=1)
LOOK_AGAIN_MAX: Final = timedelta(hours=6)
DIALING: Final = "dialing"
TALKING: Final = "calls_in_progress"
UNKNOWN: Final = "unknown"
# A rehearsal in which nothing is placed for so many events, and for so many more for each contact, goes nowhere.
STUCK_EVENTS: Final = 2_000
STUCK_EVENTS_PER_CONTACT: Final = 20
WINDOW_GATES: Final = (Gate.WINDOW, Gate.BLACKOUT)
PACES: Final = (Gate.CAMPAIGN_PACE, Gate.TRUNK_PACE)

FateOf = Callable[[str, int, Random], Fate]
Told = Callable[[datetime, int], None]


@dataclass(order=True, slots=True)
class _Event:
    at: datetime
    serial: int
    act: Callable[[], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Hold:
    """What a campaign waits for. `opens_at` None: what ends may change it, or a person."""

    code: str
    opens_at: datetime | None = None


@dataclass(slots=True)
class Playback:
    """What a played campaign leaves beside its rows: when it ended, what its time went to, who was put off."""

    ended_at: datetime
    spent_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    put_off: Counter[str] = field(default_factory=Counter)


class Player:
    """One rehearsal of one campaign, which has been launched and filled in this thread's scratch database.

    `fate_of(destination, nth, dice)` is the switch: what the nth request for a destination comes to.
    """

    def __init__(self, campaign_id: int, fate_of: FateOf, *, begin: datetime, seed: int, told: Told) -> None:
        self._campaign_id = campaign_id
        self._trunk_id: int = Campaign.objects.values_list("trunk_id", flat=True).get(pk=campaign_id)
        self._fate_of = fate_of
        self._seed = seed
        self._told = told
        self._begin = self._now = self._ticked_at = begin
        self._playback = Playback(begin)
        self._events: list[_Event] = []
        self._serials = count()
        self._placed = 0
        self._requests: Counter[str] = Counter()
        self._tick_at: datetime | None = None
        self._reaps: set[datetime] = set()
        self._looks = self._idle_events = 0
        self._spends: str = DIALING
        self._is_careful = Campaign.objects.filter(pk=campaign_id, canary_state=CanaryState.RUNNING).exists()
        self._is_over = False

    def play(self, until: datetime) -> Playback:
        """Play to the campaign's end, to where only a person could let it go on, or until then."""
        patience = STUCK_EVENTS + STUCK_EVENTS_PER_CONTACT * Contact.objects.count()
        self._tick_by(self._begin)
        while self._events and not self._is_over and self._idle_events < patience:
            event = heappop(self._events)
            if event.at > until:
                self._now = until
                break
            self._now = event.at
            self._idle_events += 1
            event.act()
        self._spend()
        self._playback.ended_at = self._now
        return self._playback

    def _at(self, at: datetime, act: Callable[[], None]) -> None:
        heappush(self._events, _Event(at, next(self._serials), act))

    def _tick_by(self, at: datetime) -> None:
        """Let the next tick come at the first full second from then on, if none comes before."""
        at = self._begin + TICK * ceil((max(at, self._now) - self._begin) / TICK)
        if self._tick_at is None or at < self._tick_at:
            self._tick_at = at
            self._at(at, partial(self._tick, at))

    def _tick(self, planned_at: datetime) -> None:
        if planned_at != self._tick_at:
            # An earlier one has taken its place.
            return
        self._tick_at = None
        self._spend()
        now = self._now
        self._told(now, self._placed)
        claims = dialing.claim_due(self._trunk_id, now=now)
        self._count_put_off()
        for claim in claims:
            self._at(now + timedelta(seconds=claim.start_in_s), partial(self._place, claim.attempt_id, claim.fence))
        if self._is_careful:
            canaries.judge_canaries(now=now)
        self._wait(_hold(self._campaign_id, now, has_claimed=bool(claims)))

    def _wait(self, hold: _Hold) -> None:
        """Let the next tick come when it may claim somebody; what ends meanwhile brings it before."""
        now = self._now
        self._spends = hold.code
        if hold.code != UNKNOWN:
            self._looks = 0
        if hold.code == Gate.CONTACT:
            self._is_over = bool(campaigns.finish_all(now=now))
        elif hold.code == UNKNOWN:
            self._tick_by(now + min(LOOK_AGAIN * 2**self._looks, LOOK_AGAIN_MAX))
            self._looks += 1
        elif hold.opens_at is not None:
            ahead = timedelta(seconds=HORIZON_S) if hold.code in PACES else timedelta(0)
            self._tick_by(max(hold.opens_at - ahead, now + TICK))

    def _count_put_off(self) -> None:
        """Count whom the tick has put off to the opening of the calling window."""
        put_off = Contact.objects.filter(state=ContactState.PENDING, state_reason__in=WINDOW_GATES)
        self._playback.put_off.update(put_off.filter(updated_at=self._now).values_list("state_reason", flat=True))

    def _spend(self) -> None:
        self._playback.spent_s[self._spends] += (self._now - self._ticked_at).total_seconds()
        self._ticked_at = self._now

    def _place(self, attempt_id: UUID, fence: int) -> None:
        order = dialing.mark(attempt_id, fence, now=self._now)
        if order is None:
            self._ended()
            return
        self._placed += 1
        self._idle_events = 0
        destination = order.request.destination
        self._requests[destination] += 1
        nth = self._requests[destination]
        fate = self._fate_of(destination, nth, Random(f"{self._seed}:{destination}:{nth}"))
        call_id = f"rehearsal-{self._placed}"
        replies_s = min(fate.replies_after_s, settings.DIAL_TOTAL_TIMEOUT_S)
        connects_at = None
        if fate.connects_after_s is not None:
            connects_at = self._now + timedelta(seconds=fate.connects_after_s)
            self._at(connects_at, partial(self._connect, order.request.parameter, call_id, fate))
        answered_at = self._now + timedelta(seconds=replies_s)
        self._at(answered_at, partial(self._answer, attempt_id, fate, call_id, connects_at))

    def _answer(self, attempt_id: UUID, fate: Fate, call_id: str, connects_at: datetime | None) -> None:
        answer = fate.answer(call_id)
        verdict = classify(
            answer, is_503_safe=settings.PSR_503_IS_SAFE, refused_codes=frozenset(settings.PSR_REFUSED_CODES)
        )
        dialing.apply_verdict(attempt_id, verdict=verdict, answer=answer, now=self._now)
        deadline_at = CallAttempt.objects.values_list("deadline_at", flat=True).get(pk=attempt_id)
        if deadline_at is None:
            self._ended()
        elif connects_at is None or connects_at >= deadline_at:
            self._reap_by(deadline_at)

    def _ended(self) -> None:
        """Look whether somebody else may be called now that an attempt has ended."""
        if self._spends not in PACES:
            self._tick_by(self._now)

    def _reap_by(self, deadline_at: datetime) -> None:
        """Let the reaper come when it would come after this deadline."""
        late_s = (deadline_at - self._begin).total_seconds()
        at = self._begin + timedelta(seconds=REAP_EVERY_S * ceil(late_s / REAP_EVERY_S))
        if at not in self._reaps:
            self._reaps.add(at)
            self._at(at, self._reap)

    def _reap(self) -> None:
        contacts.expire_callbacks(now=self._now)
        while attempts.reap(now=self._now) == attempts.REAP_BATCH:
            pass
        self._ended()

    def _connect(self, parameters: Mapping[str, str], call_id: str, fate: Fate) -> None:
        token = parameters[dialing.TOKEN_PARAMETER]
        try:
            # PSR says in its query what it was given.
            call = calls.open_psr_call(token=token, vendor_call_id=call_id, query=parameters, now=self._now)
        except CallRefused:
            # The attempt had ended by then.
            return
        is_too_long = fate.talk.talk_s > settings.MAX_CALL_S
        ended_by = EndedBy.MAX_DURATION if is_too_long else fate.talk.ended_by
        end = calls.CallEnd(ended_by.value, fate.talk.disposition)
        ends_at = self._now + timedelta(seconds=min(fate.talk.talk_s, settings.MAX_CALL_S))
        self._at(ends_at, partial(self._finish, call.call_id, end))

    def _finish(self, call_id: UUID, end: calls.CallEnd) -> None:
        calls.finish_call(call_id=call_id, end=end, now=self._now)
        self._ended()


def _hold(campaign_id: int, now: datetime, *, has_claimed: bool) -> _Hold:
    """What the campaign waits for after a tick."""
    campaign = Campaign.objects.select_related("trunk").get(pk=campaign_id)
    trunk = campaign.trunk
    if stops_in_force().exists():
        return _Hold(Gate.STOPPED)
    if campaign.state != CampaignState.RUNNING:
        return _Hold(Gate.CAMPAIGN)
    if not (trunk.is_enabled and trunk.token):
        return _Hold(Gate.TRUNK_DISABLED)
    if trunk.hold != TrunkHold.NONE:
        return _Hold(Gate.TRUNK_HELD)
    if trunk.throttled_until is not None and trunk.throttled_until > now:
        return _Hold(Gate.TRUNK_THROTTLED, trunk.throttled_until)
    waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING)
    first = waiting.order_by("next_attempt_at").values_list("next_attempt_at", "state_reason").first()
    if first is None:
        is_open = has_claimed or Contact.objects.filter(campaign=campaign, state=ContactState.DIALING).exists()
        return _Hold(TALKING if is_open else Gate.CONTACT)
    due_at, reason = first
    if due_at is not None and due_at > now:
        return _Hold(reason if reason in WINDOW_GATES else Gate.NOT_DUE, due_at)
    return _hold_of_due(campaign, now, has_claimed=has_claimed)


def _hold_of_due(campaign: Campaign, now: datetime, *, has_claimed: bool) -> _Hold:
    """What somebody who is due waits for."""
    trunk = campaign.trunk
    if not with_good_dnc_lists([campaign], now):
        return _Hold(Gate.DNC_LISTS)
    window = window_of(campaign, now)
    own_hours = replace(window, legal_hours=None)
    if window.timezone and (opens_at := next_opening(own_hours, (window.timezone,), now)) != now:
        return _Hold(Gate.BLACKOUT if closed_date_in(window, (window.timezone,), now) else Gate.WINDOW, opens_at)
    if outage_of(campaign.agent_id, now) is not None:
        return _Hold(Gate.AGENT, trial_of(campaign.agent_id, now))
    lines = open_calls_by_campaign(trunk.pk)
    if lines.get(campaign.pk, 0) >= campaign.max_concurrent_calls:
        return _Hold(Gate.CAMPAIGN_LINES)
    if sum(lines.values()) >= trunk.max_concurrent_calls:
        return _Hold(Gate.TRUNK_LINES)
    rates = (
        (Gate.CAMPAIGN_PACE, campaign, campaign_rate_per_s(campaign, now)),
        (Gate.TRUNK_PACE, trunk, trunk.calls_per_second * pace_factor(trunk.throttled_until, now)),
    )
    for code, paced, rate_per_s in rates:
        bucket = TokenBucket(paced.bucket_tokens, paced.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
        if wait_s := bucket.wait_s(rate_per_s):
            return _Hold(code, now + timedelta(seconds=wait_s))
    if has_claimed:
        return _Hold(DIALING, now + TICK)
    closed = next((state for state in capacity_gates(campaign, now) if not state.is_open), None)
    return _Hold(UNKNOWN) if closed is None else _Hold(closed.code, closed.opens_at)
