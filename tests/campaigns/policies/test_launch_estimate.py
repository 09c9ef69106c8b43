"""How long a campaign takes, told before it is launched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.calling_window import NEVER_OPEN, parse_window
from campaigns.policies.launch_estimate import Experience, Limits, estimate, first_round_s, in_words


@pytest.mark.parametrize(
    ("contacts", "calls_per_second", "max_concurrent_calls", "duration_s"),
    [(0, 1, 1, 0), (100, 1, 1000, 100), (100, 10, 60, 100), (3600, 1, 30, 7200), (5, 0, 1, float("inf"))],
)
def test_the_slower_limit_decides(contacts, calls_per_second, max_concurrent_calls, duration_s):
    found_s = first_round_s(contacts, calls_per_second=calls_per_second, max_concurrent_calls=max_concurrent_calls)
    assert found_s == pytest.approx(duration_s)


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "about 1 minute"),
        (1800, "about 30 minutes"),
        (3600, "about 1 hour"),
        (9000, "about 2 hours"),
        (86_400 * 3, "about 3 days"),
        (float("inf"), "longer than anybody can wait"),
    ],
)
def test_in_words(duration_s, words):
    assert in_words(duration_s) == words


@given(st.floats(min_value=0, allow_nan=False))
def test_every_duration_has_words(duration_s):
    assert in_words(duration_s)


FRIDAY = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
HOURS = parse_window({"timezone": "UTC", "days": {"fri": [["08:00", "10:00"]], "mon": [["09:00", "12:00"]]}})
SURE = Experience(answer_rate=1, talk_s=60, is_assumed=False)


@pytest.mark.parametrize(
    ("contacts", "finish_at"),
    [
        (0, FRIDAY),
        (3600, FRIDAY + timedelta(hours=1)),
        (3 * 3600, datetime(2026, 11, 23, 10, 0, tzinfo=UTC)),
        (10_000_000, None),
    ],
)
def test_it_is_over_within_the_window(contacts: int, finish_at) -> None:
    limits = Limits(calls_per_second=1, max_concurrent_calls=100, max_attempts=3, ring_s=30)
    found = estimate(contacts, limits, SURE, window=HOURS, zones=("UTC",), begin=FRIDAY)
    assert found.attempts == contacts
    if finish_at is None:
        assert found.finish_at is None
    else:
        assert found.finish_at is not None
        assert abs(found.finish_at - finish_at) <= timedelta(minutes=15)


def test_who_does_not_answer_is_called_again_and_holds_a_line_while_it_rings() -> None:
    limits = Limits(calls_per_second=100, max_concurrent_calls=10, max_attempts=3, ring_s=30)
    half = Experience(answer_rate=0.5, talk_s=50, is_assumed=False)
    found = estimate(1000, limits, half, window=HOURS, zones=("UTC",), begin=FRIDAY)
    assert found.attempts == 1750
    assert found.open_s == pytest.approx(1750 * 40 / 10)


def test_a_window_that_never_opens_is_never_over() -> None:
    limits = Limits(calls_per_second=1, max_concurrent_calls=1, max_attempts=1, ring_s=30)
    assert estimate(1, limits, SURE, window=NEVER_OPEN, zones=("UTC",), begin=FRIDAY).finish_at is None
