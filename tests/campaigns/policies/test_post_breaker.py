"""The breaker of requests to the switch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.post_breaker import BreakerLimits, PostCount, counts_from, is_tripped

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
LIMITS = BreakerLimits(0.2, 10)


@pytest.mark.parametrize(
    ("total", "failed", "is_on_trial", "expected"),
    [
        (0, 0, False, False),
        (9, 9, False, False),
        (10, 1, False, False),
        (10, 2, False, True),
        (100, 19, False, False),
        (2, 2, True, False),
        (3, 3, True, True),
        (4, 3, True, False),
        (10, 2, True, True),
    ],
)
def test_the_breaker_trips_at_its_share(total: int, failed: int, is_on_trial: bool, expected: bool) -> None:
    assert is_tripped(PostCount(total, failed), LIMITS, is_on_trial=is_on_trial) is expected


@given(st.integers(0, 500), st.integers(0, 500), st.booleans())
def test_a_share_of_zero_never_trips_and_one_more_failure_never_untrips(total, failed, is_on_trial) -> None:
    count = PostCount(total + failed, failed)
    assert not is_tripped(count, BreakerLimits(0, 10), is_on_trial=is_on_trial)
    worse = PostCount(count.total, min(count.total, failed + 1))
    assert is_tripped(worse, LIMITS, is_on_trial=is_on_trial) or not is_tripped(count, LIMITS, is_on_trial=is_on_trial)


@pytest.mark.parametrize(("seconds_ago", "counted_s"), [(None, 60), (90, 60), (20, 20)])
def test_what_failed_before_somebody_looked_is_forgotten(seconds_ago, counted_s) -> None:
    resumed_at = None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago)
    assert counts_from(NOW, resumed_at=resumed_at) == NOW - timedelta(seconds=counted_s)
