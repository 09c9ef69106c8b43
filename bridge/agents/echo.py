"""An agent that says what it hears, a moment later: for testing lines, and a floor to measure other agents against."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from bridge.agents.base import AgentEvent, Audio, AudioDone, BargeIn, Brief
from telephony.protocols.events import PCM16_SAMPLE_BYTES

RATE_HZ: Final = 8_000
DEFAULT_DELAY_MS: Final = 400
# Utterances end now and then, so that the playout forgets them and an interruption costs little.
UTTERANCE_MS: Final = 5_000
# What nobody fetches is dropped, oldest first.
MAX_WAITING_MS: Final = 10_000
_MAX_WAITING_BYTES: Final = MAX_WAITING_MS * RATE_HZ // 1000 * PCM16_SAMPLE_BYTES


class EchoAgent:
    """Echoes the customer after `delay_ms` of its configuration (0 to 5000)."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        delay_ms = config.get("delay_ms", DEFAULT_DELAY_MS)
        if isinstance(delay_ms, bool) or not isinstance(delay_ms, int) or not 0 <= delay_ms <= 5_000:
            raise ValueError("delay_ms: must be a whole number from 0 to 5000")
        self._delay_ms = delay_ms

    @asynccontextmanager
    async def connect(self, brief: Brief) -> AsyncIterator[EchoSession]:
        """Open a conversation; the brief does not matter."""
        del brief
        yield EchoSession(self._delay_ms)


class EchoSession:
    """One echoing conversation (see `AgentSession`). It never ends by itself and knows no words."""

    input_rate_hz = RATE_HZ
    output_rate_hz = RATE_HZ
    piece_ms = 0
    speaks_first = False
    barge_in = BargeIn.OFF

    def __init__(self, delay_ms: int) -> None:
        self._delay_bytes = delay_ms * RATE_HZ // 1000 * PCM16_SAMPLE_BYTES
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._has_audio = asyncio.Event()
        self._number = 1
        self._said_bytes = 0

    async def send_audio(self, pcm: bytes) -> None:
        """See `AgentSession`."""
        self._waiting.append(pcm)
        self._waiting_bytes += len(pcm)
        while self._waiting_bytes > _MAX_WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft())
        self._has_audio.set()

    async def send_dtmf(self, digit: str) -> None:
        """Keys have no echo."""

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        """See `AgentSession`: go on as a new utterance."""
        del heard_ms
        if item_id == self._item_id:
            self._next_utterance()

    async def played(self, item_id: str) -> None:
        """Nothing follows from it."""

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        """See `AgentSession`: this agent goes on without waiting for any."""
        del tool_call_id, result

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while True:
            while not self._waiting or self._waiting_bytes <= self._delay_bytes:
                self._has_audio.clear()
                await self._has_audio.wait()
            pcm = self._waiting.popleft()
            self._waiting_bytes -= len(pcm)
            self._said_bytes += len(pcm)
            yield Audio(self._item_id, pcm)
            if self._said_bytes >= UTTERANCE_MS * RATE_HZ // 1000 * PCM16_SAMPLE_BYTES:
                yield AudioDone(self._item_id)
                self._next_utterance()

    @property
    def _item_id(self) -> str:
        return f"echo-{self._number}"

    def _next_utterance(self) -> None:
        self._number += 1
        self._said_bytes = 0
