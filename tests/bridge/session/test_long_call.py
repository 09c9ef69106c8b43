"""An hour on the line, in virtual time: whatever a call remembers of itself is bounded."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from bridge.agents.base import Audio, AudioDone, BargeIn, Speaker, StopSpeaking, ToolCall, Transcript
from bridge.session import EndedBy, Limits, Turn, bridge_call
from tests.bridge.session.fakes import MemorySink, ScriptedAgent, ScriptedLeg, WordCodec
from tests.bridge.session.test_requests import BRIEF
from tests.bridge.virtual_time import run

FRAME_MS = 500
ROUND_S = 5
# What a call of any length may hold more than one of some minutes: rounding of the allocator, no growth.
ALLOWED_BYTES = 20_000


class ForgetfulSink(MemorySink):
    """Counts turns instead of keeping them."""

    turns_told = 0

    def turn(self, turn: Turn) -> None:
        self.turns_told += 1

    def learned(self, findings) -> None:
        pass

    async def perform(self, action):
        return self.result


class ForgetfulLeg(ScriptedLeg):
    """Acknowledges what was played, and keeps nothing of it."""

    def send_now(self, message: str | bytes) -> bool:
        return False

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith("said "):
            self.say(f"heard {message.removeprefix('said ')} 1000")


async def talkative(self: ScriptedAgent):
    """Everything an agent can do, again and again."""
    number = 0
    while True:
        number += 1
        yield Transcript(Speaker.CUSTOMER, f"u{number}", "and then?", start_ms=0, end_ms=400)
        for tool in ("set_disposition", "add_to_dnc", "fly_away", "jump"):
            yield ToolCall(f"{tool}-{number}", tool, {"disposition": f"round {number}"})
        for item_id in (f"a{number}", f"b{number}"):
            yield Transcript(Speaker.AGENT, item_id, "so this is what happened")
            yield Audio(item_id, bytes(16_000))
            yield AudioDone(item_id)
        await asyncio.sleep(1.5)
        yield StopSpeaking()
        self.heard.clear()
        self.log.clear()
        await asyncio.sleep(ROUND_S - 1.5)


async def growth_bytes(minutes: int) -> int:
    """How much more a call holds at its end than after its first six minutes."""
    sizes: list[int] = []

    def measure() -> None:
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        # Three seconds into a round: its audio is gone by then.
        await leg.stream(bytes(16_000 * 363), FRAME_MS)
        measure()
        for _ in range(minutes - 6):
            leg.say("key 1")
            await leg.stream(bytes(16_000 * 60), FRAME_MS)
        measure()
        leg.say("bye")

    loop = asyncio.get_running_loop()
    leg, agent, sink = ForgetfulLeg(vendor), ScriptedAgent(talkative, barge_in=BargeIn.OFF), ForgetfulSink()
    codec = WordCodec(tells_all=True, has_flush=True, has_playback_ack=True)
    limits = Limits(max_call_s=60 * minutes + 60)
    async with asyncio.TaskGroup() as group:
        group.create_task(leg.play())
        summary = await bridge_call(leg, codec, agent, BRIEF, limits, loop.time, sink)
    assert summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert sink.turns_told > minutes * 60 / ROUND_S * 2.5
    return sizes[1] - sizes[0]


@pytest.mark.parametrize("minutes", [10, pytest.param(60, marks=pytest.mark.soak)])
def test_call_holds_no_more_the_longer_it_lasts(minutes):
    tracemalloc.start()
    try:
        assert run(growth_bytes(minutes)) < ALLOWED_BYTES
    finally:
        tracemalloc.stop()
