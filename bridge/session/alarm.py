"""Wakes one sleeping task: when something happened, or when its time has come."""

from __future__ import annotations

import asyncio


class Alarm:
    """An event with a time-out for one waiter, cheap enough for a hundred waits a second in every call.

    Its timer outlives the waits: one that rings too early is set again, so that a moment that keeps moving away costs
    no timer each time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

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
        self._until_s = self._loop.time() + wait_s
        if self._timer is None or self._timer.when() > self._until_s:
            self._set_timer()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        self.close()
        self._timer = self._loop.call_at(self._until_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        # A loop's timer may ring a clock tick early; nobody minds a task that wakes with it.
        if self._until_s - self._loop.time() > 0.001:
            self._set_timer()
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
