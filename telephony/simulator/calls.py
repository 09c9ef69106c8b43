"""One simulated call from the first ring to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from telephony.protocols.psr import PsrClientCodec
from telephony.simulator.audio import (
    RATE_HZ,
    SAMPLES_PER_MS,
    TICK_MS,
    TICK_SAMPLES,
    ComfortNoise,
    mixed,
    ringback,
    voices,
)
from telephony.simulator.behaviours import Arrival, Behaviour, Pickup
from telephony.simulator.create_stream import CreateStream, stream_url
from telephony.simulator.ledger import Happened, Ledger
from telephony.simulator.line import App, Legs, Line, Packets
from telephony.simulator.options import CHUNK_LENGTHS_MS, Clock, Options
from telephony.simulator.playout import Kind, Playout
from telephony.simulator.recordings import Recorder
from telephony.simulator.stream import EndedBy, Stream, StreamPlan

CONNECT_DEADLINE_S = 10.0
PING_S = 20.0
BUSY_TONE_S = 1.0
EXTENSION_RING_S = 0.4
SECOND_SOCKET_AFTER_S = 0.5
SECOND_SOCKET_LASTS_S = 1.0
PERSON_TALKS_MS = 5000
MAX_ACTION_BYTES = 32 * 1024 * 1024
_RINGBACK_EVERY_S = 4
_UNREACHABLE = (OSError, TimeoutError, InvalidHandshake, InvalidURI)


@dataclass(frozen=True, slots=True)
class Dice:
    """What chance decided about a call; the same for the same seed and destination."""

    speaker: str
    ring_s: float
    packet_ms: int


def throw_dice(options: Options, destination: str) -> Dice:
    """The chances of a destination."""
    random = options.random_for(destination)
    return Dice(
        speaker=random.choice(voices()),
        ring_s=random.uniform(options.ring_min_s, options.ring_max_s),
        packet_ms=random.choice(CHUNK_LENGTHS_MS) if options.chunk_ms is None else options.chunk_ms,
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """What all calls share."""

    options: Options
    clock: Clock
    ledger: Ledger
    recordings: Path
    stopping: asyncio.Event


class Call:
    """One placed call."""

    def __init__(self, exchange: Exchange, call_id: str, request: CreateStream, behaviour: Behaviour) -> None:
        self.call_id = call_id
        self.first_socket_open = asyncio.Event()
        self.is_streaming = False
        self._exchange = exchange
        self._request = request
        self._behaviour = behaviour
        self._dice = throw_dice(exchange.options, request.destination)
        self._url = stream_url(request, call_id, exchange.options.tenant)

    async def run(self) -> None:
        """Ring, talk and end. The call's end is in the ledger and its recordings on disk when this returns."""
        recorder = Recorder(self._exchange.recordings, self.call_id)
        ended_by = EndedBy.SIMULATOR
        facts: dict[str, int] = {}
        try:
            ended_by, facts = await self._ring_and_talk(recorder)
        finally:
            self.first_socket_open.set()
            recorder.close()
            self._exchange.ledger.end(
                self.call_id,
                ended_by.value,
                self._exchange.clock.moment(),
                recorded_ms=recorder.duration_ms,
                **facts,
            )

    async def _ring_and_talk(self, recorder: Recorder) -> tuple[EndedBy, dict[str, int]]:
        streaming = self._behaviour.streaming
        options, clock = self._exchange.options, self._exchange.clock
        if self._request.app is App.DIAL:
            self._note(Happened.RINGING, who="extension", extension=self._request.extension)
            await self._ring(recorder, EXTENSION_RING_S)
            self._note(Happened.ANSWERED, who="extension")
        self._note(Happened.RINGING, who="destination")
        if streaming.pickup is Pickup.BUSY:
            await clock.sleep(BUSY_TONE_S)
            return EndedBy.BUSY, {}
        if streaming.pickup is Pickup.NO_ANSWER:
            await self._ring(recorder, options.no_answer_s)
            return EndedBy.NO_ANSWER, {}
        if streaming.arrival is not Arrival.BEFORE_REPLY:
            await self._ring(recorder, self._dice.ring_s)
        self._note(Happened.ANSWERED, who="destination")
        if streaming.arrival is Arrival.LATE:
            await clock.sleep(options.late_connect_s)
        return await self._connect_and_talk(recorder)

    async def _connect_and_talk(self, recorder: Recorder) -> tuple[EndedBy, dict[str, int]]:
        socket = await self._open_socket(number=1)
        self.first_socket_open.set()
        if socket is None:
            return EndedBy.NOT_CONNECTED, {}
        line = self._line()
        stream = self._stream(socket, line, recorder)
        self.is_streaming = True
        async with asyncio.TaskGroup() as group:
            for number in range(2, self._behaviour.streaming.sockets + 1):
                group.create_task(self._try_another_socket(number))
            ended_by = await stream.run()
        streamed_ms = line.now_ms
        if ended_by is EndedBy.TRANSFER:
            line.person_joins()
            for _ in range(PERSON_TALKS_MS // TICK_MS):
                recorder.add(line.tick())
        return ended_by, {
            "streamed_ms": streamed_ms,
            "heard_ms": line.playout.heard_samples // SAMPLES_PER_MS,
            "dropped_ms": line.playout.dropped_samples // SAMPLES_PER_MS,
            "prompts_heard": line.prompts_heard,
        }

    def _line(self) -> Line:
        options, request = self._exchange.options, self._request
        playout = Playout(options.playout)
        if request.opening is not None:
            playout.receive_file(request.opening, is_queued=True, kind=Kind.OPENING)
        random = options.random_for(request.destination)
        return Line(request.app, self._behaviour.persona, self._dice.speaker, playout, random)

    def _stream(self, socket: ClientConnection, line: Line, recorder: Recorder) -> Stream:
        options, channel = self._exchange.options, self._request.channel
        streaming = self._behaviour.streaming
        return Stream(
            socket,
            PsrClientCodec(self.call_id, channel),
            line,
            Packets(self._dice.packet_ms, channel),
            StreamPlan(streaming.noise, streaming.ending, options.max_call_s),
            recorder,
            self._exchange.clock,
            self._note,
            self._exchange.stopping.is_set,
        )

    async def _open_socket(self, number: int) -> ClientConnection | None:
        """The socket; None where the server cannot be reached or refuses."""
        try:
            socket = await connect(
                self._url,
                open_timeout=CONNECT_DEADLINE_S,
                ping_interval=PING_S,
                compression=None,
                max_size=MAX_ACTION_BYTES,
                proxy=None,
                user_agent_header="psr-simulator",
            )
        except _UNREACHABLE as error:
            status = error.response.status_code if isinstance(error, InvalidStatus) else None
            self._note(Happened.CONNECT_FAILED, socket=number, error=type(error).__name__, status=status)
            return None
        self._note(Happened.CONNECTED, socket=number, packet_ms=self._dice.packet_ms)
        return socket

    async def _try_another_socket(self, number: int) -> None:
        """A second socket for the same call, which a careful server refuses."""
        clock = self._exchange.clock
        await clock.sleep(SECOND_SOCKET_AFTER_S)
        socket = await self._open_socket(number)
        if socket is None:
            return
        try:
            codec = PsrClientCodec(self.call_id, self._request.channel)
            await socket.send(codec.connected(clock.moment().epoch_ms))
            await clock.sleep(SECOND_SOCKET_LASTS_S)
            await socket.close()
        except (WebSocketException, OSError) as error:
            self._note(Happened.CLOSED, socket=number, error=type(error).__name__)
        else:
            self._note(Happened.CLOSED, socket=number, code=socket.close_code)

    async def _ring(self, recorder: Recorder, duration_s: float) -> None:
        """Let it ring, heard by the calling side: the extension, or the bot's leg."""
        clock = self._exchange.clock
        noise_a, noise_b = (ComfortNoise(self._exchange.options.random_for(f"{self.call_id}{leg}")) for leg in "ab")
        tone = ringback()
        for tick in range(round(duration_s * 1000 / TICK_MS)):
            at = tick * TICK_SAMPLES % (_RINGBACK_EVERY_S * RATE_HZ)
            quiet = noise_a.take(TICK_SAMPLES)
            heard = noise_b.take(TICK_SAMPLES)
            if at < len(tone):
                heard = mixed(heard, tone[at : at + TICK_SAMPLES])
            is_dial = self._request.app is App.DIAL
            recorder.add(Legs(a=heard, b=quiet) if is_dial else Legs(a=quiet, b=heard))
        await clock.sleep(duration_s)

    @property
    def _note(self) -> Callable[..., None]:
        return partial(_record, self._exchange, self.call_id)


def _record(exchange: Exchange, call_id: str, event: Happened, **facts: object) -> None:
    exchange.ledger.record(call_id, event, exchange.clock.moment(), **facts)
