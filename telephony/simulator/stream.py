"""PSR's side of one stream: audio out in real time, actions in, until somebody ends the call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import assert_never

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from telephony.errors import RemoteProtocolError
from telephony.protocols.psr import (
    ChunkAction,
    FileAction,
    HangupAction,
    PsrClientCodec,
    TransferAction,
    UnknownAction,
)
from telephony.protocols.psr_chunks import ChunkFormat
from telephony.simulator.audio import TICK_MS, SpeechFormatError, read_wav_8k
from telephony.simulator.behaviours import Ending, Noise
from telephony.simulator.faults import FAULT_SCHEDULE, FLOOD_FACTOR, ODD_SPLIT_FROM_MS, SILENT_FROM_MS
from telephony.simulator.ledger import Happened
from telephony.simulator.line import Line, Packets
from telephony.simulator.mp3 import Mp3Decoder, Mp3Error
from telephony.simulator.options import Clock
from telephony.simulator.recordings import Recorder

logger = logging.getLogger(__name__)

SEND_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 3.0


class EndedBy(StrEnum):
    """Who or what ended a call."""

    CALLEE = "callee"
    BOT = "bot"
    TRANSFER = "transfer"
    SERVER = "server"
    SERVER_STALLED = "server_stalled"
    NOT_CONNECTED = "not_connected"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    TOO_LONG = "too_long"
    SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What was decided about a stream before it began."""

    noise: Noise
    ending: Ending
    max_s: float


class Stream:
    """One socket of one call. `note` writes to the ledger, `is_stopping` says that the simulator is shutting down."""

    def __init__(
        self,
        socket: ClientConnection,
        codec: PsrClientCodec,
        line: Line,
        packets: Packets,
        plan: StreamPlan,
        recorder: Recorder,
        clock: Clock,
        note: Callable[..., None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._socket = socket
        self._codec = codec
        self._line = line
        self._packets = packets
        self._plan = plan
        self._recorder = recorder
        self._clock = clock
        self._note = note
        self._is_stopping = is_stopping
        self._ended_by: EndedBy | None = None
        self._faults = list(FAULT_SCHEDULE[plan.noise])
        self._said = 0
        self._odd_byte = b""
        self._mp3 = Mp3Decoder(line.playout.hypothesis)

    async def run(self) -> EndedBy:
        """Stream until the call ends, then end the stream as planned."""
        self._recorder.stream_began()
        try:
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._read_actions())
                ended_by = await self._send_audio()
                reader.cancel()
        finally:
            self._recorder.stream_ended()
            for item in self._line.playout.close():
                self._note(Happened.HEARD_ITEM, **asdict(item))
        await self._end(ended_by)
        return ended_by

    async def _send_audio(self) -> EndedBy:
        try:
            await self._send(self._codec.connected(self._timestamp_ms()))
            next_at_s = self._clock.now_s()
            while (ended_by := self._reason_to_end()) is None:
                await self._tick()
                next_at_s += TICK_MS / 1000
                await self._clock.sleep_until(next_at_s)
        except ConnectionClosed:
            return self._ended_by or EndedBy.SERVER
        except TimeoutError:
            return EndedBy.SERVER_STALLED
        return ended_by

    async def _tick(self) -> None:
        legs = self._line.tick()
        self._recorder.add(legs)
        for item in self._line.playout.drain_heard():
            self._note(Happened.HEARD_ITEM, **asdict(item))
        for utterance in self._line.said[self._said :]:
            self._note(Happened.SAID, **asdict(utterance))
        self._said = len(self._line.said)
        for packet in self._packets.add(legs):
            await self._send_packet(packet)
        while self._faults and self._faults[0].at_ms <= self._line.now_ms:
            fault = self._faults.pop(0)
            self._note(Happened.SENT_FAULT, name=fault.name)
            await self._send(fault.message)

    async def _send_packet(self, packet: bytes) -> None:
        noise = self._plan.noise
        if noise is Noise.MUTE and self._line.now_ms > SILENT_FROM_MS:
            return
        if noise is Noise.MALFORMED and self._line.now_ms > ODD_SPLIT_FROM_MS:
            # Messages of an odd length, whose bytes are whole samples only when put together again.
            packet, self._odd_byte = self._odd_byte + packet, b""
            if not len(packet) % 2:
                packet, self._odd_byte = packet[:-1], packet[-1:]
        message = self._codec.media(self._timestamp_ms(), packet)
        for _ in range(FLOOD_FACTOR if noise is Noise.FLOOD else 1):
            await self._send(message)

    async def _send(self, message: str | bytes) -> None:
        async with asyncio.timeout(SEND_DEADLINE_S):
            await self._socket.send(message)

    def _reason_to_end(self) -> EndedBy | None:
        if self._line.left_because:
            self._note(Happened.HANGUP, by=EndedBy.CALLEE.value, reason=self._line.left_because)
            return EndedBy.CALLEE
        if self._ended_by is None and self._line.now_ms > self._plan.max_s * 1000:
            return EndedBy.TOO_LONG
        if self._ended_by is None and self._is_stopping():
            return EndedBy.SIMULATOR
        return self._ended_by

    async def _read_actions(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self._socket:
                try:
                    self._act_on(message)
                except RemoteProtocolError as error:
                    self._note(Happened.ACTION_IGNORED, code=error.code)
        self._ended_by = self._ended_by or EndedBy.SERVER

    def _act_on(self, message: str | bytes) -> None:
        action = self._codec.receive(message)
        match action:
            case ChunkAction(audio=audio, chunk_format=chunk_format):
                self._play_chunk(audio, chunk_format)
            case FileAction(wav=wav, is_sync=is_sync):
                self._play_file(wav, is_queued=is_sync)
            case TransferAction(extension=extension, is_misspelled=is_misspelled):
                self._note(Happened.TRANSFER, extension=extension, is_misspelled=is_misspelled)
                self._ended_by = self._ended_by or EndedBy.TRANSFER
            case HangupAction():
                self._note(Happened.HANGUP, by=EndedBy.BOT.value, reason="hangup action")
                self._ended_by = self._ended_by or EndedBy.BOT
            case UnknownAction(event=event):
                self._note(Happened.ACTION_IGNORED, code="unknown_event", event_name=event)
            case _:
                assert_never(action)

    def _play_chunk(self, audio: bytes, chunk_format: ChunkFormat) -> None:
        try:
            pcm = self._mp3.decode(audio) if chunk_format is ChunkFormat.MP3 else audio
        except Mp3Error as error:
            logger.warning("an mp3 chunk was not played: %s", error)
            self._note(Happened.ACTION_IGNORED, code=error.code)
            return
        self._note_overflow(self._line.playout.receive_chunk(pcm))

    def _play_file(self, wav: bytes, *, is_queued: bool) -> None:
        try:
            samples = read_wav_8k(wav)
        except SpeechFormatError:
            self._note(Happened.ACTION_IGNORED, code="bad_wav")
            return
        self._note_overflow(self._line.playout.receive_file(samples, is_queued=is_queued))

    def _note_overflow(self, has_room: bool) -> None:
        if not has_room:
            self._note(Happened.ACTION_IGNORED, code="queue_full")

    async def _end(self, ended_by: EndedBy) -> None:
        """Say goodbye as planned. What fails here is no news: the other side is gone already."""
        if self._plan.ending is Ending.ABORTED and ended_by is EndedBy.CALLEE:
            self._socket.transport.abort()
        elif ended_by is not EndedBy.SERVER_STALLED:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                for _ in range(_CLOSED_EVENTS[self._plan.ending]):
                    await self._send(self._codec.closed(self._timestamp_ms()))
        try:
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._socket.close()
        except TimeoutError:
            self._socket.transport.abort()
        self._note(Happened.CLOSED, ending=self._plan.ending.value, code=self._socket.close_code)

    def _timestamp_ms(self) -> int:
        return self._clock.moment().epoch_ms


_CLOSED_EVENTS = {Ending.CLOSED: 1, Ending.CLOSED_TWICE: 2, Ending.WITHOUT_CLOSED: 0, Ending.ABORTED: 1}
