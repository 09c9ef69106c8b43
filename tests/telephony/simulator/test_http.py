"""The small HTTP server, fed with bytes."""

from __future__ import annotations

import asyncio

import pytest

from telephony.simulator import http
from telephony.simulator.http import Answer, Request, Reset, Response, serve_connection


async def exchange(sent: bytes, answer: Answer, seen: list[Request] | None = None) -> bytes:
    """What a client that sends these bytes and then ends its side gets back."""

    async def handler(request: Request) -> Answer:
        if seen is not None:
            seen.append(request)
        return answer

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve_connection(reader, writer, handler)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            writer.write(sent)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def test_a_request_is_read_whole_and_the_connection_closed() -> None:
    seen: list[Request] = []
    sent = b"POST /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello"
    got = await exchange(sent, Response(201, b"{}", headers={"Retry-After": "2"}), seen)
    assert seen == [Request("POST", "/a b", {"host": "h", "x-one": "1", "content-length": "5"}, b"hello")]
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 ")
    assert {b"Retry-After: 2", b"Connection: close", b"Content-Length: 2"} <= set(head.split(b"\r\n"))
    assert body == b"{}"


async def test_a_chunked_body_is_put_together() -> None:
    seen: list[Request] = []
    sent = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    await exchange(sent, Response(200, b""), seen)
    assert seen[0].body == b"abc"


async def test_what_is_not_http_is_answered_400() -> None:
    assert (await exchange(b"\x00\x01 nonsense\r\n\r\n", Response(200, b""))).startswith(b"HTTP/1.1 400 ")


async def test_a_body_that_is_too_large_is_answered_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10)
    sent = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n" + bytes(11)
    assert (await exchange(sent, Response(200, b""))).startswith(b"HTTP/1.1 413 ")


async def test_a_reset_gives_no_byte() -> None:
    with pytest.raises(ConnectionResetError):
        await exchange(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Reset())
