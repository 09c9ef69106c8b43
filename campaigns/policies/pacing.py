"""How many calls may start now: calls per second by token bucket, lines by counting, campaigns in turn."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

# A bucket holds what one second brings, and at least one call. A tick comes every second.
BURST_S = 1.0
# After a 429 the trunk starts again at half its pace and gets back a tenth a minute. Source: reliability D14.
THROTTLED_PACE = 0.5
RECOVERY_PER_MINUTE = 0.1
THROTTLE_DEFAULT_S = 10.0
# The share of its pace a campaign begins with that grows into it.
RAMP_UP_FROM = 0.1

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Calls that may start: `tokens` as of `at`. A bucket that was never used is full."""

    tokens: float
    at: datetime | None

    def refilled(self, *, rate_per_s: float, now: datetime) -> TokenBucket:
        """The bucket as of `now`. A clock that steps back brings nothing and takes nothing."""
        capacity = max(1.0, rate_per_s * BURST_S)
        if self.at is None:
            return TokenBucket(capacity, now)
        elapsed_s = max(0.0, (now - self.at).total_seconds())
        return TokenBucket(min(capacity, self.tokens + elapsed_s * rate_per_s), max(now, self.at))

    def take(self, calls: int) -> TokenBucket:
        """The bucket after `calls` have started."""
        return TokenBucket(max(0.0, self.tokens - calls), self.at)

    @property
    def calls(self) -> int:
        """Whole calls that may start."""
        # Many small refills must not lose a call to rounding.
        return int(self.tokens + 1e-9)


@dataclass(frozen=True, slots=True)
class Load:
    """A trunk's or a campaign's limits next to what is open now."""

    max_concurrent_calls: int
    open_calls: int
    bucket: TokenBucket

    @property
    def allowance(self) -> int:
        """How many calls it lets start now."""
        return max(0, min(self.max_concurrent_calls - self.open_calls, self.bucket.calls))


def free_slots(*, capacity: int, live_calls: int, in_call_attempts: int, ringing_attempts: int) -> int:
    """Calls the bridges can still take, counting every attempt that may yet bring one.

    A heartbeat is seconds old, so the larger of what the bridges and the attempts say is believed.
    """
    return max(0, capacity - max(live_calls, in_call_attempts) - ringing_attempts)


def pace_factor(throttled_until: datetime | None, now: datetime) -> float:
    """The share of its calls per second a trunk may use: 0 while throttled, half after it, then slowly all again."""
    if throttled_until is None:
        return 1.0
    since_s = (now - throttled_until).total_seconds()
    return 0.0 if since_s < 0 else min(1.0, THROTTLED_PACE + RECOVERY_PER_MINUTE * since_s / 60)


def ramp_up_factor(launched_at: datetime | None, ramp_up_minutes: int, now: datetime) -> float:
    """The share of its calls per second a campaign may use: a tenth at its launch, all of it after so many minutes."""
    if launched_at is None or not ramp_up_minutes:
        return 1.0
    passed = max(0.0, (now - launched_at).total_seconds()) / (60 * ramp_up_minutes)
    return min(1.0, RAMP_UP_FROM + (1 - RAMP_UP_FROM) * passed)


def take_turns(queues: Mapping[Key, Sequence[Item]], order: Sequence[Key], limit: int) -> list[tuple[Key, Item]]:
    """Up to `limit` items, one of each queue in `order`, then the second of each, and so on."""
    taken: list[tuple[Key, Item]] = []
    for place in range(max((len(queue) for queue in queues.values()), default=0)):
        for key in order:
            if len(taken) >= limit:
                return taken
            if place < len(queues[key]):
                taken.append((key, queues[key][place]))
    return taken
