"""Calling windows in words: what people may write, what they are told, and that nothing changes on the way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.calling_window import DAY_MINUTES, RANGES_MAX, WEEKDAYS, default_calling_window, parse_window
from campaigns.policies.window_text import WEEKDAY_WORDS, format_day, parse_day, window_in_words


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        ("  ", []),
        ("08:00-20:00", [["08:00", "20:00"]]),
        ("08:00-12:00, 13:00-20:00", [["08:00", "12:00"], ["13:00", "20:00"]]),
        ("8-12,13-20:30", [["08:00", "12:00"], ["13:00", "20:30"]]),
        (" 8:05 – 9 , ", [["08:05", "09:00"]]),
        ("8 to 12", [["08:00", "12:00"]]),
        ("00:00-24:00", [["00:00", "24:00"]]),
        ("22:00-02:00", [["22:00", "02:00"]]),
        ("20:00-00:00", [["20:00", "00:00"]]),
    ],
)
def test_a_day_is_read_as_people_write_it(text, ranges) -> None:
    assert parse_day(text) == ranges
    parse_window({"days": {"mon": ranges}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("all day", "“all day” is not a range of hours."),
        ("08:00", "“08:00” is not a range of hours."),
        ("8-12-14", "“8-12-14” is not a range of hours."),
        ("08:00-25:00", "“25:00” is not a time of day."),
        ("08:60-10:00", "“08:60” is not a time of day."),
        ("08:00-24:01", "“24:01” is not a time of day."),
        ("8am-5pm", "“8am” is not a time of day."),
        ("-12:00", "“” is not a time of day."),
        ("٠٨:٠٠-12:00", "“٠٨:٠٠” is not a time of day."),
        ("08:00-8", "“08:00-8” holds no time."),
        ("24:00-08:00", "“24:00-08:00” holds no time."),
        ("08:00-09:00," * (RANGES_MAX + 1), f"A day can have at most {RANGES_MAX} ranges; these are {RANGES_MAX + 1}."),
    ],
)
def test_what_cannot_be_read_is_quoted(text, said) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        parse_day(text)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


RANGES = (
    st.tuples(st.integers(0, DAY_MINUTES - 1), st.integers(0, DAY_MINUTES))
    .filter(lambda ends: ends[0] != ends[1])
    .map(lambda ends: [clock(ends[0]), clock(ends[1])])
)


@given(st.lists(RANGES, max_size=RANGES_MAX))
def test_what_is_written_out_reads_back_the_same(ranges) -> None:
    parse_window({"days": {"mon": ranges}})
    assert parse_day(format_day(ranges)) == ranges


@given(st.text(alphabet="0123456789:-–, hto.", max_size=30))
def test_whatever_is_read_is_a_window(text) -> None:
    try:
        ranges = parse_day(text)
    except ValueError:
        return
    parse_window({"days": {"sun": ranges}})
    assert parse_day(format_day(ranges)) == ranges


def test_every_weekday_has_its_word() -> None:
    assert tuple(WEEKDAY_WORDS) == WEEKDAYS


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (default_calling_window(), ("Monday to Sunday: 08:00-20:00", "Time where the customer is")),
        ({}, ("Monday to Sunday: closed", "Time where the customer is")),
        (
            {
                "timezone": "Asia/Ho_Chi_Minh",
                "days": {
                    "mon": [["08:00", "12:00"], ["13:00", "24:00"]],
                    "tue": [["08:00", "12:00"], ["13:00", "24:00"]],
                    "sat": [["22:00", "02:00"]],
                },
            },
            (
                "Monday to Tuesday: 08:00-12:00, 13:00-24:00",
                "Wednesday to Friday: closed",
                "Saturday: 22:00-02:00 the next day",
                "Sunday: closed",
                "Time in Asia/Ho_Chi_Minh",
            ),
        ),
    ],
)
def test_a_window_is_told_line_by_line(raw, lines) -> None:
    assert window_in_words(parse_window(raw)) == lines
