"""How long calling everybody once takes, roughly: what a person is told before a launch."""

from __future__ import annotations

import math

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
