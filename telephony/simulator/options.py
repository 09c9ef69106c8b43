"""Everything about a simulator that can be chosen, and its clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from telephony.simulator.ledger import Moment
from telephony.simulator.playout import PlayoutSettings

# Chunk lengths in the field are documented nowhere; these are tried (protocols A.3).
CHUNK_LENGTHS_MS = (20, 32, 40, 60, 100, 200)


@dataclass(frozen=True, slots=True)
class Options:
    """`token` None takes any credential that has the right form. `chunk_ms` None varies the length by destination.

    `max_calls` is how many calls may be open at once; a request above it gets HTTP 429.
    """

    host: str = "127.0.0.1"
    port: int = 9100
    token: str | None = None
    tenant: str = "simulator"
    seed: int = 1
    ring_min_s: float = 0.5
    ring_max_s: float = 2.0
    no_answer_s: float = 20.0
    slow_reply_s: float = 20.0
    late_connect_s: float = 8.0
    throttle_s: int = 2
    max_call_s: float = 1800.0
    chunk_ms: int | None = 20
    max_calls: int = 200
    playout: PlayoutSettings = field(default_factory=PlayoutSettings)
    ledger: Path | None = None

    def random_for(self, destination: str) -> Random:
        """The dice of one destination: the same for the same seed."""
        return Random(f"{self.seed}:{destination}")


class Clock:
    """Real time, or real time multiplied, for tests that cannot wait."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now_s(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic() * self._speed

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        await asyncio.sleep(duration_s / self._speed)

    async def sleep_until(self, at_s: float) -> None:
        """Wait for `now_s()` to reach `at_s`; gives way to others once even where that is past."""
        await asyncio.sleep(max(0.0, at_s - self.now_s()) / self._speed)

    def moment(self) -> Moment:
        """Now, on the wall and on the machine's monotonic clock; never multiplied."""
        return Moment(time.time_ns() // 1_000_000, time.monotonic())
