"""Geometry of the charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Outcome
from campaigns.queries.blockers import Blocker
from campaigns.queries.stats import HourCount
from campaigns.states import REAL_CONTACT_STATES
from campaigns.web.charts import contact_segments, hour_chart, outcome_rows, round_up, wait_bar, whole_ticks

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
counts = st.integers(0, 10_000_000)


def hours(*pairs: tuple[int, int]) -> list[HourCount]:
    return [HourCount(MIDNIGHT + timedelta(hours=index), *pair) for index, pair in enumerate(pairs)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 2),
        (1, 2),
        (2, 2),
        (3, 4),
        (5, 6),
        (7, 10),
        (10, 10),
        (11, 20),
        (61, 100),
        (100, 100),
        (101, 200),
        (999, 1000),
    ],
)
def test_round_up_is_what_people_put_on_an_axis(value, expected):
    assert round_up(value) == expected


@given(counts)
def test_round_up_is_even_and_not_wasteful(value):
    top = round_up(value)
    assert top >= value
    assert top % 2 == 0
    assert top <= max(2, 2 * value)


def test_hour_chart_stands_answers_before_attempts():
    chart = hour_chart(hours((10, 5), (0, 0), (2, 2)))

    first, empty, last = chart.bars
    assert (first.attempts_y, first.attempts_height, first.answered_y, first.answered_height) == (0, 100, 50, 50)
    assert (empty.attempts_height, empty.answered_height) == (0, 0)
    assert (last.attempts_height, last.answered_height) == (20, 20)
    assert chart.ticks == ((10, 0.0), (5, 50.0), (0, 100.0))
    assert [bar.is_labelled for bar in chart.bars] == [True, False, False]


def test_hour_chart_of_nothing_is_empty():
    assert hour_chart(hours((0, 0), (0, 0))).is_empty
    assert hour_chart([]).bars == ()


@given(st.lists(st.tuples(counts, counts).map(lambda pair: (max(pair), min(pair))), max_size=24))
def test_hour_chart_stays_inside_its_drawing(pairs):
    bars = hour_chart(hours(*pairs)).bars
    for bar in bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= 100.01
        assert bar.attempts_height >= bar.answered_height >= 0
        assert bar.attempts_y + bar.attempts_height == pytest.approx(100, abs=0.02)
    assert all(one.x + one.width < two.x for one, two in pairwise(bars))


def test_outcome_rows_are_by_frequency_and_leave_out_what_never_happened():
    rows = outcome_rows({Outcome.BUSY: 1, Outcome.ANSWERED: 3, Outcome.FAILED: 0, Outcome.CANCELED: 1})

    assert [(row.label, row.total, row.width, row.share) for row in rows] == [
        ("Answered", 3, 100.0, 0.6),
        ("Busy", 1, 33.33, 0.2),
        ("Canceled", 1, 33.33, 0.2),
    ]


def test_outcome_rows_of_nothing_are_none():
    assert outcome_rows({}) == ()
    assert outcome_rows(dict.fromkeys(Outcome, 0)) == ()


@given(st.fixed_dictionaries(dict.fromkeys(REAL_CONTACT_STATES, counts)))
def test_contact_segments_fill_the_bar_without_gaps(contacts):
    segments = contact_segments(contacts)
    assert sum(segment.total for segment in segments) == sum(contacts.values())
    edge = 0.0
    for segment in segments:
        assert segment.x == pytest.approx(edge, abs=0.01)
        edge = segment.x + segment.width
    assert edge == (pytest.approx(100, abs=0.02) if segments else 0.0)


@given(st.lists(counts, max_size=9), counts)
def test_the_bar_of_waits_shows_nobody_twice(blocked, waiting):
    waits = wait_bar([Blocker("code", "Label", count) for count in blocked], waiting)
    assert [wait.blocker.count for wait in waits] == blocked
    edge = 0.0
    for wait in waits:
        assert wait.x == pytest.approx(edge, abs=0.02)
        edge = wait.x + wait.width
    assert edge == pytest.approx(100 * min(sum(blocked), waiting) / waiting if waiting else 0, abs=0.02)


@pytest.mark.parametrize(
    ("duration_ms", "expected"),
    [
        (0, (0,)),
        (900, (0,)),
        (5_000, (0, 1000, 2000, 3000, 4000, 5000)),
        (36_000, (0, 10_000, 20_000, 30_000)),
        (3_600_000, (0, 600_000, 1_200_000, 1_800_000, 2_400_000, 3_000_000, 3_600_000)),
    ],
)
def test_whole_ticks_are_round(duration_ms, expected):
    assert whole_ticks(duration_ms) == expected
