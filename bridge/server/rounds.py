"""Lets the loop rest between rounds of work while many calls live.

A loop that is woken for each message finds the processor's caches cold each time; work of two milliseconds done at once
costs less (docs/adr/0023-rounds-of-work.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# As long as a message may wait for its round: a tenth of a frame.
ROUND_S: Final = 0.002
# Fewer calls leave the processor time enough.
MIN_CALLS: Final = 20


class Rounds:
    """The rests of one loop, which is given by its `call_soon`."""

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], object],
        count_calls: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._call_soon = call_soon
        self._count_calls = count_calls
        self._clock = clock
        self._rest = rest
        self._is_running = False
        self._next_s = 0.0

    def look(self) -> None:
        """Begin with rounds if there are calls enough; they end by themselves."""
        if not self._is_running and self._count_calls() >= MIN_CALLS:
            self._is_running = True
            self._next_s = self._clock()
            self._call_soon(self._round)

    def _round(self) -> None:
        """All that had come is done: wait for the next round's beginning, which may have passed."""
        if self._count_calls() < MIN_CALLS:
            self._is_running = False
            return
        left_s = self._next_s - self._clock()
        if left_s > 0:
            # Other threads work meanwhile. Never longer than a round, whatever the clock does.
            self._rest(min(left_s, ROUND_S))
            self._next_s += ROUND_S
        else:
            self._next_s = self._clock() + ROUND_S
        self._call_soon(self._round)
