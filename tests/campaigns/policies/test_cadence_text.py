"""Cadences in words: what people may write, what they are told, and that nothing changes on the way."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.cadence import LADDER_MAX_STEPS, WAIT_MAX_S, Moment, default_cadence, parse_cadence
from campaigns.policies.cadence_text import cadence_in_words, format_waits, parse_waits


@pytest.mark.parametrize(
    ("text", "waits_s"),
    [
        ("", []),
        ("give up", []),
        ("  Give   UP ", []),
        ("10 min, 30 min, 2 h, 1 d", [600, 1800, 7200, 86_400]),
        ("10min,2H", [600, 7200]),
        ("1 minute, 2 hours, 3 days, 4 seconds", [60, 7200, 259_200, 4]),
        ("1.5 h, 0.5 s", [5400, 0.5]),
        ("0 s, 45 s,", [0, 45]),
        ("90 d", [WAIT_MAX_S]),
        ("2 h, next day, Another part of the day", [7200, "next_day", "other_part"]),
        ("next_day, same time  next day, other part", ["next_day", "next_day", "other_part"]),
    ],
)
def test_waits_are_read_as_people_write_them(text, waits_s) -> None:
    assert parse_waits(text) == waits_s
    parse_cadence({"waits_s": {"busy": waits_s}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("30", "“30” has no unit."),
        ("30 weeks", "“weeks” is not a unit."),
        ("soon", "“soon” is not a length of time."),
        ("-5 min", "“-5 min” is not a length of time."),
        ("1e3 s", "“1e3 s” is not a length of time."),
        ("1 h 30 min", "“1 h 30 min” is not a length of time."),
        ("10 min; 20 min", "“10 min; 20 min” is not a length of time."),
        ("91 d", "“91 d” is too long: a wait lasts at most 90 d."),
        ("9" * 400 + " d", "“" + "9" * 400 + " d” is too long"),
        ("10 min," * (LADDER_MAX_STEPS + 1), f"There can be at most {LADDER_MAX_STEPS} waits"),
    ],
)
def test_what_cannot_be_read_is_quoted(text, said) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        parse_waits(text)


@pytest.mark.parametrize(
    ("waits_s", "text"),
    [
        ([], "give up"),
        ([600, 1800, 7200, 86_400], "10 min, 30 min, 2 h, 1 d"),
        ([5400, 61, 0, 0.25], "90 min, 61 s, 0 s, 0.25 s"),
        ([3600.0, 1e-7], "1 h, 0.0000001 s"),
        (["next_day", 60, "other_part"], "next day, 1 min, other part of the day"),
    ],
)
def test_waits_are_written_in_their_largest_unit(waits_s, text) -> None:
    assert format_waits(waits_s) == text


WAITS = st.one_of(
    st.integers(0, WAIT_MAX_S), st.floats(0, WAIT_MAX_S), st.sampled_from([each.value for each in Moment])
)


@given(st.lists(WAITS, max_size=LADDER_MAX_STEPS))
def test_what_is_written_out_reads_back_the_same(waits_s) -> None:
    parse_cadence({"waits_s": {"busy": waits_s}})
    assert parse_waits(format_waits(waits_s)) == waits_s


@given(st.text(alphabet="0123456789.,minhdays -", max_size=30))
def test_whatever_is_read_is_a_cadence(text) -> None:
    try:
        waits_s = parse_waits(text)
    except ValueError:
        return
    parse_cadence({"waits_s": {"default": waits_s}})
    assert parse_waits(format_waits(waits_s)) == waits_s


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (default_cadence(), ("Busy: 10 min, 30 min, 2 h", "All other outcomes: 30 min, 2 h, 1 d")),
        ({}, ("All other outcomes: give up",)),
        (
            {"waits_s": {"default": [60], "machine": []}},
            ("Answering machine: give up", "All other outcomes: 1 min"),
        ),
        (
            {
                "rules": [
                    {"waits": [60], "max_tries": 2},
                    {"outcome": "answered", "disposition": "not_now", "waits": ["next_day"], "max_tries": 3},
                    {"disposition": "lost", "waits": [], "max_tries": 3},
                ]
            },
            (
                "Answered, “not_now”: next day; at most 3 such attempts",
                "Any outcome, “lost”: give up",
                "All other outcomes: 1 min; at most 2 such attempts",
            ),
        ),
    ],
)
def test_a_cadence_is_told_line_by_line(raw, lines) -> None:
    assert cadence_in_words(parse_cadence(raw)) == lines
