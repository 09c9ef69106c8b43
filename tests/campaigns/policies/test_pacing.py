"""Pacing: spaced starts, bridge places, throttle and ramp-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.pacing import TokenBucket, free_slots, pace_factor, ramp_up_factor

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
rates = st.floats(0.01, 500)


def test_a_bucket_has_room_for_one_call() -> None:
    assert TokenBucket(0, None).refilled(rate_per_s=12, now=NOW) == TokenBucket(1, NOW)
    later = TokenBucket(-3, NOW).refilled(rate_per_s=12, now=NOW + timedelta(hours=1))
    assert (later.tokens, later.wait_s(12)) == (1, 0)


@given(rates, st.lists(st.floats(0, 30), max_size=40))
def test_starts_are_spaced_by_the_rate(rate_per_s: float, pauses_s: list[float]) -> None:
    bucket, now, starts = TokenBucket(0, None), NOW, []
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        bucket = bucket.refilled(rate_per_s=rate_per_s, now=now)
        delay_s = bucket.wait_s(rate_per_s)
        starts.append((now - NOW).total_seconds() + delay_s)
        bucket = bucket.after_start(delay_s, rate_per_s)
    assert all(after - before >= 1 / rate_per_s - 1e-5 for before, after in pairwise(starts))


@given(rates, st.floats(-20, 1), st.floats(0, 5))
def test_so_many_starts_fit_into_a_time(rate_per_s: float, tokens: float, horizon_s: float) -> None:
    bucket, fit, delay_s = TokenBucket(tokens, NOW), 0, 0.0
    while fit < 3000 and (delay_s := bucket.wait_s(rate_per_s)) < horizon_s:
        bucket, fit = bucket.after_start(delay_s, rate_per_s), fit + 1
    assert abs(TokenBucket(tokens, NOW).starts_within(horizon_s, rate_per_s) - fit) <= 1


def test_a_clock_that_steps_back_brings_nothing() -> None:
    bucket = TokenBucket(0, NOW).refilled(rate_per_s=5, now=NOW - timedelta(hours=1))
    assert (bucket.tokens, bucket.at) == (0, NOW)


@pytest.mark.parametrize(
    ("capacity", "live", "in_call", "ringing", "free"),
    [(0, 0, 0, 0, 0), (10, 0, 0, 0, 10), (10, 4, 3, 2, 4), (10, 3, 4, 2, 4), (10, 9, 9, 5, 0)],
)
def test_free_slots_believe_the_worse(capacity, live, in_call, ringing, free) -> None:
    counted = free_slots(capacity=capacity, live_calls=live, in_call_attempts=in_call, ringing_attempts=ringing)
    assert counted == free


@pytest.mark.parametrize(
    ("minutes", "factor"), [(None, 1.0), (-1, 0.0), (0, 0.5), (1, 0.6), (2.5, 0.75), (5, 1.0), (90, 1.0)]
)
def test_pace_after_a_throttle(minutes, factor) -> None:
    until = None if minutes is None else NOW - timedelta(minutes=minutes)
    assert pace_factor(until, NOW) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("minutes", "ramp", "factor"), [(0, 0, 1), (0, 10, 0.1), (5, 10, 0.55), (10, 10, 1), (99, 10, 1), (-5, 10, 0.1)]
)
def test_a_campaign_grows_into_its_pace(minutes, ramp, factor) -> None:
    assert ramp_up_factor(NOW - timedelta(minutes=minutes), ramp, NOW) == pytest.approx(factor)


def test_a_campaign_that_was_not_launched_has_nothing_to_grow_from() -> None:
    assert ramp_up_factor(None, 10, NOW) == 1
