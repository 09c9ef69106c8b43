"""Wakes one sleeping task: when something happened, or when its time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

# A loop rounds its timers to ticks of its clock; less than one is no time at all.
TICK_S: Final = 0.001
# Clocks are floats.
EXACT_S: Final = 1e-6


class Alarm:
    """An event with a time-out for one waiter, cheap enough for a hundred waits a second in every call.

    Its timer outlives the waits: one that rings too early is set again, so that a moment that keeps moving away costs
    no timer each time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is that of whoever waits, in s: a loop's own may stand still while it works."""
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None
        self._until_s = 0.0
        self._timer: asyncio.Handle | None = None
        self._timer_s = 0.0

    def is_set(self) -> bool:
        """Whether something happened since `clear`."""
        return self._is_set

    def set(self) -> None:
        """Something happened."""
        self._is_set = True
        self._wake()

    def clear(self) -> None:
        """All that happened so far is dealt with."""
        self._is_set = False

    async def wait(self, wait_s: float) -> None:
        """Return when it is set, or after `wait_s`."""
        if self._is_set:
            return
        self._until_s = self._clock() + wait_s
        if self._timer is None or self._timer_s > self._until_s:
            self._set_timer(wait_s)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def no_later_than(self, wait_s: float) -> None:
        """A wait that is under way ends within `wait_s`; the waiter is not woken for it now."""
        until_s = self._clock() + wait_s
        if self._waiter is not None and until_s < self._until_s:
            self._until_s = until_s
            if self._timer is None or self._timer_s > until_s:
                self._set_timer(wait_s)

    def close(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, wait_s: float) -> None:
        self.close()
        self._timer_s = self._until_s
        self._timer = self._loop.call_later(wait_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        # Whoever is woken early finds nothing to do, waits for what is left, is woken early again, and so on.
        left_s = self._until_s - self._clock()
        if left_s > EXACT_S:
            self._set_timer(max(left_s, TICK_S))
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
