"""How fast calls may start: evenly spaced by calls per second, within the places of the bridges, slower at first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil

# A claim plans so far ahead. A tick comes every second, sometimes late.
HORIZON_S = 1.25
# After a 429 the trunk starts again at half its pace and gets back a tenth a minute. Source: reliability D14.
THROTTLED_PACE = 0.5
RECOVERY_PER_MINUTE = 0.1
THROTTLE_DEFAULT_S = 10.0
# The share of its pace a campaign begins with that grows into it.
RAMP_UP_FROM = 0.1


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Room for one call: `tokens` as of `at`, 1 at most. Below 0 the next calls are planned already.

    With room for one and never more, starts are at least `1 / rate` apart: no second that one may cut out of time holds
    more calls than the rate, rounded up. A bucket that was never used is full.
    """

    tokens: float
    at: datetime | None

    def refilled(self, *, rate_per_s: float, now: datetime) -> TokenBucket:
        """The bucket as of `now`. A clock that steps back brings nothing and takes nothing."""
        if self.at is None:
            return TokenBucket(1.0, now)
        elapsed_s = max(0.0, (now - self.at).total_seconds())
        return TokenBucket(min(1.0, self.tokens + elapsed_s * rate_per_s), max(now, self.at))

    def wait_s(self, rate_per_s: float) -> float:
        """Seconds from `at` until the next call may start."""
        return max(0.0, (1.0 - self.tokens) / rate_per_s)

    def starts_within(self, horizon_s: float, rate_per_s: float) -> int:
        """How many calls may start within so many seconds from `at`."""
        room_s = horizon_s - self.wait_s(rate_per_s)
        return 0 if room_s <= 0 else ceil(room_s * rate_per_s)

    def after_start(self, delay_s: float, rate_per_s: float) -> TokenBucket:
        """The bucket, as of `at`, once a call is planned to start `delay_s` after it."""
        return TokenBucket(-delay_s * rate_per_s, self.at)


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
