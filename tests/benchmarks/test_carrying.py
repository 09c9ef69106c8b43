"""The search for the most calls that a server carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bridge.carrying import CLIMB_CALLS, MOST_CALLS, TRIES, numbers


def climb(first: int, fewest: int, most: int) -> list[int]:
    """The numbers that are tried with a server that carries `most`."""
    tried, search = [], numbers(first, fewest)
    number = next(search, None)
    while number is not None:
        tried.append(number)
        try:
            number = search.send(number <= most)
        except StopIteration:
            number = None
    return tried


def test_numbers_go_up_to_the_first_refused_and_then_between():
    assert climb(60, 60, 100) == [60, 75, 93, 116, 104]


def test_numbers_go_down_where_the_first_is_refused():
    assert climb(60, 4, 40) == [60, 48, 38, 43]


def test_numbers_end_below_the_fewest_and_above_the_most():
    assert climb(60, 60, 10) == [60]
    assert climb(500, 4, 10_000) == [500, 625]


@given(first=st.integers(8, MOST_CALLS), most=st.integers(8, MOST_CALLS))
def test_numbers_come_within_an_eighth_and_take_no_more_calls_than_said(first, most):
    tried = climb(first, 4, most)
    best = max(number for number in tried if number <= most)
    assert best >= min(most * 7 // 8 - 1, MOST_CALLS * 4 // 5)
    assert sum(number * (1 if number <= most else TRIES) for number in tried) <= CLIMB_CALLS
