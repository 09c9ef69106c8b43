"""How a real server tells the end of a socket, and what the leg makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import create_server

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from bridge.consumers.leg import AsgiLeg

DEADLINE_S = 10.0


async def close_with_code(socket: ClientConnection) -> None:
    await socket.close(1001)


async def close_without_code(socket: ClientConnection) -> None:
    # The library always sends a code; this is the frame that has none: final, close, masked, no payload.
    socket.transport.write(b"\x88\x80\x00\x00\x00\x00")


async def cut(socket: ClientConnection) -> None:
    socket.transport.abort()


@asynccontextmanager
async def listening(codes: asyncio.Queue[int | None]) -> AsyncIterator[str]:
    """A server as the bridge runs it, that reads one leg to its end and tells with which code it ended."""

    async def application(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        leg = AsgiLeg(receive, send)
        while await leg.receive() is not None:
            pass
        codes.put_nowait(leg.close_code)

    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", ws="websockets-sansio", log_level="critical"))
    with create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True


@pytest.mark.parametrize(("end", "code"), [(close_with_code, 1001), (close_without_code, 1005), (cut, 1006)])
async def test_a_lost_connection_is_told_from_a_close_without_a_code(
    end: Callable[[ClientConnection], Awaitable[None]], code: int
) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()
    async with listening(codes) as url, connect(url, proxy=None) as socket:
        await socket.send("hello")
        await end(socket)
        assert await codes.get() == code
