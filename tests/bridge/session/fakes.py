"""Scripted peers of a call: a vendor's socket, a codec of plain words, an agent and a sink. They remember."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from bridge.agents.base import AgentEvent, AgentUnavailable, BargeIn, Brief
from bridge.session import (
    Action,
    ActionResult,
    CallSummary,
    Findings,
    Hear,
    Limits,
    Stop,
    Turn,
    bridge_call,
    listen_by,
)
from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    AudioReceived,
    Capabilities,
    Closed,
    DtmfReceived,
    EndUtterance,
    Flush,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlaybackAcknowledged,
    ReportError,
    Transfer,
    VendorCodec,
    VendorCommand,
    VendorEvent,
)

FRAME_MS = 20
SILENCE = bytes(320)
# The time of day at which every call begins.
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def vowel(duration_ms: int) -> bytes:
    """Eight kHz PCM16 that a voice detector takes for speech."""
    t = np.arange(8 * duration_ms) / 8_000
    wave = sum(
        (np.exp(-(((140 * k - 600) / 400) ** 2)) + 0.6 * np.exp(-(((140 * k - 1_400) / 400) ** 2)))
        * np.sin(2 * np.pi * 140 * k * t)
        for k in range(1, 24)
    )
    return np.asarray(3_000 * wave).astype("<i2").tobytes()


class InlineExecutor(Executor):
    """Does the work at once, so that virtual time has nothing to wait for."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class WordCodec:
    """`open`, `key 5`, `bye`, `odd`, `wide` (20 ms at 16 kHz), `heard a 500`, `dropped a 500`, `end 4415`.

    Bytes are audio. With `tells_all` it also says the ends of utterances and what went wrong.
    """

    def __init__(self, *, tells_all: bool = False, **capabilities: bool) -> None:
        self.capabilities = Capabilities(
            in_rate_hz=8_000,
            out_rate_hz=8_000,
            chunk_ms=100,
            lead_ms=300,
            link_ms=80,
            **{
                "has_flush": False,
                "has_playback_ack": False,
                "has_dtmf": True,
                "has_transfer": True,
                "has_hangup": True,
                **capabilities,
            },
        )
        self._tells_all = tells_all

    def receive(self, message: str | bytes) -> list[VendorEvent]:
        if isinstance(message, bytes):
            return [AudioReceived(message, 8_000)]
        match message.split():
            case ["open"]:
                return [Opened("vendor-1")]
            case ["key", digit]:
                return [DtmfReceived(digit)]
            case ["bye"]:
                return [Closed("done")]
            case ["odd"]:
                return [Ignored("odd")]
            case ["wide"]:
                return [AudioReceived(bytes(640), 16_000)]
            case ["heard" | "dropped" as what, item_id, heard_ms]:
                return [PlaybackAcknowledged(item_id, int(heard_ms), was_played=what == "heard")]
            case ["end", code]:
                raise RemoteProtocolError("bad_end", "the peer cannot go on", close_code=int(code))
            case _:
                raise RemoteProtocolError("bad_word", "not a word of ours")

    def send(self, command: VendorCommand) -> list[str | bytes]:
        match command:
            case PlayAudio(pcm=pcm):
                return [pcm]
            case Flush():
                return ["flush"]
            case Hangup() if self.capabilities.has_hangup:
                return ["hangup"]
            case Transfer(targets=targets) if self.capabilities.has_transfer:
                numbers = [target.number for target in targets]
                if not numbers[0].isdigit():
                    raise LocalProtocolError("no number of ours")
                return [f"transfer {' '.join(numbers if self.capabilities.takes_target_list else numbers[:1])}"]
            case EndUtterance(item_id=item_id):
                return [f"said {item_id}"] if self._tells_all else []
            case ReportError(detail=detail, is_ours=is_ours):
                return [f"{'our' if is_ours else 'your'} error: {detail}"] if self._tells_all else []
            case _:
                raise LocalProtocolError("this vendor has no such word")


class ScriptedLeg:
    """A vendor's socket. The script is a coroutine function that says things and waits, on the loop's own clock.

    With `takes_s` it takes every second message only after so long.
    """

    def __init__(
        self, script: Callable[[ScriptedLeg], Awaitable[None]], *, stalls: bool = False, takes_s: float = 0.0
    ) -> None:
        self.sent: list[tuple[float, str | bytes]] = []
        self.closed_with: int | None = None
        self.close_code: int | None = None
        self._script = script
        self._stalls = stalls
        self._takes_s = takes_s
        self._is_busy = False
        self._incoming: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._answers: dict[str, Callable[[], None]] = {}

    def answer(self, word: str, reply: str | None) -> None:
        """Say `reply` (None: drop the socket) as soon as the bridge says `word`."""
        self._answers[word] = lambda: self.say(reply) if reply is not None else self.drop(1000)

    def say(self, message: str | bytes) -> None:
        self._incoming.put_nowait(message)

    def drop(self, code: int) -> None:
        self.close_code = code
        self._incoming.put_nowait(None)

    async def stream(self, pcm: bytes, frame_ms: int = FRAME_MS) -> None:
        """Send audio in real time."""
        step = frame_ms * 16
        for at in range(0, len(pcm), step):
            await asyncio.sleep(frame_ms / 1000)
            self.say(pcm[at : at + step])

    async def silence(self, duration_s: float) -> None:
        await self.stream(bytes(int(duration_s * 16_000)))

    async def play(self) -> None:
        await self._script(self)

    async def receive(self) -> str | bytes | None:
        return await self._incoming.get()

    async def listen(self, hear: Hear) -> None:
        await listen_by(self.receive, hear)

    def send_now(self, message: str | bytes) -> bool:
        self._is_busy = bool(self._takes_s) and not self._is_busy
        if self._stalls or self._is_busy:
            return False
        self._take(message)
        return True

    async def send(self, message: str | bytes) -> None:
        if self._stalls:
            await asyncio.Event().wait()
        await asyncio.sleep(self._takes_s)
        self._take(message)

    def _take(self, message: str | bytes) -> None:
        self.sent.append((asyncio.get_running_loop().time(), message))
        if isinstance(message, str) and message in self._answers:
            self._answers[message]()

    async def close(self, code: int) -> None:
        self.closed_with = code

    @property
    def words(self) -> list[str]:
        return [message for _, message in self.sent if isinstance(message, str)]

    def said_at(self, word: str) -> float:
        return next(at for at, message in self.sent if message == word)

    @property
    def audio_ms(self) -> float:
        return sum(len(message) for _, message in self.sent if isinstance(message, bytes)) / 16


class ScriptedAgent:
    """An agent whose script yields events; waits between them are its own.

    Every connection plays the script from its start; `connections` tells a script which one it is.
    """

    input_rate_hz = 8_000
    output_rate_hz = 8_000

    def __init__(
        self,
        script: Callable[[ScriptedAgent], AsyncIterator[AgentEvent]],
        *,
        speaks_first: bool = False,
        barge_in: BargeIn = BargeIn.BRIDGE,
        connect_s: float = 0.0,
        refuses: bool = False,
        refusals: int = 0,
        takes_s: float = 0.0,
        piece_ms: int = 0,
        deaf_after_ms: float | None = None,
    ) -> None:
        self.speaks_first = speaks_first
        self.barge_in = barge_in
        self.piece_ms = piece_ms
        self.heard = bytearray()
        self.log: list[tuple] = []
        self.is_closed = False
        self.briefs: list[Brief] = []
        self.connections = 0
        self.news = asyncio.Event()
        self._script = script
        self._connect_s = connect_s
        self._refusals = 1_000 if refuses else refusals
        self._takes_s = takes_s
        self._deaf_after_ms = deaf_after_ms

    @asynccontextmanager
    async def connect(self, brief: Brief):
        self.briefs.append(brief)
        await asyncio.sleep(self._connect_s)
        if len(self.briefs) <= self._refusals:
            raise AgentUnavailable("no agent at home", retryable=True)
        self.connections += 1
        try:
            yield self
        finally:
            self.is_closed = True

    async def send_audio(self, pcm: bytes) -> None:
        await asyncio.sleep(self._takes_s)
        self.heard += pcm
        if self._deaf_after_ms is not None and len(self.heard) / 16 > self._deaf_after_ms:
            self._deaf_after_ms = None
            raise AgentUnavailable("it no longer listens", retryable=True)

    async def send_dtmf(self, digit: str) -> None:
        self._note("key", digit)

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        self._note("interrupt", item_id, heard_ms)

    async def played(self, item_id: str) -> None:
        self._note("played", item_id)

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        self._note("tool_result", tool_call_id, dict(result))

    def __aiter__(self) -> AsyncIterator[AgentEvent]:
        return self._script(self)

    async def wait_for(self, kind: str) -> None:
        while not any(entry[0] == kind for entry in self.log):
            self.news.clear()
            await self.news.wait()

    def _note(self, *entry: object) -> None:
        self.log.append(entry)
        self.news.set()


@dataclass
class MemorySink:
    """Remembers turns, findings and actions as told, and the end. `result` answers actions; `acts_s` delays that."""

    told: list[Turn] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    ends: list[CallSummary] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    result: ActionResult = field(default_factory=lambda: ActionResult(ok=True))
    acts_s: float = 0.0

    def turn(self, turn: Turn) -> None:
        self.told.append(turn)

    def learned(self, findings: Findings) -> None:
        self.findings.append(findings)

    async def perform(self, action: Action) -> ActionResult:
        self.actions.append(action)
        await asyncio.sleep(self.acts_s)
        return self.result

    def ended(self, summary: CallSummary) -> None:
        self.ends.append(summary)

    @property
    def turns(self) -> list[Turn]:
        """The last telling of each turn."""
        return [turn for _, turn in sorted({turn.seq: turn for turn in self.told}.items())]


@dataclass
class Played:
    """A call that was run: what every side saw."""

    summary: CallSummary
    leg: ScriptedLeg
    agent: ScriptedAgent
    sink: MemorySink


async def play_call(
    vendor: Callable[[ScriptedLeg], Awaitable[None]],
    agent_script: Callable[[ScriptedAgent], AsyncIterator[AgentEvent]],
    *,
    codec: VendorCodec | None = None,
    limits: Limits | None = None,
    brief: Brief | None = None,
    stop_at_s: float | None = None,
    cut_at_s: float | None = None,
    leg_stalls: bool = False,
    leg_takes_s: float = 0.0,
    recorder=None,
    sink: MemorySink | None = None,
    **agent_options,
) -> Played:
    """Run one call between a scripted vendor and a scripted agent."""
    leg, agent, sink = (
        ScriptedLeg(vendor, stalls=leg_stalls, takes_s=leg_takes_s),
        ScriptedAgent(agent_script, **agent_options),
        sink or MemorySink(),
    )
    loop = asyncio.get_running_loop()
    stop = Stop()
    if stop_at_s is not None:
        loop.call_later(stop_at_s, stop.politely)
    if cut_at_s is not None:
        loop.call_later(cut_at_s, stop.at_once)
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(leg.play())
        summary = await bridge_call(
            leg,
            codec or WordCodec(),
            agent,
            brief or Brief("call-1"),
            limits or Limits(),
            loop.time,
            sink,
            recorder=recorder,
            stop=stop,
            wall_clock=lambda: NOW + timedelta(seconds=loop.time()),
        )
        playing.cancel()
    return Played(summary, leg, agent, sink)
