"""How long calling everybody once takes, roughly: what a person is told before a launch."""

from __future__ import annotations

# One attempt holds a line while it rings or talks; measured campaigns lie between half a minute and two.
TYPICAL_ATTEMPT_S = 60.0


def first_round_s(contacts: int, *, calls_per_second: float, max_concurrent_calls: int) -> float:
    """Seconds of open calling window until every contact was dialed once, at the slower of the two limits."""
    per_second = min(calls_per_second, max_concurrent_calls / TYPICAL_ATTEMPT_S)
    return contacts / per_second if per_second > 0 else float("inf")


def in_words(duration_s: float) -> str:
    """A rough duration for people: “about 3 hours”."""
    if duration_s < 60:
        return "less than a minute"
    for unit, unit_s in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if duration_s >= unit_s:
            count = round(duration_s / unit_s)
            return f"about {count:,} {unit}{'' if count == 1 else 's'}"
    raise AssertionError("a minute or more is always one of the units")
