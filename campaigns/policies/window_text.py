"""Calling windows as people write and read them: one line per weekday, such as `08:00-12:00, 13:00-20:00`.

A line is one day's list of ranges in the stored form (see calling_window), an empty line a closed day. Both ways agree:
what is written out reads back as the same ranges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from campaigns.policies.calling_window import DAY_MINUTES, RANGES_MAX, WEEKDAYS, CallingWindow

WEEKDAY_WORDS: Mapping[str, str] = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}
# A keyboard's hyphen, the dashes that word processors make of it, and a word.
_DASH = re.compile(r"\s*(?:[-\u2010-\u2015\u2212]|\bto\b)\s*")
_TIME = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?")


def parse_day(text: str) -> list[list[str]]:
    """One day's ranges in the stored form: `8-12, 13:00–20:00` is `[["08:00", "12:00"], ["13:00", "20:00"]]`.

    An end before its start is on the next day; 24:00 is the end of the day.

    Raises:
        ValueError: the text quotes what cannot be read and shows what can.
    """
    ranges = [_parse_range(part.strip()) for part in text.split(",") if part.strip()]
    if len(ranges) > RANGES_MAX:
        raise ValueError(f"A day can have at most {RANGES_MAX} ranges; these are {len(ranges)}.")
    return ranges


def format_day(ranges: Sequence[Sequence[str]]) -> str:
    """One day's ranges in the stored form, as a line that `parse_day` reads."""
    return ", ".join(f"{start}-{end}" for start, end in ranges)


def window_in_words(window: CallingWindow) -> tuple[str, ...]:
    """A window line by line, neighbouring days with the same hours together, and whose clock it goes by last."""
    days = groupby(zip(WEEKDAYS, window.ranges, strict=True), key=lambda day: day[1])
    lines = [_days_in_words([day for day, _ in group], ranges) for ranges, group in days]
    clock = f"in {window.timezone}" if window.timezone else "where the customer is"
    return (*lines, f"Time {clock}")


def _parse_range(text: str) -> list[str]:
    ends = _DASH.split(text)
    if len(ends) != 2:
        raise ValueError(f"“{text}” is not a range of hours. Write it like 08:00-12:00, several with commas between.")
    start, end = (_parse_time(part) for part in ends)
    if start == end or start == _clock(DAY_MINUTES):
        raise ValueError(f"“{text}” holds no time. The whole day is 00:00-24:00.")
    return [start, end]


def _parse_time(text: str) -> str:
    found = _TIME.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2] or 0) if found else DAY_MINUTES + 1
    if found is None or int(found[2] or 0) > 59 or minutes > DAY_MINUTES:
        raise ValueError(f"“{text}” is not a time of day. Write 00:00 to 24:00, for example 08:30.")
    return _clock(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days_in_words(days: Sequence[str], ranges: Sequence[tuple[int, int]]) -> str:
    first, last = WEEKDAY_WORDS[days[0]], WEEKDAY_WORDS[days[-1]]
    names = first if first == last else f"{first} to {last}"
    hours = ", ".join(f"{_clock(start)}-{_end_in_words(end)}" for start, end in ranges)
    return f"{names}: {hours or 'closed'}"


def _end_in_words(end: int) -> str:
    return _clock(end) if end <= DAY_MINUTES else f"{_clock(end - DAY_MINUTES)} the next day"
