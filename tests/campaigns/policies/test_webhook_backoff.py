"""When a webhook is tried again, and when its endpoint is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.webhook_backoff import (
    JITTER,
    MAX_TRIES,
    WAITS_S,
    Verdict,
    endpoint_pause,
    is_endpoint_given_up,
    judge,
    next_try_at,
    read_retry_after,
)

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


def test_the_schedule_is_the_published_one():
    waits = [next_try_at(tries, now=NOW, jitter=0) for tries in range(1, MAX_TRIES + 1)]

    hours = 3600
    seconds = [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours]
    assert waits == [*[NOW + timedelta(seconds=wait) for wait in seconds], None]


@given(st.integers(1, MAX_TRIES - 1), st.floats(-JITTER, JITTER))
def test_jitter_stays_within_a_fifth(tries, jitter):
    at = next_try_at(tries, now=NOW, jitter=jitter)

    assert at is not None
    assert 0.8 * WAITS_S[tries] <= (at - NOW).total_seconds() + 1e-6
    assert (at - NOW).total_seconds() <= 1.2 * WAITS_S[tries] + 1e-6


@pytest.mark.parametrize(("retry_after_s", "wait_s"), [(1, 5), (60, 60), (86_400, 86_400)])
def test_retry_after_can_only_make_the_wait_longer(retry_after_s, wait_s):
    at = next_try_at(1, now=NOW, jitter=0, retry_after=timedelta(seconds=retry_after_s))

    assert at == NOW + timedelta(seconds=wait_s)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("999999999999999999999", timedelta(hours=24)),
        ("Fri, 20 Nov 2026 08:31:00 GMT", timedelta(minutes=1)),
        ("Fri, 20 Nov 2026 08:29:00 GMT", timedelta(0)),
        ("Fri, 20 Nov 2099 08:29:00 GMT", timedelta(hours=24)),
        ("Fri, 20 Nov 2026 08:31:00", None),
        ("Fri, 99 Nov 2026 08:31:00 GMT", None),
    ],
)
def test_read_retry_after(value, wait):
    assert read_retry_after(value, now=NOW) == wait


@given(st.text(max_size=40))
def test_read_retry_after_of_anything(value):
    wait = read_retry_after(value, now=NOW)

    assert wait is None or timedelta(0) <= wait <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("status_code", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (301, Verdict.RETRY),
        (307, Verdict.RETRY),
        (400, Verdict.RETRY),
        (404, Verdict.RETRY),
        (410, Verdict.GONE),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (None, Verdict.RETRY),
    ],
)
def test_judge(status_code, verdict):
    assert judge(status_code) is verdict


@pytest.mark.parametrize(
    ("first_failure_at", "is_given_up"),
    [(None, False), (NOW - timedelta(hours=119), False), (NOW - timedelta(hours=120), True)],
)
def test_an_endpoint_is_given_up_after_five_days_without_success(first_failure_at, is_given_up):
    assert is_endpoint_given_up(first_failure_at, now=NOW) is is_given_up


@pytest.mark.parametrize(
    ("failing_for_s", "retry_after_s", "pause_s"),
    [(0, None, 5), (60, None, 6), (600, None, 60), (86_400, None, 300), (0, 3, 5), (600, 90, 90), (0, 86_400, 86_400)],
)
def test_a_failing_endpoint_is_left_alone_ever_longer(failing_for_s, retry_after_s, pause_s):
    retry_after = None if retry_after_s is None else timedelta(seconds=retry_after_s)

    assert endpoint_pause(timedelta(seconds=failing_for_s), retry_after=retry_after) == timedelta(seconds=pause_s)
