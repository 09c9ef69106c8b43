"""The agents' WebSocket client against real sockets: what it carries, what it bounds, how it tells of an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from socket import create_server
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.agents import agent_socket
from bridge.agents.agent_socket import AgentSocket, AgentSocketError, open_agent_socket

DEADLINE_S = 10.0


@asynccontextmanager
async def peer(talk: Callable[[ServerConnection], Awaitable[None]], **options) -> AsyncIterator[str]:
    """A server that holds each conversation with `talk`."""
    async with asyncio.timeout(DEADLINE_S), serve(talk, "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1?model=m"


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def test_messages_of_every_size_travel_both_ways() -> None:
    async with peer(echo, max_size=None) as url, open_agent_socket(url) as socket:
        for size in (0, 1, 125, 126, 65_535, 65_536, 3_000_000):
            await socket.send("é" * (size // 2) + "x" * (size % 2))
            message = await socket.receive()
            assert message is not None
            assert len(message) == size
        assert socket.close_code is None


async def test_a_message_in_pieces_comes_whole() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send(["one ", "two ", "three"])

    async with peer(talk) as url, open_agent_socket(url) as socket:
        assert await socket.receive() == b"one two three"
        assert await socket.receive() is None


async def test_the_handshake_carries_the_headers() -> None:
    seen: list[str] = []

    async def talk(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.extend([socket.request.path, socket.request.headers["Authorization"]])

    async with peer(talk) as url, open_agent_socket(url, headers={"Authorization": "Bearer k"}) as socket:
        assert await socket.receive() is None
    assert seen == ["/v1?model=m", "Bearer k"]


async def close_with_code(socket: ServerConnection) -> None:
    await socket.close(4000, "beta")


async def close_without_code(socket: ServerConnection) -> None:
    # The library always sends a code; this is the frame that has none.
    socket.transport.write(b"\x88\x00")
    await socket.wait_closed()


async def cut(socket: ServerConnection) -> None:
    socket.transport.abort()


@pytest.mark.parametrize(("end", "code"), [(close_with_code, 4000), (close_without_code, 1005), (cut, 1006)])
async def test_the_end_is_told_with_its_code(end: Callable[[ServerConnection], Awaitable[None]], code: int) -> None:
    async with peer(end) as url, open_agent_socket(url) as socket:
        assert await socket.receive() is None
        assert socket.close_code == code
        with pytest.raises(AgentSocketError):
            await socket.send("late")


async def test_waiting_ends_at_the_given_moment_and_messages_come_before_it() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send("in time")
        await socket.wait_closed()

    async with peer(talk) as url, open_agent_socket(url) as socket:
        until_s = asyncio.get_running_loop().time() + 0.1
        assert await socket.receive(until_s) == b"in time"
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await socket.receive(until_s)
        with pytest.raises(TimeoutError):
            await socket.receive(until_s + 0.05)


async def test_no_timer_is_left_behind_where_messages_wait_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment is an hour away for a model's session, and its timer would hold the connection for as long."""
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_at = loop.call_at

    def remembered(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(call_at(when, *arguments, **options))
        return timers[-1]

    has_ended = asyncio.Event()

    async def talk(socket: ServerConnection) -> None:
        await socket.send("last words")
        await socket.close()
        has_ended.set()

    async with peer(talk) as url, open_agent_socket(url) as socket:
        until_s = loop.time() + 3_600
        await has_ended.wait()
        monkeypatch.setattr(loop, "call_at", remembered)
        assert await socket.receive(until_s) == b"last words"
        assert await socket.receive(until_s) is None
    assert [timer for timer in timers if timer.when() == until_s and not timer.cancelled()] == []


async def test_messages_are_taken_while_they_are_waited_for_and_others_come_in_order() -> None:
    taken: list[bytes] = []

    async def talk(socket: ServerConnection) -> None:
        await socket.recv()
        for number in ("1", "2"):
            await socket.send(number)
            assert await socket.recv() == "next"
        for message in ("word", "3", "last word"):
            await socket.send(message)

    async with peer(talk) as url, open_agent_socket(url) as socket:

        def takes_numbers(message: bytes) -> bool:
            if not message.isdigit():
                return False
            taken.append(message)
            socket.send_now("next")
            return True

        asyncio.get_running_loop().call_soon(socket.send_now, "begin")
        assert await socket.receive(None, takes_numbers) == b"word"
        assert taken == [b"1", b"2"]
        # What comes before it is waited for again stands in its place.
        rest = []
        while (message := await socket.receive(None, takes_numbers)) is not None:
            rest.append(message)
    assert rest in ([b"last word"], [b"3", b"last word"])
    assert len(rest) + len(taken) == 4


async def test_what_breaks_in_taking_is_raised_to_whoever_waits() -> None:
    def breaks(message: bytes) -> bool:
        raise RuntimeError(message.decode())

    async with peer(echo) as url, open_agent_socket(url) as socket:
        await socket.send("mine")
        with pytest.raises(RuntimeError, match="mine"):
            await socket.receive(None, breaks)
        assert await socket.receive() == b"mine"
        await socket.send("alive")
        assert await socket.receive() == b"alive"


async def test_leaving_closes_politely() -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def talk(socket: ServerConnection) -> None:
        await socket.wait_closed()
        codes.put_nowait(socket.close_code)

    async with peer(talk) as url:
        async with open_agent_socket(url):
            pass
        assert await codes.get() == 1000


async def test_what_nobody_reads_holds_the_peer_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_socket, "MAX_UNREAD_MESSAGES", 4)
    messages, sent = 400, 0

    async def talk(socket: ServerConnection) -> None:
        nonlocal sent
        for _ in range(messages):
            await socket.send("x" * 100_000)
            sent += 1

    async with peer(talk, write_limit=1) as url, open_agent_socket(url) as socket:
        await asyncio.sleep(0.3)
        assert sent < messages
        received = 0
        while await socket.receive() is not None:
            received += 1
        assert received == messages


async def send_for_ever(socket: AgentSocket) -> None:
    while True:
        await socket.send("x" * 1_000_000)


async def test_a_peer_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_socket, "SEND_STALL_S", 0.1)
    hold = asyncio.Event()

    async def talk(socket: ServerConnection) -> None:
        socket.transport.pause_reading()
        await hold.wait()
        socket.transport.abort()

    async with peer(talk) as url, open_agent_socket(url) as socket:
        with pytest.raises(AgentSocketError, match="reads nothing"):
            await send_for_ever(socket)
        hold.set()


async def test_a_message_beyond_the_bound_ends_the_connection() -> None:
    async def talk(socket: ServerConnection) -> None:
        await socket.send("x" * 5_000)
        await socket.wait_closed()

    async def talk_in_pieces(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await socket.send(["x" * 800] * 5)
            await socket.wait_closed()

    for talking in (talk, talk_in_pieces):
        async with peer(talking) as url, open_agent_socket(url, max_message_bytes=1_000) as socket:
            assert await socket.receive() is None


async def test_a_refusal_tells_its_status() -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(HTTPStatus.UNAUTHORIZED, "who are you")

    async with peer(echo, process_request=refuse) as url:
        with pytest.raises(AgentSocketError) as refused:
            async with open_agent_socket(url):
                pass
    assert refused.value.status == 401


async def test_nobody_listening_is_told_without_the_address() -> None:
    with pytest.raises(AgentSocketError, match="not reachable: ConnectionRefusedError"):
        async with open_agent_socket("ws://127.0.0.1:1/?key=secret"):
            pass


async def test_a_silent_server_is_given_up() -> None:
    with create_server(("127.0.0.1", 0)) as listener, pytest.raises(AgentSocketError):
        async with open_agent_socket(f"ws://127.0.0.1:{listener.getsockname()[1]}", connect_s=0.1):
            pass
