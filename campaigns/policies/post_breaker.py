"""When requests to the switch fail so often that nobody more should be called into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# Source: reliability D12.
WINDOW: Final = timedelta(minutes=1)
# Just after a person let it dial again, a handful of failures and no success tell enough.
TRIAL_FAILURES: Final = 3


@dataclass(frozen=True, slots=True)
class PostCount:
    """Requests whose outcome is known, and those of them that failed: not connected, broken off, server error."""

    total: int
    failed: int


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """The share of failures, 0 to 1, at which dialing stops, and how many requests it takes to judge. 0 never stops."""

    failed_share: float
    min_posts: int


def counts_from(now: datetime, *, resumed_at: datetime | None) -> datetime:
    """Since when requests are counted: a minute, but none from before a person looked and let it go on."""
    return now - WINDOW if resumed_at is None else max(now - WINDOW, resumed_at)


def is_tripped(count: PostCount, limits: BreakerLimits, *, is_on_trial: bool) -> bool:
    """Whether dialing must stop after these requests. On trial is what was let go on within the last minute."""
    if limits.failed_share <= 0 or not count.failed:
        return False
    if is_on_trial and count.failed == count.total >= TRIAL_FAILURES:
        return True
    return count.total >= limits.min_posts and count.failed / count.total >= limits.failed_share
