"""Frames on the short way: every byte stream must mean the same as on uvicorn's own way, on real sockets."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from socket import create_server
from typing import Any, TypeAlias

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from bridge.consumers.leg import DIRECT_FRAMES, AsgiLeg, leg_of
from bridge.server.process import MAX_MESSAGE_BYTES
from bridge.server.sockets import MAX_WAITING_BYTES, MAX_WAITING_MESSAGES, CallSocketProtocol, DirectLeg
from bridge.session import listen_by
from telephony.protocols.events import WireMessage

DEADLINE_S = 10.0
MASK = bytes((0x5A, 0xC3, 0x17, 0x88))
UPGRADE = (
    b"GET /call HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(first: int, payload: bytes, *, is_masked: bool = True, claimed: int | None = None) -> bytes:
    """The bytes of a client's frame; `claimed` is the length it says it has."""
    length = len(payload) if claimed is None else claimed
    flag = 0x80 if is_masked else 0
    if length < 126:
        header = bytes((first, flag | length))
    elif length < 1 << 16:
        header = bytes((first, flag | 126)) + struct.pack("!H", length)
    else:
        header = bytes((first, flag | 127)) + struct.pack("!Q", length)
    if not is_masked:
        return header + payload
    return header + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


TEXT, BINARY, PIECE_OF_TEXT, PIECE, LAST_PIECE, PING, PONG, CLOSE = 0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88
# Source: asyncio's selector transports read this much at once.
ONE_READ_BYTES = 256 * 1024
DONE = frame(CLOSE, b"\x03\xe8")

STREAMS = {
    "texts of every length": b"".join(frame(TEXT, b"x" * size) for size in (0, 1, 125, 126, 595, 65_535)) + DONE,
    "a text beyond 64 KiB": frame(TEXT, b"x" * 65_536) + frame(TEXT, b"y") + DONE,
    "the largest text": frame(TEXT, b"x" * MAX_MESSAGE_BYTES) + DONE,
    "a text too large": frame(TEXT, b"x" * (MAX_MESSAGE_BYTES + 1)),
    "the header of a huge text": frame(TEXT, b"", claimed=1 << 40),
    "a length with its highest bit set": frame(TEXT, b"", claimed=1 << 63),
    "binary and letters of two bytes": frame(BINARY, b"\x00\xff") + frame(TEXT, "ñandú 한".encode()) + DONE,
    "a text in pieces with a ping between": (
        frame(PIECE_OF_TEXT, b"one ")
        + frame(PING, b"?")
        + frame(PIECE, b"two ")
        + frame(LAST_PIECE, b"three")
        + frame(TEXT, b"whole")
        + DONE
    ),
    "a text within a text in pieces": frame(PIECE_OF_TEXT, b"one ") + frame(TEXT, b"two"),
    "pieces too large together": frame(PIECE_OF_TEXT, b"x" * 200_000) + frame(LAST_PIECE, b"x" * 100_000),
    "a piece of nothing": frame(LAST_PIECE, b"lost"),
    "a ping in pieces": frame(PING & 0x7F, b"?"),
    "a ping too long": frame(PING, b"?" * 126),
    "pings and stray pongs": frame(PING, b"1") + frame(PONG, b"2") + frame(TEXT, b"still here") + DONE,
    "bytes that are no UTF-8": frame(TEXT, b"good") + frame(TEXT, b"\xff\xfe"),
    "a letter cut in two messages": frame(TEXT, "é".encode()[:1]) + frame(TEXT, "é".encode()[1:]),
    "a reserved bit": frame(TEXT | 0x40, b"compressed"),
    "an unknown opcode": frame(0x83, b"?"),
    "a frame that is not masked": frame(TEXT, b"bare", is_masked=False),
    "a close without a code": frame(TEXT, b"bye") + frame(CLOSE, b""),
    "a close with a code of its own": frame(CLOSE, b"\x0f\xa0why"),
    "a close with a code nobody may send": frame(CLOSE, struct.pack("!H", 1005)),
    "a close of one byte": frame(CLOSE, b"\x03"),
    "a text after the close": DONE + frame(TEXT, b"late"),
    "an end in the middle": frame(TEXT, b"x" * 300)[:100],
}


@dataclass
class Outcome:
    """What an application made of a stream, and what the server answered with."""

    messages: list[str | bytes] = field(default_factory=list)
    close_code: int | None = None
    answer: bytes = b""


# Plays a stream in pieces of so many bytes.
Play: TypeAlias = Callable[[bytes, int], Awaitable[Outcome]]


@asynccontextmanager
async def serving(
    application, protocol: type[asyncio.Protocol] = CallSocketProtocol, **options: Any
) -> AsyncIterator[int]:
    """A server with the bridge's bounds; its port. `options` are further ones of uvicorn's."""
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws=protocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        log_config=None,
        log_level="critical",
        **options,
    )
    server = uvicorn.Server(config)
    with create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            yield listener.getsockname()[1]
            server.should_exit = True


@asynccontextmanager
async def reading(protocol: type[asyncio.Protocol], *, listens: bool = False) -> AsyncIterator[Play]:
    """A server whose application reads one leg to its end, message by message or by listening; plays it a stream."""
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    async def application(scope, receive, send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        leg = leg_of(scope, receive, send)
        assert isinstance(leg, DirectLeg if protocol is CallSocketProtocol else AsgiLeg)
        outcome = Outcome()

        def hear(message: WireMessage) -> float:
            outcome.messages.append(message)
            return 0.0

        await (leg.listen(hear) if listens else listen_by(leg.receive, hear))
        outcome.close_code = leg.close_code
        outcomes.put_nowait(outcome)

    async with serving(application, protocol) as port:

        async def play(stream: bytes, cut_bytes: int) -> Outcome:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            answer = b""
            with suppress(OSError):
                for at in range(0, len(stream), cut_bytes):
                    writer.write(stream[at : at + cut_bytes])
                    await writer.drain()
                    await asyncio.sleep(0)
                writer.write_eof()
                answer = await reader.read()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            outcome = await outcomes.get()
            outcome.answer = answer
            return outcome

        yield play


async def test_a_stream_means_the_same_on_both_ways() -> None:
    async with (
        reading(WebSocketsSansIOProtocol) as play_usual,
        reading(CallSocketProtocol) as play_direct,
        reading(CallSocketProtocol, listens=True) as play_listening,
    ):
        for name, stream in STREAMS.items():
            expected = await play_usual(stream, len(stream))
            for play in (play_direct, play_listening):
                whole = await play(stream, len(stream))
                assert (whole.messages, whole.close_code) == (expected.messages, expected.close_code), name
                # Where the peer is refused in the middle of sending, the reset can swallow the answer.
                assert whole.answer == expected.answer or not (whole.answer and expected.answer), name
                in_crumbs = await play(stream, 7 if len(stream) < 3_000 else 50_021)
                assert (in_crumbs.messages, in_crumbs.close_code) == (expected.messages, expected.close_code), name


async def test_a_listener_that_asks_for_a_pause_gets_it_and_one_that_breaks_is_told() -> None:
    heard: list[tuple[WireMessage, float]] = []
    broke: list[str] = []
    is_over, loop = asyncio.Event(), asyncio.get_running_loop()

    def hear(message: WireMessage) -> float:
        heard.append((message, loop.time()))
        if message == "break":
            raise LookupError(message)
        return 0.2 if message == "pause" else 0.0

    async def application(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        leg = leg_of(scope, receive, send)
        try:
            await leg.listen(hear)
        except LookupError as error:
            broke.append(str(error))
        await leg.close(1000)
        is_over.set()

    async with serving(application) as port, connect(f"ws://127.0.0.1:{port}", proxy=None) as socket:
        for message in ("one", "pause", "two", "three", "break", "after"):
            await socket.send(message)
        await is_over.wait()
    assert [message for message, _ in heard] == ["one", "pause", "two", "three", "break"]
    assert heard[2][1] - heard[1][1] >= 0.19
    assert broke == ["break"]


async def test_messages_before_the_call_takes_over_are_not_lost() -> None:
    may_take, received = asyncio.Event(), asyncio.Event()
    messages: list[str | bytes | None] = []

    async def application(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await may_take.wait()
        leg = scope["extensions"][DIRECT_FRAMES]["take"]()
        messages.extend([await leg.receive() for _ in range(3)])
        received.set()
        await leg.close(1000)

    async with serving(application) as port, connect(f"ws://127.0.0.1:{port}", proxy=None) as socket:
        await socket.send("one")
        await socket.send(b"two")
        await asyncio.sleep(0.05)
        may_take.set()
        await socket.send("three")
        await received.wait()
    assert messages == ["one", b"two", "three"]


async def receive_for_ever(socket: ClientConnection, got: list[str | bytes]) -> None:
    while True:
        got.append(await socket.recv())


async def test_messages_of_every_size_are_sent_whole() -> None:
    sizes = (0, 125, 126, 65_535, 65_536, 200_000)

    async def application(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        leg = leg_of(scope, receive, send)
        for size in sizes:
            await leg.send("x" * size)
            await leg.send(b"\x00" * size)
        await leg.close(4408)
        await leg.close(1000)
        await leg.send("nothing after the close")
        assert await leg.receive() is None

    got: list[str | bytes] = []
    async with serving(application) as port, connect(f"ws://127.0.0.1:{port}", proxy=None) as socket:
        with pytest.raises(ConnectionClosedError):
            await receive_for_ever(socket, got)
    assert got == [message for size in sizes for message in ("x" * size, b"\x00" * size)]
    assert socket.close_code == 4408


@pytest.mark.parametrize(
    "message",
    [
        frame(TEXT, b"x" * 1_000),
        frame(TEXT, b"x" * 1_000) + frame(PONG, b""),
        frame(PIECE_OF_TEXT, b"x" * 500) + frame(LAST_PIECE, b"x" * 500),
    ],
    ids=["plain", "with pongs between", "in pieces"],
)
async def test_a_flood_is_held_back_until_the_call_reads_on(message: bytes) -> None:
    may_read, flood = asyncio.Event(), 20_000
    read = waiting_bytes = 0

    async def application(scope, receive, send) -> None:
        nonlocal read, waiting_bytes
        await receive()
        await send({"type": "websocket.accept"})
        leg = leg_of(scope, receive, send)
        assert isinstance(leg, DirectLeg)
        await may_read.wait()
        waiting_bytes = leg._waiting_bytes
        while await leg.receive() is not None:
            read += 1

    async with serving(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        sent = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while sent < flood:
                    writer.write(message)
                    sent += 1
                    await writer.drain()
        # The rest of it stands in the sockets' own buffers.
        assert MAX_WAITING_MESSAGES < sent < flood
        may_read.set()
        writer.write(DONE)
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()
    assert read >= sent - 1
    # What one read of the socket brings is taken apart to its end.
    assert waiting_bytes <= MAX_WAITING_BYTES + ONE_READ_BYTES


async def test_a_peer_that_takes_nothing_is_cut_off() -> None:
    ended = asyncio.Event()

    async def application(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        leg = leg_of(scope, receive, send)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await leg.send("x" * 100_000)
        await leg.close(1011)
        ended.set()

    async with serving(application) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(UPGRADE)
        await ended.wait()
        writer.transport.abort()


async def test_of_the_pings_of_a_peer_that_takes_nothing_the_last_is_answered() -> None:
    is_full, has_pinged, waiting_bytes, pings = asyncio.Event(), asyncio.Event(), list[int](), 5_000

    async def application(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        leg = leg_of(scope, receive, send)
        assert isinstance(leg, DirectLeg)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await leg.send("x" * 100_000)
        waiting_bytes.append(leg._protocol.transport.get_write_buffer_size())
        is_full.set()
        assert await leg.receive() == "that was all"
        waiting_bytes.append(leg._protocol.transport.get_write_buffer_size())
        has_pinged.set()
        await leg.receive()

    async with serving(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(UPGRADE)
        await is_full.wait()
        writer.write(b"".join(frame(PING, b"%0100d" % number) for number in range(pings)))
        writer.write(frame(TEXT, b"that was all"))
        await has_pinged.wait()
        answer = bytearray()
        while not answer.endswith(b"%0100d" % (pings - 1)):
            answer += await reader.read(1 << 20)
        writer.transport.abort()
    assert waiting_bytes[0] == waiting_bytes[1]
    assert answer.count(bytes((PONG, 100))) == 1


def test_the_hooks_of_uvicorn_are_there() -> None:
    # What `CallSocketProtocol` builds on; a release of uvicorn that renames one must fail here and not in a call.
    for name in (
        "handle_connect",
        "handle_ping",
        "resume_writing",
        "data_received",
        "handle_parser_exception",
        "send",
        "receive",
        "run_asgi",
    ):
        assert callable(getattr(WebSocketsSansIOProtocol, name))
    config = uvicorn.Config(lambda scope: None, ws=CallSocketProtocol, log_config=None)
    config.load()
    state = uvicorn.Server(config).server_state
    protocol = CallSocketProtocol(config, state, {}, asyncio.new_event_loop())
    for name in ("queue", "writable", "read_paused", "close_sent", "disconnected", "handshake_initiated", "conn"):
        assert hasattr(protocol, name)
    assert hasattr(protocol.conn, "parser_exc")
    protocol.loop.close()
