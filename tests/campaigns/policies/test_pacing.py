"""Pacing: tokens, lines, slots and turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.pacing import Load, TokenBucket, free_slots, pace_factor, ramp_up_factor, take_turns

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
rates = st.floats(0.01, 500)


def test_a_new_bucket_is_full() -> None:
    assert TokenBucket(0, None).refilled(rate_per_s=12, now=NOW).calls == 12
    assert TokenBucket(0, None).refilled(rate_per_s=0.1, now=NOW).calls == 1


@given(rates, st.lists(st.floats(0, 30), max_size=40))
def test_calls_never_outrun_the_rate(rate_per_s: float, pauses_s: list[float]) -> None:
    bucket, now, started = TokenBucket(0, None), NOW, 0
    for pause_s in pauses_s:
        now += timedelta(seconds=pause_s)
        bucket = bucket.refilled(rate_per_s=rate_per_s, now=now)
        started += bucket.calls
        bucket = bucket.take(bucket.calls)
    elapsed_s = (now - NOW).total_seconds()
    assert started <= max(1.0, rate_per_s) + rate_per_s * elapsed_s + 1e-3


def test_many_small_refills_lose_no_call() -> None:
    bucket, started = TokenBucket(0, NOW), 0
    for tick in range(1, 1001):
        bucket = bucket.refilled(rate_per_s=1, now=NOW + timedelta(milliseconds=10 * tick))
        started += bucket.calls
        bucket = bucket.take(bucket.calls)
    assert started == 10


def test_a_clock_that_steps_back_brings_nothing() -> None:
    bucket = TokenBucket(0, NOW).refilled(rate_per_s=5, now=NOW - timedelta(hours=1))
    assert (bucket.tokens, bucket.at) == (0, NOW)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 50))
def test_allowance_keeps_both_limits(limit: int, open_calls: int, tokens: float) -> None:
    allowance = Load(limit, open_calls, TokenBucket(tokens, NOW)).allowance
    assert 0 <= allowance <= max(0, limit - open_calls)
    assert allowance <= tokens + 1e-6


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


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(), max_size=6)), st.integers(0, 30))
def test_turns_are_fair_and_keep_each_order(queues: dict[str, list[int]], limit: int) -> None:
    taken = take_turns(queues, sorted(queues), limit)
    assert len(taken) == min(limit, sum(map(len, queues.values())))
    counts = {}
    for key, queue in queues.items():
        own = [item for owner, item in taken if owner == key]
        assert own == queue[: len(own)]
        if len(own) < len(queue):
            counts[key] = len(own)
    assert max(counts.values(), default=0) - min(counts.values(), default=0) <= 1
