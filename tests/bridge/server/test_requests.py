"""Connections that do not say what they want, and addresses that try bad tokens: neither may cost much."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.consumers import door
from bridge.consumers.door import BLOCKED, refuse
from bridge.consumers.handshake import BAD_TOKENS_PER_MINUTE, BadTokenLimiter, LineLimiter
from bridge.server import requests
from bridge.server.requests import PromptHttpProtocol
from tests.bridge.server.test_sockets import UPGRADE, frame, serving

REQUEST = b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n"
FORWARDED = b"X-Forwarded-For: "
KNOCKER = "203.0.113.7"
KNOCKS = 20
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


@pytest.fixture
def limiter(monkeypatch) -> BadTokenLimiter:
    """What the door remembers: one address, and that of the tests themselves, have used up their minute."""
    limiter = BadTokenLimiter()
    for _ in range(BAD_TOKENS_PER_MINUTE):
        limiter.was_bad(KNOCKER, time.monotonic())
    monkeypatch.setattr(door, "_limiter", limiter)
    monkeypatch.setattr(door, "_lines", LineLimiter())
    return limiter


def page(path: str, *forwarded_for: str) -> bytes:
    """A request of a browser that asks for no more."""
    return call(path, *forwarded_for).replace(b"Upgrade: websocket\r\nConnection: Upgrade", b"Connection: close")


def call(path: str, *forwarded_for: str) -> bytes:
    """A handshake, and what proxies say of where it comes from."""
    lines = b"".join(FORWARDED + addresses.encode() + b"\r\n" for addresses in forwarded_for)
    return UPGRADE.replace(b"/call", path.encode())[:-2] + lines + b"\r\n"


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[int, list[str]]]:
    """A server that refuses every socket as the door does, and the paths that came as far as that."""
    asked: list[str] = []

    async def refusing(scope, receive, send) -> None:
        asked.append(scope["path"])
        if scope["type"] == "websocket":
            await receive()
            await refuse(scope, send, BLOCKED)
        else:
            await application(scope, receive, send)

    proxies = ["127.0.0.1", "10.0.0.0/8"]
    async with serving(refusing, http=PromptHttpProtocol, forwarded_allow_ips=proxies, server_header=False) as port:
        yield port, asked


async def answer_to(port: int, request: bytes) -> bytes:
    """All that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return answer


PSR_PATH = "/psr/forged-token-of-some-length?call_id=1"


HANDSHAKES = {
    "a good key": (call("/ws?token=good", KNOCKER), False),
    "PSR": (call(PSR_PATH, KNOCKER), False),
    "Twilio": (call("/twilio/forged-token-of-some-length", KNOCKER), False),
    "LiveCall, and a port": (call("/live-call/websocket/1/%2B84912345678", f"{KNOCKER}:4711"), False),
    "two lines": (call(PSR_PATH, "198.51.100.1", KNOCKER), False),
    "through a second proxy": (call(PSR_PATH, f"198.51.100.1, {KNOCKER}, 10.1.1.1"), False),
    "somebody who names it": (call(PSR_PATH, KNOCKER, "198.51.100.1"), True),
    "somebody who names it in one line": (call(PSR_PATH, f"{KNOCKER}, 198.51.100.1"), True),
    "a proxy": (call(PSR_PATH, "10.1.1.1"), True),
    "nobody": (call(PSR_PATH, ""), True),
    "no proxy": (call(PSR_PATH), True),
    "a supervisor's socket": (call("/live/overview/", KNOCKER), True),
    "a token too short": (call("/psr/short", KNOCKER), True),
    "an unknown path": (call("/nowhere", KNOCKER), True),
    "a page": (page("/page", KNOCKER), True),
    "a page in a switch's place": (page("/ws", KNOCKER), True),
}


async def test_blocked_address_opens_no_socket_of_a_switch_and_all_else(limiter) -> None:
    async with asking() as (port, asked):
        for name, (handshake, is_asked) in HANDSHAKES.items():
            asked.clear()
            answer = await answer_to(port, handshake)
            assert (name, bool(asked)) == (name, is_asked)
            assert answer.split()[1] == (b"429" if b"Upgrade: websocket" in handshake else b"204")


async def test_knocker_without_a_proxy_goes_by_its_own_address(limiter) -> None:
    for _ in range(BAD_TOKENS_PER_MINUTE):
        limiter.was_bad("127.0.0.1", time.monotonic())
    async with asking() as (port, asked):
        assert (await answer_to(port, call(PSR_PATH))).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert asked == []
        assert b" 429 " in await answer_to(port, call(PSR_PATH, "198.51.100.1"))
        assert len(asked) == 1


async def test_blocked_address_hears_what_the_door_would_say(limiter) -> None:
    async with asking() as (port, asked):
        here, door_ = [await answer_to(port, call(PSR_PATH, address)) for address in (KNOCKER, "198.51.100.1")]
    assert len(asked) == 1
    (head, body), (doors_head, doors_body) = here.split(b"\r\n\r\n"), door_.split(b"\r\n\r\n")
    assert body == doors_body == b"Too Many Requests: too_many_bad_tokens\n"
    (first, *headers), (doors_first, *doors_headers) = head.split(b"\r\n"), doors_head.split(b"\r\n")
    assert first == doors_first
    told, doors_told = [dict(line.lower().split(b": ") for line in lines) for lines in (headers, doors_headers)]
    assert told.pop(b"date")[:-6] == doors_told.pop(b"date")[:-6]
    assert told == doors_told


async def test_knocks_of_a_blocked_address_are_told_by_one_line_and_leave_nothing_behind(limiter, caplog) -> None:
    caplog.set_level(logging.INFO, door.__name__)
    gc.collect()
    gc.disable()
    try:
        async with asking() as (port, asked):
            for _ in range(KNOCKS):
                assert b" 429 " in await answer_to(port, call(PSR_PATH, KNOCKER))
            # What remains in circles is freed all at once by a collection, and all calls wait for that. Asked by type,
            # because a weak proxy among all these objects may be of something that is gone.
            remain = [held for held in gc.get_objects() if type(held) is PromptHttpProtocol]
            assert remain == []
    finally:
        gc.enable()
    assert asked == []
    # One a second, however slow the machine is.
    assert 1 <= [record.getMessage() for record in caplog.records].count("socket refused") < KNOCKS
