"""Cadences as people write and read them: one line of waits per rule, such as `10 min, 2 h, next day`.

Both ways agree: what is written out reads back as the same waits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from campaigns.policies.cadence import DAY_S, LADDER_MAX_STEPS, WAIT_MAX_S, Cadence, Moment, Rule, Wait

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

# What is written where a rule has not a single wait.
GIVE_UP = "give up"
OTHERS = "All other outcomes"
MOMENT_WORDS: Mapping[Moment, str] = {Moment.NEXT_DAY: "next day", Moment.OTHER_PART: "other part of the day"}
_MOMENTS: Mapping[str, Moment] = {
    **{words: moment for moment, words in MOMENT_WORDS.items()},
    **{moment.value: moment for moment in Moment},
    **dict.fromkeys(("next day same time", "same time next day"), Moment.NEXT_DAY),
    **dict.fromkeys(("another part of the day", "other part"), Moment.OTHER_PART),
}


def parse_waits(text: str) -> list[int | float | str]:
    """The waits of a line as stored, in order: `10 min, next day` is `[600, "next_day"]`.

    Empty for “give up” and for nothing.

    Raises:
        ValueError: the text quotes what cannot be read and shows what can.
    """
    if " ".join(text.lower().split()) == GIVE_UP:
        return []
    waits = [_parse_wait(part.strip()) for part in text.split(",") if part.strip()]
    if len(waits) > LADDER_MAX_STEPS:
        raise ValueError(f"There can be at most {LADDER_MAX_STEPS} waits; these are {len(waits)}.")
    return waits


def format_waits(waits: Sequence[Wait | str]) -> str:
    """Waits as a line that `parse_waits` reads."""
    return ", ".join(_format_wait(wait) for wait in waits) or GIVE_UP


def cadence_in_words(cadence: Cadence) -> tuple[str, ...]:
    """A cadence line by line, one for every rule; what stands for all other outcomes last."""
    own = [rule for rule in cadence.rules if rule.outcome or rule.disposition]
    others = next((rule for rule in cadence.rules if not (rule.outcome or rule.disposition)), Rule(None, "", ()))
    return tuple(f"{rule_in_words(rule)}: {_ladder_in_words(rule)}" for rule in (*own, others))


def rule_in_words(rule: Rule) -> str:
    """What a rule is about, for people."""
    if not rule.disposition:
        return rule.outcome.label if rule.outcome else OTHERS
    return f"{rule.outcome.label if rule.outcome else 'Any outcome'}, “{rule.disposition}”"


def _ladder_in_words(rule: Rule) -> str:
    limit = f"; at most {rule.max_tries} such attempts" if rule.max_tries is not None and rule.waits else ""
    return f"{format_waits(rule.waits)}{limit}"


def _parse_wait(text: str) -> int | float | str:
    moment = _MOMENTS.get(" ".join(text.lower().split()))
    return _parse_length(text) if moment is None else moment.value


def _parse_length(text: str) -> int | float:
    found = _WAIT.fullmatch(text)
    if found is None:
        raise ValueError(
            f"“{text}” is not a length of time. Write it like 30 min or next day, several with commas between."
        )
    number, unit = found[1], found[2].lower()
    if unit not in _UNITS_S:
        asked = f"“{text}” has no unit." if not unit else f"“{unit}” is not a unit."
        raise ValueError(f"{asked} Use s, min, h or d, for example 30 min.")
    wait_s = Decimal(number) * _UNITS_S[unit]
    if wait_s > WAIT_MAX_S:
        raise ValueError(f"“{text}” is too long: a wait lasts at most {WAIT_MAX_S // DAY_S} d.")
    return int(wait_s) if wait_s == wait_s.to_integral_value() else float(wait_s)


def _format_wait(wait: Wait | str) -> str:
    if isinstance(wait, str):
        return MOMENT_WORDS[Moment(wait)]
    return _format_length(wait)


def _format_length(wait_s: float) -> str:
    for unit, unit_s in _WRITTEN_UNITS:
        if wait_s % unit_s == 0 and (wait_s or unit_s == 1):
            return f"{int(wait_s) // unit_s} {unit}"
    # Never in powers of ten, which nobody writes.
    return f"{Decimal(str(wait_s)):f} s"
