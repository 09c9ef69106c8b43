"""When a step after a call is tried again, and when it is given up."""

from __future__ import annotations

from datetime import timedelta

# Source: reliability.md E.7 (10 s · 4^n ± 20 %, five tries), B.6 P7 (10 s · 2^n up to 24 h).
MAX_TRIES = 5
LEASE = timedelta(seconds=120)
RECORDING_PATIENCE = timedelta(hours=24)
JITTER = 0.2
_FIRST_WAIT_S = 10.0


def wait_after_failure(tries: int, *, jitter: float) -> timedelta | None:
    """The wait after the nth failed try, or None when it was the last. `jitter` is drawn from -0.2 … 0.2."""
    if tries >= MAX_TRIES:
        return None
    return timedelta(seconds=_FIRST_WAIT_S * 4.0 ** (tries - 1) * (1 + jitter))


def wait_for_recording(misses: int, *, waited: timedelta) -> timedelta | None:
    """The wait after the nth answer "not there yet", or None once a day has gone by since the call's end."""
    left = RECORDING_PATIENCE - waited
    if left <= timedelta(0):
        return None
    # 2**14 · 10 s is more than the day; the bound keeps the power finite.
    return min(timedelta(seconds=_FIRST_WAIT_S * 2.0 ** min(misses - 1, 14)), left)
