"""What the callee truly hears of an interrupted agent, and for how long, over simulated links on virtual time.

The customer's voice begins at the callee; everything before and behind it is the line: the packet (10 or 20 ms), the
link there, the onset by which the bridge tells a voice from a click, the link back, the vendor's jitter buffer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache

import pytest

from bridge.agents.base import AgentEvent, Audio, AudioDone, Brief, Speaker, Transcript
from bridge.session import CallSummary, Hear, Limits, Turn, bridge_call, listen_by
from telephony.protocols.events import Handshake, VendorCodec, WireMessage
from telephony.protocols.livecall import LiveCallServerCodec
from telephony.protocols.psr import PsrServerCodec
from telephony.protocols.twilio import TwilioServerCodec
from telephony.protocols.ucid import UcidServerCodec
from tests.bridge.lines.ear import Ear
from tests.bridge.lines.vendors import (
    Drop,
    LiveCallVendor,
    Play,
    PsrVendor,
    Return,
    TwilioVendor,
    UcidVendor,
    Vendor,
)
from tests.bridge.session.fakes import MemorySink, ScriptedAgent, vowel
from tests.bridge.virtual_time import run

LINKS_MS = (20, 50, 80)
# Source: protocols F.9: what a vendor's jitter buffer adds, at least.
JITTER_MS = 60
MAX_ERROR_MS = 150
# Each utterance is one level, so that the ear knows which it hears.
LEVELS = {"a": 1_000, "b": 2_000, "c": 4_000}
UTTERANCE_S = 1.5
WORDS = "x " * 750


@dataclass(frozen=True)
class Line:
    """A vendor and the codec that faces it."""

    vendor: type[Vendor]
    codec: Callable[[], VendorCodec]
    has_flush: bool


LINES = {
    "psr": Line(PsrVendor, PsrServerCodec, has_flush=False),
    "psr, 200 ms chunks": Line(PsrVendor, lambda: PsrServerCodec(chunk_ms=200), has_flush=False),
    "ucid": Line(UcidVendor, UcidServerCodec, has_flush=True),
    "livecall": Line(LiveCallVendor, lambda: LiveCallServerCodec(Handshake()), has_flush=False),
    "newer livecall": Line(
        LiveCallVendor, lambda: LiveCallServerCodec(Handshake(), has_kill_audio=True), has_flush=True
    ),
    "twilio": Line(TwilioVendor, TwilioServerCodec, has_flush=True),
}


class FarSide:
    """The other end of the leg: a vendor's player behind a link that takes `link_ms` each way."""

    close_code: int | None = None

    def __init__(self, vendor: Vendor, link_ms: float) -> None:
        self.vendor = vendor
        self.ear = Ear(JITTER_MS)
        self.flushed_at_ms: list[float] = []
        self._link_s = link_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._down: asyncio.Queue[tuple[float, WireMessage]] = asyncio.Queue()
        self._up: asyncio.Queue[tuple[float, WireMessage | None]] = asyncio.Queue()
        self._marks: deque[tuple[float, WireMessage]] = deque()

    @property
    def now_ms(self) -> float:
        return self._loop.time() * 1000

    async def receive(self) -> WireMessage | None:
        at_s, message = await self._up.get()
        await asyncio.sleep(at_s - self._loop.time())
        if message is None:
            self.close_code = 1000
        return message

    async def listen(self, hear: Hear) -> None:
        await listen_by(self.receive, hear)

    async def send(self, message: WireMessage) -> None:
        self.send_now(message)

    def send_now(self, message: WireMessage) -> bool:
        self._down.put_nowait((self._loop.time() + self._link_s, message))
        if isinstance(self.vendor.understands(message), Drop):
            self.flushed_at_ms.append(self.now_ms)
        return True

    async def close(self, code: int) -> None:
        self.close_code = code

    def say(self, message: WireMessage | None) -> None:
        self._up.put_nowait((self._loop.time() + self._link_s, message))

    async def speak(self, pcm: bytes) -> None:
        step = self.vendor.frame_ms * 16
        for at in range(0, len(pcm), step):
            await asyncio.sleep(self.vendor.frame_ms / 1000)
            self.say(self.vendor.says(pcm[at : at + step].ljust(step, b"\x00")))

    async def play(self) -> None:
        """Do what comes."""
        while True:
            at_s, message = await self._down.get()
            await asyncio.sleep(at_s - self._loop.time())
            match self.vendor.understands(message):
                case Play(pcm=pcm):
                    self.ear.arrives(self.now_ms, pcm)
                case Drop():
                    self.ear.drop(self.now_ms)
                    self._marks = deque((0.0, mark) for _, mark in self._marks)
                case Return(message=mark):
                    self._marks.append((self.ear.ends_ms, mark))

    async def return_marks(self) -> None:
        while True:
            while self._marks and self._marks[0][0] <= self.now_ms:
                self.say(self._marks.popleft()[1])
            await asyncio.sleep(0.005)


@dataclass
class Interrupted:
    """A call in which the customer spoke over the agent. `onset_ms` is when, at the callee."""

    far: FarSide
    agent: ScriptedAgent
    sink: MemorySink
    summary: CallSummary
    onset_ms: float

    @property
    def decided_at_ms(self) -> float:
        # What was not begun when it was cut ends where it would have begun.
        return min(turn.end_ms for turn in self.sink.turns if turn.is_interrupted and turn.end_ms is not None)

    def told_ms(self, item_id: str) -> int:
        """What the agent was told was heard of an utterance; all of it where it was not interrupted."""
        told = [entry[2] for entry in self.agent.log if entry[:2] == ("interrupt", item_id)]
        return told[0] if told else round(UTTERANCE_S * 1000)

    def written_ms(self, turn: Turn) -> float:
        """What the transcript says was heard, by its words of 2 ms each."""
        return len(turn.heard_text) * UTTERANCE_S * 1000 / len(WORDS)

    def heard_ms(self, item_id: str) -> float:
        return self.far.ear.heard_ms_at_level(LEVELS[item_id], 60_000)


async def speaks(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
    """Three utterances, as fast as they are taken."""
    for item_id, level in LEVELS.items():
        yield Transcript(Speaker.AGENT, item_id, WORDS)
        yield Audio(item_id, level.to_bytes(2, "little") * int(8_000 * UTTERANCE_S))
        yield AudioDone(item_id)
    await asyncio.Event().wait()


async def interrupted_call(line: Line, link_ms: float, quiet_ms: int) -> Interrupted:
    far = FarSide(line.vendor("call-1"), link_ms)
    agent, sink, loop = ScriptedAgent(speaks), MemorySink(), asyncio.get_running_loop()

    async def customer() -> float:
        for message in far.vendor.opening():
            far.say(message)
        await far.speak(bytes(16 * quiet_ms))
        onset_ms = far.now_ms
        await far.speak(vowel(500))
        await far.speak(bytes(16 * 1_500))
        for message in far.vendor.closing():
            far.say(message)
        return onset_ms

    async with asyncio.TaskGroup() as group:
        playing = [group.create_task(work) for work in (far.play(), far.return_marks())]
        speaking = group.create_task(customer())
        summary = await bridge_call(far, line.codec(), agent, Brief("call-1"), Limits(), loop.time, sink)
        for task in playing:
            task.cancel()
    return Interrupted(far, agent, sink, summary, speaking.result())


@cache
def played(name: str, link_ms: float, quiet_ms: int) -> Interrupted:
    """The call, run once for all that is asked about it."""
    return run(interrupted_call(LINES[name], link_ms, quiet_ms))


CASES = [(name, link_ms, quiet_ms) for name in LINES for link_ms in LINKS_MS for quiet_ms in (700, 1_730, 2_150, 3_010)]


@pytest.mark.parametrize(("name", "link_ms", "quiet_ms"), CASES)
def test_what_is_said_to_be_heard_was_heard(name: str, link_ms: int, quiet_ms: int):
    call = played(name, link_ms, quiet_ms)
    assert call.summary.counters.interruptions == 1
    for turn in call.sink.turns:
        heard_ms = call.heard_ms(turn.item_id)
        for said_ms in (call.told_ms(turn.item_id), call.written_ms(turn)):
            assert abs(said_ms - heard_ms) <= MAX_ERROR_MS, (turn.item_id, said_ms, heard_ms)
    # Nothing is said to be heard that nothing was heard of.
    unheard = {item_id for item_id in LEVELS if not call.heard_ms(item_id)}
    assert all(call.told_ms(item_id) <= 0 for item_id in unheard)


# When the bridge can know of a voice, but for the link: a packet, and the onset that tells a voice from a click.
KNOWS_AFTER_MS = 20 + 120


@pytest.mark.parametrize(("name", "link_ms", "quiet_ms"), CASES)
def test_agent_falls_silent_soon_after_the_customer_speaks(name: str, link_ms: int, quiet_ms: int):
    call = played(name, link_ms, quiet_ms)
    silent_at_ms = call.far.ear.sounds(60_000)[-1][1]
    assert call.decided_at_ms - call.onset_ms <= KNOWS_AFTER_MS + link_ms
    if LINES[name].has_flush:
        (flushed_at_ms,) = call.far.flushed_at_ms
        assert flushed_at_ms - call.decided_at_ms <= 1
        assert silent_at_ms - flushed_at_ms <= link_ms + 1
    elif name != "psr, 200 ms chunks":
        # Nothing can be taken back: the lead is played out.
        assert silent_at_ms - call.decided_at_ms <= 200 + JITTER_MS + link_ms + 1 < 400
