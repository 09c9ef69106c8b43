"""What a busy machine keeps from a test that runs in real time."""

from __future__ import annotations

import asyncio
from pathlib import Path

# Linux: nanoseconds on a processor, nanoseconds waiting for one, and time slices.
SCHEDULER = Path("/proc/self/schedstat")
LOOK_EVERY_S = 0.02


def waited_ms() -> float:
    """For how long this process has waited for a processor so far; 0 where the system does not say."""
    return int(SCHEDULER.read_text().split()[1]) / 1e6 if SCHEDULER.exists() else 0.0


class Machine:
    """Notes how long the process had to wait for a processor, by the loop's clock, while `watch` runs."""

    def __init__(self) -> None:
        self._notes: list[tuple[float, float]] = []

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._notes.append((loop.time(), waited_ms()))
            await asyncio.sleep(LOOK_EVERY_S)

    def denied_ms(self, start_s: float, end_s: float) -> float:
        """How much of this time there was no processor for us."""
        before = [waited for at_s, waited in self._notes if at_s <= start_s] or [self._notes[0][1]]
        after = [waited for at_s, waited in self._notes if at_s >= end_s] or [waited_ms()]
        return after[0] - before[-1]
