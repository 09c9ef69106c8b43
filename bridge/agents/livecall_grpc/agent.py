"""The I/O shell around one stream of an AI service: connects, writes what waits, reads what comes, parts politely."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from bridge.agents.base import AgentEvent, AgentUnavailable, Audio, Brief, EndCall, Failed, StopSpeaking, Transfer
from bridge.agents.livecall_grpc import wire
from bridge.agents.livecall_grpc.channel import RETRYABLE_CODES, STREAM_CALL, connected
from bridge.agents.livecall_grpc.config import LiveCallConfig, LiveCallServer, read_config
from bridge.agents.livecall_grpc.outbox import Outbox
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.reading import BadToolCall, Reader
from bridge.agents.livecall_grpc.utterances import peer_name_of
from telephony.protocols.events import PCM16_SAMPLE_BYTES

logger = logging.getLogger(__name__)

# Messages read and not yet acted on; beyond this the service waits.
MAX_UNREAD: Final = 16
# The service may say its last words after `disconnect`; nobody waits longer for it.
PARTING_S: Final = 0.5
# Vendors send 10 to 20 ms at a time, and each message costs gRPC a tenth of a ms: 60 calls would take half a core.
MIN_CHUNK_MS: Final = 40
# Utterances whose length is remembered until they were heard.
MAX_OPEN_ITEMS: Final = 64
_ENDS: Final[Mapping[type, str]] = {EndCall: "agent_hangup", Transfer: "transfer", Failed: "error"}
_ASKED_FOR: Final = (_ENDS[EndCall], _ENDS[Transfer])

Stream: TypeAlias = grpc.aio.StreamStreamCall[pb.ClientRequest, pb.ServerResponse]


class _Pause:
    """In the stream of messages: none came for as long as it takes to end an utterance."""


class LiveCallAgent:
    """Speaks through an AI service. Raises ValueError where the configuration cannot be used."""

    def __init__(self, config: Mapping[str, Any], server: LiveCallServer) -> None:
        self._config = read_config(config, server)

    @asynccontextmanager
    async def connect(self, brief: Brief) -> AsyncIterator[LiveCallSession]:
        """Open a conversation.

        Raises:
            AgentUnavailable: the service cannot be reached in time, or takes no calls.
        """
        failure: AgentUnavailable | None = None
        async with connected(self._config.server) as channel:
            session = LiveCallSession(channel, brief, self._config)
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(session.receive())
                try:
                    yield session
                except AgentUnavailable as error:
                    # Out of a group it would come wrapped.
                    failure = error
                finally:
                    await session.leave(reading)
        if failure is not None:
            raise failure


class LiveCallSession:
    """One conversation (see `AgentSession`)."""

    piece_ms = MIN_CHUNK_MS

    def __init__(self, channel: grpc.aio.Channel, brief: Brief, config: LiveCallConfig) -> None:
        self.input_rate_hz = config.input_rate_hz
        self.output_rate_hz = config.output_rate_hz
        self.speaks_first = config.speaks_first
        self.barge_in = config.barge_in
        self._config = config
        self._reader = Reader(brief.call_id, config)
        self._outbox = Outbox()
        self._outbox.put(wire.initial_info(brief, config))
        self._loop = asyncio.get_running_loop()
        self._unread: asyncio.Queue[pb.ServerResponse | _Pause | AgentEvent | None] = asyncio.Queue(MAX_UNREAD)
        self._pause_timer: asyncio.TimerHandle | None = None
        self._collected = bytearray()
        self._received_bytes: dict[str, int] = {}
        self._parting_reason = "caller_hangup"
        self._is_leaving = False
        open_stream = channel.stream_stream(
            STREAM_CALL, pb.ClientRequest.SerializeToString, pb.ServerResponse.FromString
        )
        self._stream: Stream = open_stream(aiter(self._outbox))
        # Not by its `read`: that forgets what has arrived as soon as writing to a service that has left fails
        # (Source: grpc/grpc#36066).
        self._messages: AsyncIterator[Any] = aiter(self._stream)

    async def send_audio(self, pcm: bytes) -> None:
        """See `AgentSession`; never waits: beyond two seconds the oldest audio is dropped."""
        self._collected += pcm
        length_ms = len(self._collected) * 1000 / (PCM16_SAMPLE_BYTES * self.input_rate_hz)
        if length_ms >= MIN_CHUNK_MS:
            request = wire.play_audio(bytes(self._collected), self.input_rate_hz, self._config.audio_encoding)
            self._collected.clear()
            self._outbox.put_audio(request, length_ms)

    async def send_dtmf(self, digit: str) -> None:
        """See `AgentSession`; a peer of version 0 has no keys."""
        self._tell(wire.dtmf(digit))

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        """See `AgentSession`."""
        self._reader.voice.interrupted(item_id, self._now_ms())
        self._received_bytes.pop(item_id, None)
        self._tell(wire.interrupted(peer_name_of(item_id), heard_ms))

    async def played(self, item_id: str) -> None:
        """See `AgentSession`."""
        received_bytes = self._received_bytes.pop(item_id, 0)
        heard_ms = received_bytes * 1000 // (PCM16_SAMPLE_BYTES * self.output_rate_hz)
        self._tell(wire.heard_whole(peer_name_of(item_id), heard_ms))

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        """See `AgentSession`."""
        if not result.get("ok", True):
            # An end or a transfer that was refused is none.
            self._parting_reason = "caller_hangup"
        if tool_call_id:
            self._tell(wire.tool_result(tool_call_id, result))

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while (message := await self._unread.get()) is not None:
            for event in self._events_of(message):
                self._parting_reason = _ENDS.get(type(event), self._parting_reason)
                yield event
            self._watch_for_pause()

    async def receive(self) -> None:
        """Read the stream until it ends; what cannot be taken yet makes the service wait."""
        is_open = True
        while is_open and (message := await self._read()) is not None:
            is_open = not isinstance(message, Failed)
            if not self._is_leaving:
                await self._unread.put(message)
        if not self._is_leaving:
            await self._unread.put(None)

    async def leave(self, reading: asyncio.Task[None]) -> None:
        """Say goodbye, half-close, and give the service a moment to close its side."""
        self._is_leaving = True
        if self._pause_timer is not None:
            self._pause_timer.cancel()
        while not self._unread.empty():
            self._unread.get_nowait()
        self._outbox.close(wire.disconnect(self._parting_reason))
        await asyncio.wait({reading}, timeout=PARTING_S)
        self._stream.cancel()
        reading.cancel()
        self._log_end()

    async def _read(self) -> pb.ServerResponse | Failed | None:
        """The next message, None at the end of the stream, Failed where it broke."""
        try:
            async for message in self._messages:
                if isinstance(message, pb.ServerResponse):
                    return message
                # gRPC hands on None for bytes that are no message of ours.
                self._reader.counts["unreadable_message"] += 1
        except grpc.aio.AioRpcError as error:
            code = error.code()
            return Failed(f"the AI service's stream ended with {code.name}", retryable=code in RETRYABLE_CODES)
        return None

    def _events_of(self, message: pb.ServerResponse | _Pause | AgentEvent) -> list[AgentEvent]:
        if isinstance(message, _Pause):
            return [*self._reader.voice.end()]
        if not isinstance(message, pb.ServerResponse):
            # Where it has asked for the end, it does not matter how it leaves.
            return [] if self._parting_reason in _ASKED_FOR else [message]
        events: list[AgentEvent] = []
        for reading in self._reader.read(message, self._now_ms()):
            if isinstance(reading, BadToolCall):
                self._refuse(reading)
            else:
                events.append(reading)
                self._note(reading)
        return events

    def _note(self, event: AgentEvent) -> None:
        if isinstance(event, Audio):
            if event.item_id not in self._received_bytes and len(self._received_bytes) >= MAX_OPEN_ITEMS:
                del self._received_bytes[next(iter(self._received_bytes))]
            self._received_bytes[event.item_id] = self._received_bytes.get(event.item_id, 0) + len(event.pcm)
        elif isinstance(event, StopSpeaking):
            self._received_bytes.clear()

    def _refuse(self, call: BadToolCall) -> None:
        logger.info("a request of the AI service was refused: %s", call.error)
        if call.tool_call_id:
            self._tell(wire.tool_result(call.tool_call_id, {"ok": False, "error": call.error}))

    def _tell(self, request: pb.ClientRequest) -> None:
        """Say something that only peers with the extensions understand."""
        if self._config.has_extensions:
            self._outbox.put(request)

    def _watch_for_pause(self) -> None:
        """Keep one timer running while an utterance is open: its end may be nothing but silence."""
        ends_at_ms = self._reader.voice.pause_ends_at_ms()
        if self._pause_timer is None and ends_at_ms is not None:
            self._pause_timer = self._loop.call_at(ends_at_ms / 1000, self._has_paused)

    def _has_paused(self) -> None:
        self._pause_timer = None
        ends_at_ms = self._reader.voice.pause_ends_at_ms()
        if ends_at_ms is None or self._now_ms() < ends_at_ms:
            self._watch_for_pause()
        elif self._unread.empty():
            self._unread.put_nowait(_Pause())

    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    def _log_end(self) -> None:
        """One line for what was odd, by the codes of the reference page; nothing of what was said."""
        found: dict[str, int] = {
            **self._reader.counts,
            "skipped_ms": round(self._reader.voice.skipped_ms),
            "dropped_ms": round(self._outbox.dropped_ms),
            "dropped_notices": self._outbox.dropped_notices,
        }
        oddities = {name: count for name, count in found.items() if count}
        if oddities:
            logger.warning("the AI service was odd: %s", oddities)
