"""Blackout dates as people write and paste them: one date or range a line, then what it is called."""

from __future__ import annotations

import re
from datetime import date, timedelta

LINES_MAX = 1_000
RANGE_MAX_DAYS = 92
NAME_MAX_CHARS = 100
_DATE = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_LINE = re.compile(rf"{_DATE}(?:\s*(?:\.\.|[-\u2010-\u2015]|to|đến)\s*{_DATE})?(?:[\s,;]+(.*))?")


def parse_blackouts(text: str) -> dict[date, str]:
    """The dates a text names, each with its name: `2027-02-05..2027-02-13 Tết`, or `2027-04-30, Reunification Day`.

    Blank lines say nothing; a date that comes twice has its last name.

    Raises:
        ValueError: the text quotes the line that cannot be read and shows how one is written.
    """
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) > LINES_MAX:
        raise ValueError(f"At most {LINES_MAX} lines are taken at a time.")
    return {day: name for line in lines if line for day, name in _parse_line(line).items()}


def _parse_line(line: str) -> dict[date, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"“{line[:60]}” is no date. Write 2027-04-30, or 2027-02-05..2027-02-13, then a name.")
    first = _day(found[1])
    last = _day(found[2]) if found[2] else first
    days = (last - first).days + 1
    if not 1 <= days <= RANGE_MAX_DAYS:
        raise ValueError(f"“{line[:60]}” must have 1 to {RANGE_MAX_DAYS} days, the first before the last.")
    name = (found[3] or "").strip()[:NAME_MAX_CHARS]
    return {first + timedelta(days=day): name for day in range(days)}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"There is no date {text}.") from None
