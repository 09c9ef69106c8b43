"""A call that goes on while something happens to others: whoever listens must not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.bridge.lines.callee import Callee
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.machine import Machine
from tests.bridge.lines.vendors import PsrVendor
from tests.bridge.serving import Bridge
from tests.factories import make_agent
from tests.fake_realtime import KEY, FakeRealtime, FakeSession

# The bridge, its peers and whoever disturbs it share one process here: what disturbs a call beyond that lasts longer.
MAX_GAP_MS = 300
# Source: protocols F.9: a vendor's jitter buffer has 60 to 120 ms.
BUFFER_MS = 120
# How long before a gap its cause may be: what was sent ahead and what the buffer holds.
CAUSE_MS = 400


async def speaks_on(session: FakeSession) -> None:
    """A model with a lot to say: one tone for minutes."""
    await session.asked()
    await session.say("speech", "So it goes on.", 180_000)


def let_bystander_in() -> str:
    """A token for a call with an agent that speaks on."""
    return let_in("psr", make_agent("Talker", kind="openai_realtime", config={"instructions": "Talk."}))


@dataclass
class Bystander:
    """Who listens, and what the machine had for us meanwhile."""

    callee: Callee
    machine: Machine = field(default_factory=Machine)

    async def hear_more(self, more_ms: float) -> None:
        await self.callee.hear(self.heard_ms + more_ms)

    @property
    def heard_ms(self) -> float:
        return self.callee.ear.heard_ms(self.callee.now_ms)

    @property
    def longest_gap_ms(self) -> float:
        """The longest silence within what was heard so far, but for what a busy machine is to blame for."""
        sounds = self.callee.ear.sounds(self.callee.now_ms)
        gaps = ((before[1], after[0]) for before, after in pairwise(sounds))
        return max((end - start - self._denied_ms(start - CAUSE_MS, end) for start, end in gaps), default=0.0)

    def _denied_ms(self, start_ms: float, end_ms: float) -> float:
        return self.machine.denied_ms(self.callee.loop_time_s(start_ms), self.callee.loop_time_s(end_ms))


async def _listens(callee: Callee) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def bystander(bridge: Bridge, token: str, realtime: FakeRealtime, settings: Any) -> AsyncIterator[Bystander]:
    """Somebody who hears an agent speak without a pause; it goes on until this is left."""
    settings.OPENAI_REALTIME_URL, settings.OPENAI_API_KEY = realtime.url, KEY
    vendor = PsrVendor("bystander")
    async with bridge.connect(vendor.path(token)) as line, asyncio.TaskGroup() as group:
        someone = Bystander(Callee(vendor, line, delay_ms=BUFFER_MS))
        tasks = [group.create_task(work) for work in (someone.callee.speak_and_hear(_listens), someone.machine.watch())]
        await someone.callee.hear(500)
        yield someone
        for task in tasks:
            task.cancel()
