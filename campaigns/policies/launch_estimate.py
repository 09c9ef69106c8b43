"""How long calling everybody once takes, roughly: what a person is told before a launch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.policies.calling_window import CallingWindow, is_open, next_opening

# An assumption for a rough figure: how long one attempt holds a line while it rings or talks.
TYPICAL_ATTEMPT_S = 60.0
_UNITS: tuple[tuple[int, str], ...] = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def first_round_s(contacts: int, *, calls_per_second: float, max_concurrent_calls: int) -> float:
    """Seconds of open calling window until every contact was dialed once, at the slower of the two limits."""
    per_second = min(calls_per_second, max_concurrent_calls / TYPICAL_ATTEMPT_S)
    return contacts / per_second if per_second > 0 else math.inf


def in_words(duration_s: float) -> str:
    """A rough duration for people: “about 3 hours”."""
    if math.isinf(duration_s):
        return "longer than anybody can wait"
    for unit_s, unit in _UNITS:
        if duration_s >= unit_s:
            count = round(duration_s / unit_s)
            return f"about {count:,} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


_STEP = timedelta(minutes=15)
_LOOK_AHEAD = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class Experience:
    """How calls go: the share of attempts answered, and how long people talk. `is_assumed`: nobody knows yet."""

    answer_rate: float
    talk_s: float
    is_assumed: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What a campaign may do: calls a second and at once, attempts per contact, and how long a phone rings."""

    calls_per_second: float
    max_concurrent_calls: int
    max_attempts: int
    ring_s: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rough forecast. `open_s` is time with an open window; `finish_at` is None beyond four months."""

    attempts: int
    open_s: float
    finish_at: datetime | None
    experience: Experience


ASSUMED = Experience(answer_rate=0.3, talk_s=60.0, is_assumed=True)


def estimate(
    contacts: int,
    limits: Limits,
    experience: Experience,
    *,
    window: CallingWindow,
    zones: Sequence[str],
    begin: datetime,
) -> Estimate:
    """How many attempts calling these contacts takes, for how long, and when it would be over within the window."""
    missed = 1 - experience.answer_rate
    attempts = contacts * sum(missed**nth for nth in range(limits.max_attempts))
    held_s = experience.answer_rate * experience.talk_s + missed * limits.ring_s
    per_second = min(limits.calls_per_second, limits.max_concurrent_calls / max(held_s, 1.0))
    open_s = attempts / per_second if per_second > 0 else math.inf
    return Estimate(round(attempts), open_s, _finish_at(window, zones, begin, open_s), experience)


def _finish_at(window: CallingWindow, zones: Sequence[str], begin: datetime, open_s: float) -> datetime | None:
    at, left_s = begin, open_s
    while at < begin + _LOOK_AHEAD:
        opens_at = next_opening(window, zones, at)
        if opens_at is None:
            return None
        at = opens_at
        while at < begin + _LOOK_AHEAD and is_open(window, zones, at):
            if left_s <= _STEP.total_seconds():
                return at + timedelta(seconds=left_s)
            left_s -= _STEP.total_seconds()
            at += _STEP
    return None
