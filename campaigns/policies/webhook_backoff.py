"""When a webhook is tried again: the waits between tries, what an answer means, and when an endpoint is given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

# Before the first try, the second, …: with the jitter about three days and a quarter in all.
# Source: reliability.md E.8.
WAITS_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_TRIES = len(WAITS_S)
JITTER = 0.2
RETRY_AFTER_MAX = timedelta(hours=24)
SHORTEST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
GIVE_UP_ENDPOINT_AFTER = timedelta(hours=120)
_MAX_DELTA_DIGITS = 9


class Verdict(StrEnum):
    """What one answer of a receiver means."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GONE = "gone"


def judge(status_code: int | None) -> Verdict:
    """What a status code means; None stands for no answer. Only 2xx is success: a redirect is a failure."""
    if status_code is None:
        return Verdict.RETRY
    if status_code == HTTPStatus.GONE:
        return Verdict.GONE
    return Verdict.DELIVERED if 200 <= status_code < 300 else Verdict.RETRY


def next_try_at(tries: int, *, now: datetime, jitter: float, retry_after: timedelta | None = None) -> datetime | None:
    """When to try again after the nth failed try, or None after the last. `jitter` is drawn from -0.2 … 0.2.

    A receiver's own `Retry-After` can only make the wait longer.
    """
    if tries >= MAX_TRIES:
        return None
    wait = timedelta(seconds=WAITS_S[tries] * (1 + jitter))
    return now + max(wait, retry_after or timedelta(0))


def read_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """The wait a `Retry-After` header asks for, from 0 to 24 h; None where there is none that can be read."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        wait = timedelta(seconds=int(value[:_MAX_DELTA_DIGITS]))
    else:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError, TypeError, IndexError):
            return None
        if moment.tzinfo is None:
            return None
        wait = moment - now
    return min(max(wait, timedelta(0)), RETRY_AFTER_MAX)


def endpoint_pause(failing_for: timedelta, *, retry_after: timedelta | None = None) -> timedelta:
    """How long to leave a failing endpoint alone altogether, however much waits for it.

    A tenth of the time it has been failing, from 5 s to 5 min, so that a dead one with a long queue costs the workers
    next to nothing; its own `Retry-After` where that is longer.
    """
    pause = min(max(failing_for / 10, SHORTEST_PAUSE), LONGEST_PAUSE)
    return max(pause, retry_after or timedelta(0))


def is_endpoint_given_up(first_failure_at: datetime | None, *, now: datetime) -> bool:
    """Whether an endpoint has failed for so long, without one success, that it is switched off."""
    return first_failure_at is not None and now - first_failure_at >= GIVE_UP_ENDPOINT_AFTER
