"""How often one number may be called, by whichever campaign: the calls of the last days, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.enums import Outcome
from campaigns.policies.outcomes import RedialRules
from campaigns.policies.rule_profiles import CallingRules

DAY = timedelta(hours=24)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class EarlierCall:
    """A call to the number that was, or may have been, made; `outcome` is None while it is open."""

    dispatched_at: datetime
    outcome: Outcome | None
    has_talked: bool


@dataclass(frozen=True, slots=True)
class NumberUse:
    """What the calls of the last seven days mean for the next one.

    `cap_opens_at` is when the call that fills a cap leaves its window, None if no cap is full; `rested_at` is when the
    number has rested from its latest calls, None if it was not called.
    """

    calls_24h: int = 0
    calls_7d: int = 0
    cap_opens_at: datetime | None = None
    rested_at: datetime | None = None


def number_use(calls: Sequence[EarlierCall], rules: CallingRules, redial: RedialRules, now: datetime) -> NumberUse:
    """The use of a number whose calls of the last seven days are given, in whatever order."""
    moments = sorted((call.dispatched_at for call in calls), reverse=True)
    full = [
        opens_at
        for cap, window in ((rules.calls_per_day, DAY), (rules.calls_per_week, WEEK))
        if (opens_at := _opens_at(moments, cap, window, now)) is not None
    ]
    return NumberUse(
        calls_24h=_within(moments, DAY, now),
        calls_7d=_within(moments, WEEK, now),
        cap_opens_at=max(full, default=None),
        rested_at=max((rested for call in calls if (rested := _rested_at(call, rules, redial))), default=None),
    )


def _within(moments: Sequence[datetime], window: timedelta, now: datetime) -> int:
    return sum(at > now - window for at in moments)


def _opens_at(moments: Sequence[datetime], cap: int | None, window: timedelta, now: datetime) -> datetime | None:
    """When the oldest call that fills the cap leaves the window; None if there is room. `moments` are newest first."""
    if cap is None or _within(moments, window, now) < cap:
        return None
    return moments[cap - 1] + window


def _rested_at(call: EarlierCall, rules: CallingRules, redial: RedialRules) -> datetime | None:
    gap_s = rules.min_gap_s
    if call.outcome is not None:
        gap_s = max(gap_s, redial.floor_s(call.outcome, has_talked=call.has_talked))
    if call.outcome is Outcome.UNCONFIRMED:
        gap_s = max(gap_s, rules.unconfirmed_gap_s)
    return call.dispatched_at + timedelta(seconds=gap_s) if gap_s else None
