"""A call that goes on while something happens to others: whoever listens must not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from tests.bridge.lines.callee import Callee
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.vendors import PsrVendor
from tests.bridge.serving import Bridge
from tests.factories import make_agent
from tests.fake_realtime import KEY, FakeRealtime, FakeSession

# From here on a pause is heard as one.
MAX_GAP_MS = 100
# Source: protocols F.9: a vendor's jitter buffer has 60 to 120 ms. The wide one, as the test's own work shares the loop.
BUFFER_MS = 120


async def speaks_on(session: FakeSession) -> None:
    """A model with a lot to say: one tone for minutes."""
    await session.asked()
    await session.say("speech", "So it goes on.", 180_000)


def let_bystander_in() -> str:
    """A token for a call with an agent that speaks on."""
    return let_in("psr", make_agent("Talker", kind="openai_realtime", config={"instructions": "Talk."}))


async def _listens(callee: Callee) -> None:
    await asyncio.Event().wait()


def longest_gap_ms(callee: Callee) -> float:
    """The longest silence within what was heard so far."""
    sounds = callee.ear.sounds(callee.now_ms)
    return max((after[0] - before[1] for before, after in pairwise(sounds)), default=0.0)


@asynccontextmanager
async def bystander(bridge: Bridge, token: str, realtime: FakeRealtime, settings: Any) -> AsyncIterator[Callee]:
    """Somebody who hears an agent speak without a pause; it goes on until this is left."""
    settings.OPENAI_REALTIME_URL, settings.OPENAI_API_KEY = realtime.url, KEY
    vendor = PsrVendor("bystander")
    async with bridge.connect(vendor.path(token)) as line, asyncio.TaskGroup() as group:
        callee = Callee(vendor, line, delay_ms=BUFFER_MS)
        listening = group.create_task(callee.speak_and_hear(_listens))
        await callee.hear(500)
        yield callee
        listening.cancel()
