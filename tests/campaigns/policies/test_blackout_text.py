"""Blackout dates as people paste them."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.blackout_text import LINES_MAX, parse_blackouts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("2027-04-30", {date(2027, 4, 30): ""}),
        ("2027-04-30 Reunification Day", {date(2027, 4, 30): "Reunification Day"}),
        ("2027-04-30,Reunification Day\n\n2027-05-01;", {date(2027, 4, 30): "Reunification Day", date(2027, 5, 1): ""}),
        ("2027-02-05..2027-02-07 Tết", {date(2027, 2, day): "Tết" for day in (5, 6, 7)}),
        ("2027-02-05 – 2027-02-06", {date(2027, 2, 5): "", date(2027, 2, 6): ""}),
        ("2027-02-05 to 2027-02-05 x", {date(2027, 2, 5): "x"}),
        ("2027-02-05 a\n2027-02-05 b", {date(2027, 2, 5): "b"}),
    ],
)
def test_what_is_pasted(text, expected) -> None:
    assert parse_blackouts(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "30/04/2027",
        "tomorrow",
        "2027-02-30",
        "2027-02-07..2027-02-05",
        "2027-01-01..2028-01-01",
        "2027-04-30x",
        "2027-04-30\n" * (LINES_MAX + 1),
    ],
)
def test_what_is_no_date_is_quoted(text) -> None:
    with pytest.raises(ValueError):
        parse_blackouts(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text) -> None:
    with contextlib.suppress(ValueError):
        assert all(isinstance(day, date) for day in parse_blackouts(text))
