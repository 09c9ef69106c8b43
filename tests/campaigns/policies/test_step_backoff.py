"""Waits after failures grow, and end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.policies.step_backoff import MAX_TRIES, wait_after_failure, wait_for_recording

DAY = timedelta(hours=24)


def test_wait_after_failure_grows_and_ends():
    waits = [wait_after_failure(tries, jitter=0) for tries in range(1, MAX_TRIES + 2)]

    assert waits == [*[timedelta(seconds=s) for s in (10, 40, 160, 640)], None, None]


@pytest.mark.parametrize(("jitter", "seconds"), [(-0.2, 32), (0.2, 48)])
def test_wait_after_failure_is_spread(jitter, seconds):
    assert wait_after_failure(2, jitter=jitter) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("misses", "waited", "wait"),
    [
        (1, timedelta(0), timedelta(seconds=10)),
        (4, timedelta(minutes=1), timedelta(seconds=80)),
        (14, timedelta(hours=23), timedelta(hours=1)),
        (5000, timedelta(0), DAY),
        (3, DAY, None),
        (3, DAY + timedelta(seconds=1), None),
    ],
)
def test_wait_for_recording(misses, waited, wait):
    assert wait_for_recording(misses, waited=waited) == wait
