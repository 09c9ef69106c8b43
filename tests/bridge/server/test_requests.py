"""Connections that do not say what they want: closed in time, and never too many of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bridge.server import requests
from bridge.server.requests import PromptHttpProtocol
from tests.bridge.server.test_sockets import UPGRADE, frame, serving

REQUEST = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
PIECES_S = 0.02
DEADLINE_S = 0.3


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(requests, "HEAD_S", DEADLINE_S)
    yield
    assert not requests._waited_for


async def application(scope, receive, send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(2 * DEADLINE_S)
        await send({"type": "websocket.close", "code": 1000})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def trickle(port: int, beginning: bytes, trickled: bytes) -> float:
    """Send the second part byte by byte; after how many seconds the server hangs up."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began_s = loop.time()
    writer.write(beginning)
    with suppress(OSError):
        for byte in trickled:
            if reader.at_eof() or reader.exception() is not None:
                break
            writer.write(bytes((byte,)))
            await asyncio.sleep(PIECES_S)
        while await reader.read(4_096):
            pass
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return loop.time() - began_s


@pytest.mark.parametrize(
    ("beginning", "trickled"),
    [
        (b"", b""),
        (b"", REQUEST),
        (UPGRADE[:-2], b"X-Padding: " + b"x" * 40),
        (REQUEST, REQUEST),
    ],
    ids=["silence", "a request byte by byte", "a handshake that never ends", "a second request byte by byte"],
)
async def test_head_that_does_not_come_in_time_is_not_waited_for(beginning: bytes, trickled: bytes) -> None:
    async with serving(application, http=PromptHttpProtocol) as port:
        assert DEADLINE_S - 0.05 <= await trickle(port, beginning, trickled) <= 3 * DEADLINE_S


async def test_calls_and_prompt_requests_are_not_hurried() -> None:
    async with serving(application, http=PromptHttpProtocol) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(REQUEST)
            assert b" 204 " in await reader.readuntil(b"\r\n\r\n")
        # An idle connection is uvicorn's business, and a WebSocket lives as long as its call.
        await asyncio.sleep(1.5 * DEADLINE_S)
        writer.write(UPGRADE)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(0x81, b"still here"))
        assert await reader.readexactly(2) == b"\x88\x02"
        writer.close()
        await writer.wait_closed()


async def test_one_address_has_only_so_many_connections_that_say_nothing(monkeypatch) -> None:
    monkeypatch.setattr(requests, "MAX_WAITED_FOR_PER_ADDRESS", 3)
    async with serving(application, http=PromptHttpProtocol) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        refused, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError):
            assert await refused.read() == b""
        assert not silent[0][0].at_eof()
        for each in (writer, *(writer for _, writer in silent)):
            each.close()
            with suppress(OSError):
                await each.wait_closed()
