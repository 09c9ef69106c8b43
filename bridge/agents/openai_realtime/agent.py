"""The OpenAI Realtime agent: a WebSocket to the model, and a conversation told to it. The shell around pure parts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from bridge.agents.agent_socket import AgentSocket, AgentSocketError, open_agent_socket
from bridge.agents.base import AgentEvent, AgentUnavailable, Audio, AudioTaker, BargeIn, Brief, Expiring, Failed
from bridge.agents.openai_realtime import events, wire
from bridge.agents.openai_realtime.config import (
    AudioFormat,
    RealtimeAccess,
    RealtimeConfig,
    RealtimeConfigError,
    config_of,
    session_of,
)
from bridge.agents.openai_realtime.conversation import HOPELESS, Conversation, Reaction
from bridge.agents.openai_realtime.instructions import instructions_of, opening_of
from bridge.agents.openai_realtime.tools import ToolBox
from telephony import g711
from telephony.errors import RemoteProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES

E = TypeVar("E", events.SessionCreated, events.SessionUpdated)

logger = logging.getLogger(__name__)

OPEN_S: Final = 5.0
# Audio is sent in pieces of this length or longer: each costs a message on both sides.
APPEND_MS: Final = 40
# Source: OpenAI Realtime API: a session ends after 60 minutes. Another must be open before.
SESSION_S: Final = 3_600.0
EXPIRING_BEFORE_S: Final = 300.0
LEAST_SESSION_S: Final = 60.0
MAX_BAD_MESSAGES: Final = 20
MAX_ASIDE: Final = 100

CONFIGURE: Final = "configure"
# Close codes after which another session would be refused as well: unauthorized, forbidden, the retired beta form.
HOPELESS_CLOSE_CODES: Final = frozenset({3000, 3003, 4000})
# HTTP answers to the handshake that can pass: time-out, conflict, too many, and the server's own faults.
PASSING_STATUSES: Final = frozenset({408, 409, 425, 429})

PCM_HZ: Final = 24_000
G711_HZ: Final = 8_000
LAWS: Final[Mapping[AudioFormat, g711.Law]] = {AudioFormat.PCMU: g711.Law.MU, AudioFormat.PCMA: g711.Law.A}


class RealtimeAgent:
    """A model of OpenAI, or of a service that speaks its protocol.

    Raises RealtimeConfigError where the configuration cannot be used, or the installation has no key.
    """

    def __init__(
        self, config: Mapping[str, Any], access: RealtimeAccess, *, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config_of(config)
        self._access = access
        self._wall_clock = wall_clock
        if not access.api_key:
            raise RealtimeConfigError("OPENAI_API_KEY is not set; put it into the environment or .env and restart")

    @asynccontextmanager
    async def connect(self, brief: Brief) -> AsyncIterator[RealtimeSession]:
        """Open a conversation: connect, configure, tell what was said before, and let the agent begin.

        Raises:
            AgentUnavailable: the service cannot be reached, refuses, or stays silent.
        """
        url = self._access.url_of(self._config.model or self._access.model)
        try:
            async with open_agent_socket(url, headers=self._access.headers(), connect_s=OPEN_S) as socket:
                session = RealtimeSession(socket, self._config, brief)
                try:
                    async with asyncio.timeout(OPEN_S):
                        await session.begin(self._wall_clock)
                except TimeoutError:
                    raise AgentUnavailable("the realtime service stayed silent", retryable=True) from None
                try:
                    yield session
                finally:
                    session.log_usage()
        except AgentSocketError as error:
            is_passing = error.status is None or error.status in PASSING_STATUSES or error.status >= 500
            raise AgentUnavailable(f"realtime service: {error}", retryable=is_passing) from None


class RealtimeSession:
    """One conversation with a model (see `AgentSession`)."""

    piece_ms = APPEND_MS
    barge_in = BargeIn.BRIDGE

    def __init__(self, socket: AgentSocket, config: RealtimeConfig, brief: Brief) -> None:
        self._socket = socket
        self._config = config
        self._law = LAWS.get(config.audio_format)
        rate_hz = PCM_HZ if self._law is None else G711_HZ
        self.input_rate_hz = self.output_rate_hz = rate_hz
        self._instructions = instructions_of(config, brief)
        self._opening = opening_of(config, brief, self._instructions)
        self.speaks_first = self._opening is not None
        self._history = brief.history
        self._call_id = brief.call_id
        self._tools = ToolBox(config.tools, config.dispositions, brief.transfer_targets)
        sample_bytes = PCM16_SAMPLE_BYTES if self._law is None else 1
        self._conversation = Conversation(self._tools, rate_hz=rate_hz, sample_bytes=sample_bytes)
        self._append_bytes = rate_hz * APPEND_MS // 1000 * PCM16_SAMPLE_BYTES
        self._pcm_bytes_per_ms = rate_hz * PCM16_SAMPLE_BYTES // 1000
        self._to_send: list[bytes] = []
        self._to_send_bytes = 0
        self._expiring_at_s: float | None = None
        self._expiring_in_s = EXPIRING_BEFORE_S
        self._bad_messages = 0
        self._taker: AudioTaker | None = None
        # What happened beside the stream of the server's events, for whoever iterates.
        self._aside: deque[AgentEvent] = deque(maxlen=MAX_ASIDE)

    async def begin(self, wall_clock: Callable[[], float]) -> None:
        """Configure the session and begin the conversation.

        Raises:
            AgentUnavailable: the server refused the configuration, or speaks something else.
        """
        created = await self._expect(events.SessionCreated)
        left_s = SESSION_S if created.expires_at is None else min(SESSION_S, created.expires_at - wall_clock())
        if left_s < LEAST_SESSION_S:
            # Our clock is wrong, or theirs: changing conversations at once would help nobody.
            left_s = SESSION_S
        self._expiring_in_s = min(EXPIRING_BEFORE_S, left_s / 2)
        self._expiring_at_s = asyncio.get_running_loop().time() + left_s - self._expiring_in_s
        session = session_of(self._config, self._instructions, self._tools.schemas())
        await self._send(wire.update_session(session, CONFIGURE))
        await self._expect(events.SessionUpdated)
        await self._put_aside(self._conversation.open(self._history, self._opening))

    async def send_audio(self, pcm: bytes) -> None:
        """See `AgentSession`; small pieces are sent together."""
        audio = self._collect(pcm)
        if audio:
            await self._send(self._append(audio))
            reaction = self._conversation.fed(len(audio) / self._pcm_bytes_per_ms)
            if reaction is not None:
                await self._put_aside(reaction)

    @property
    def takes_audio_now(self) -> bool:
        """See `PromptSession`: not where something may follow from the audio besides its sending."""
        return self._socket.is_writable and not self._conversation.is_check_due(APPEND_MS)

    def send_audio_now(self, pcm: bytes) -> None:
        """See `PromptSession`."""
        audio = self._collect(pcm)
        if audio:
            self._socket.send_now(self._append(audio))
            self._conversation.count(len(audio) / self._pcm_bytes_per_ms)

    def give_audio_to(self, taker: AudioTaker) -> None:
        """See `PromptSession`."""
        self._taker = taker

    async def send_dtmf(self, digit: str) -> None:
        """See `AgentSession`."""
        await self._put_aside(self._conversation.key(digit))

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        """See `AgentSession`: the model forgets what was not heard."""
        await self._put_aside(self._conversation.interrupt(item_id, heard_ms))

    async def played(self, item_id: str) -> None:
        """See `AgentSession`."""
        self._conversation.played(item_id)

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        """See `AgentSession`."""
        await self._put_aside(self._conversation.tool_result(tool_call_id, result))

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while True:
            while self._aside:
                yield self._aside.popleft()
            try:
                # Only the session's own end is waited for here; the socket watches over its peer.
                message = await self._socket.receive(self._expiring_at_s, self._take_now)
            except TimeoutError:
                yield Expiring(self._expiring_in_s)
                self._expiring_at_s = None
                continue
            if message is None:
                for words in self._conversation.rest():
                    yield words
                yield Failed("the realtime service closed", self._socket.close_code not in HOPELESS_CLOSE_CODES)
                return
            for event in await self._receive(message):
                yield event
                if isinstance(event, Failed):
                    return

    def log_usage(self) -> None:
        """Note what the conversation cost, and what of it was not understood."""
        conversation = self._conversation
        logger.info(
            "realtime session ended",
            extra={
                "call_id": self._call_id,
                "input_tokens": conversation.usage.input_tokens,
                "cached_tokens": conversation.usage.cached_tokens,
                "output_tokens": conversation.usage.output_tokens,
                "bad_messages": self._bad_messages,
                "unknown_types": dict(conversation.unknown_types),
                "ignored_errors": dict(conversation.ignored_errors),
            },
        )

    def _collect(self, pcm: bytes) -> bytes:
        """What is to be sent now that this has come; empty while it is too little."""
        if not self._to_send and len(pcm) >= self._append_bytes:
            return pcm
        self._to_send.append(pcm)
        self._to_send_bytes += len(pcm)
        if self._to_send_bytes < self._append_bytes:
            return b""
        audio = b"".join(self._to_send)
        self._to_send.clear()
        self._to_send_bytes = 0
        return audio

    def _append(self, audio: bytes) -> bytes:
        return wire.append_audio(audio if self._law is None else g711.encode(audio, self._law))

    async def _expect(self, wanted: type[E]) -> E:
        """The next event of this type; others before it do not matter."""
        while True:
            message = await self._socket.receive()
            if message is None:
                is_passing = self._socket.close_code not in HOPELESS_CLOSE_CODES
                raise AgentUnavailable("the realtime service closed at once", retryable=is_passing)
            event = self._read(message)
            if isinstance(event, wanted):
                return event
            if isinstance(event, events.ServerError):
                raise _refusal(event)

    async def _receive(self, message: bytes) -> list[AgentEvent]:
        event = self._read(message)
        if event is None:
            return []
        reaction = self._conversation.receive(event)
        for each in reaction.messages:
            await self._send(each)
        return [_linear(each, self._law) if isinstance(each, Audio) else each for each in reaction.events]

    def _take_now(self, message: bytes) -> bool:
        """Give the audio in a message to whoever plays it; False where it is another message, or must wait its turn."""
        taker = self._taker
        if taker is None or self._aside or not taker.takes_now:
            return False
        try:
            event = wire.read_event(message)
        except RemoteProtocolError:
            return False
        if not isinstance(event, events.AudioDelta):
            return False
        for audio in self._conversation.speech.audio(event):
            taker.take(_linear(audio, self._law))
        return True

    def _read(self, message: bytes) -> events.ServerEvent | None:
        """The event in a message, None where there is none that can be read.

        Raises:
            AgentUnavailable: too many cannot be read.
        """
        try:
            return wire.read_event(message)
        except RemoteProtocolError as error:
            self._bad_messages += 1
            if self._bad_messages > MAX_BAD_MESSAGES:
                raise AgentUnavailable(f"not the realtime protocol ({error.code})", retryable=False) from None
            return None

    async def _put_aside(self, reaction: Reaction) -> None:
        """Send the messages; the events wait for whoever iterates.

        Raises:
            AgentUnavailable: the conversation cannot go on.
        """
        for message in reaction.messages:
            await self._send(message)
        for event in reaction.events:
            if isinstance(event, Failed):
                raise AgentUnavailable(event.reason, retryable=event.retryable)
            self._aside.append(event)

    async def _send(self, message: bytes) -> None:
        try:
            await self._socket.send(message)
        except AgentSocketError as error:
            raise AgentUnavailable(f"realtime service: {error}", retryable=True) from None


def _linear(audio: Audio, law: g711.Law | None) -> Audio:
    """The same audio as PCM16."""
    return audio if law is None else Audio(audio.item_id, g711.decode(audio.pcm, law))


def _refusal(error: events.ServerError) -> AgentUnavailable:
    """Why a session could not be configured. What the server says of a key is not repeated."""
    if error.code in HOPELESS:
        return AgentUnavailable(f"realtime service: {error.code}", retryable=False)
    if error.event_id == CONFIGURE:
        told = f"{error.code}: {error.detail}"
        return AgentUnavailable(f"the realtime service refused the configuration: {told}", retryable=False)
    return AgentUnavailable(f"realtime service: {error.code}", retryable=True)
