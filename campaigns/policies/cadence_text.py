"""Cadences as people write and read them: one line of waits per outcome, such as `10 min, 30 min, 2 h, 1 d`.

Both ways agree: what is written out reads back as the same seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from campaigns.enums import Outcome
from campaigns.policies.cadence import DAY_S, DEFAULT_LADDER, LADDER_MAX_STEPS, LADDER_NAMES, WAIT_MAX_S, Cadence

# The largest first: a wait is written in the largest unit it is a whole number of.
_WRITTEN_UNITS: tuple[tuple[str, int], ...] = (("d", DAY_S), ("h", 3600), ("min", 60), ("s", 1))
_UNITS_S: Mapping[str, int] = {
    **dict(_WRITTEN_UNITS),
    **dict.fromkeys(("day", "days"), DAY_S),
    **dict.fromkeys(("hour", "hours"), 3600),
    **dict.fromkeys(("m", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("sec", "second", "seconds"), 1),
}
_WAIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", re.IGNORECASE)

LADDER_WORDS: Mapping[str, str] = {
    name: "All other outcomes" if name == DEFAULT_LADDER else Outcome(name).label for name in LADDER_NAMES
}
# What is written where an outcome has a ladder of its own without a single wait.
GIVE_UP = "give up"


def parse_waits(text: str) -> list[int | float]:
    """The waits of a line in seconds, in order: `10 min, 1.5 h` is `[600, 5400]`. Empty for “give up” and for nothing.

    Raises:
        ValueError: the text quotes what cannot be read and shows what can.
    """
    if " ".join(text.lower().split()) == GIVE_UP:
        return []
    waits = [_parse_wait(part.strip()) for part in text.split(",") if part.strip()]
    if len(waits) > LADDER_MAX_STEPS:
        raise ValueError(f"There can be at most {LADDER_MAX_STEPS} waits; these are {len(waits)}.")
    return waits


def format_waits(waits_s: Sequence[float]) -> str:
    """Waits in seconds as a line that `parse_waits` reads."""
    return ", ".join(_format_wait(wait_s) for wait_s in waits_s) or GIVE_UP


def cadence_in_words(cadence: Cadence) -> tuple[str, ...]:
    """A cadence line by line, one for every outcome that has waits of its own."""
    own = [(words, cadence.waits_s.get(name)) for name, words in LADDER_WORDS.items() if name != DEFAULT_LADDER]
    lines = [f"{words}: {format_waits(waits_s)}" for words, waits_s in own if waits_s is not None]
    return (*lines, f"{LADDER_WORDS[DEFAULT_LADDER]}: {format_waits(cadence.waits_s.get(DEFAULT_LADDER, ()))}")


def _parse_wait(text: str) -> int | float:
    found = _WAIT.fullmatch(text)
    if found is None:
        raise ValueError(f"“{text}” is not a length of time. Write it like 30 min, several with commas between.")
    number, unit = found[1], found[2].lower()
    if unit not in _UNITS_S:
        asked = f"“{text}” has no unit." if not unit else f"“{unit}” is not a unit."
        raise ValueError(f"{asked} Use s, min, h or d, for example 30 min.")
    wait_s = Decimal(number) * _UNITS_S[unit]
    if wait_s > WAIT_MAX_S:
        raise ValueError(f"“{text}” is too long: a wait lasts at most {WAIT_MAX_S // DAY_S} d.")
    return int(wait_s) if wait_s == wait_s.to_integral_value() else float(wait_s)


def _format_wait(wait_s: float) -> str:
    for unit, unit_s in _WRITTEN_UNITS:
        if wait_s % unit_s == 0 and (wait_s or unit_s == 1):
            return f"{int(wait_s) // unit_s} {unit}"
    # Never in powers of ten, which nobody writes.
    return f"{Decimal(str(wait_s)):f} s"
