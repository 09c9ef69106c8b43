"""A small HTTP/1.1 server on h11 that can also do what servers should not: cut a connection without a reply."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

import h11

REQUEST_DEADLINE_S = 30.0
MAX_BODY_BYTES = 16 * 1024 * 1024
_READ_BYTES = 64 * 1024
_LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read to its end. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reset:
    """No answer: the connection is reset."""


Answer: TypeAlias = Response | Reset
Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]


class _TooLargeError(Exception):
    """The body is larger than `MAX_BODY_BYTES`."""


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """Read one request, answer it, close the connection. Broken requests are answered 400, large ones 413."""
    connection = h11.Connection(h11.SERVER)
    try:
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            request = await _read_request(connection, reader)
        answer = await handler(request) if request else Reset()
        if isinstance(answer, Reset):
            _reset(writer)
            return
        await _write_response(connection, writer, answer)
    except _TooLargeError:
        await _write_response(connection, writer, Response(413, b'{"code":"TOO_LARGE","message":"body too large"}'))
    except h11.RemoteProtocolError:
        if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await _write_response(connection, writer, Response(400, b'{"code":"BAD_REQUEST","message":"not HTTP"}'))
    except (TimeoutError, ConnectionError):
        _reset(writer)
    finally:
        writer.close()


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The request; None where the peer went away before its end."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_READ_BYTES)
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY_BYTES:
                raise _TooLargeError
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            path = unquote(urlsplit(head.target.decode("latin-1")).path)
            return Request(head.method.decode("ascii"), path, headers, bytes(body))
        else:
            return None


async def _write_response(connection: h11.Connection, writer: asyncio.StreamWriter, response: Response) -> None:
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "close",
        **response.headers,
    }
    for event in (
        h11.Response(status_code=response.status, headers=list(headers.items())),
        h11.Data(data=response.body),
        h11.EndOfMessage(),
    ):
        writer.write(connection.send(event) or b"")
    async with asyncio.timeout(REQUEST_DEADLINE_S):
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset rather than an orderly end."""
    transport_socket = writer.get_extra_info("socket")
    if transport_socket is not None:
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    writer.transport.abort()
