"""Clients that break RFC 6455 in every way we know, at every door, while another call goes on undisturbed."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.server import requests
from campaigns.models import Call
from tests.bridge.lines.bystander import MAX_GAP_MS, bystander, let_bystander_in, speaks_on
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.frames import CASES, SILENCE, TEXT, Case, close, frame
from tests.bridge.lines.vendors import VENDORS, PsrVendor, Vendor
from tests.bridge.serving import Bridge, Serving, rows, until
from tests.factories import make_agent
from tests.fake_realtime import fake_realtime

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 90.0
ANSWER_S = 5.0
AT_ONCE = 8
WARM_UP_CALLS = 20
# What the allocator keeps, and what the test itself remembers of some hundred calls.
MAX_GROWTH_BYTES = 30 * 1024 * 1024
# A reset may overtake the answer while the client is still sending.
LONG_STREAM_BYTES = 60_000


def upgrade(path: str) -> bytes:
    return (
        f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def close_code_in(answer: bytes) -> int | None:
    """The code in the server's close frame, 1005 where it has none; None where there is no such frame."""
    at = 0
    while at + 2 <= len(answer):
        length = answer[at + 1]
        at_payload = at + 2
        if length == 126:
            length, at_payload = struct.unpack_from("!H", answer, at + 2)[0], at + 4
        elif length == 127:
            length, at_payload = struct.unpack_from("!Q", answer, at + 2)[0], at + 10
        if answer[at] == 0x88:
            return struct.unpack_from("!H", answer, at_payload)[0] if length >= 2 else 1005
        at = at_payload + length
    return None


async def breaks_the_rules(bridge: Bridge, vendor: Vendor, secret: str, case: Case) -> int | None:
    """Begin a call, hear its agent, and send the case; the code the bridge closed with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    answer = b""
    try:
        writer.write(upgrade(vendor.path(secret)))
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        tone = b"\x10\x10" * (vendor.frame_ms * 8)
        for message in (*vendor.opening(), *(vendor.says(tone) for _ in range(200 // vendor.frame_ms))):
            assert isinstance(message, str)
            writer.write(frame(TEXT, message.encode()))
        answer = await reader.readexactly(1)
        with suppress(OSError):
            writer.write(case.stream)
            if case.is_cut:
                await asyncio.sleep(0.02)
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return None
            if case.is_half:
                writer.write_eof()
            elif 1000 in case.codes:
                writer.write(close(1000))
            await writer.drain()
            async with asyncio.timeout(ANSWER_S):
                while more := await reader.read(65_536):
                    answer += more
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return close_code_in(answer)


def let_all_in() -> tuple[dict[tuple[type[Vendor], Case], str], str]:
    echo = make_agent("Echo", kind="echo", config={"delay_ms": 0})
    keys = {make: let_in(make.protocol, echo) for make in VENDORS if make is not PsrVendor}
    secrets = {
        (make, case): keys[make] if make in keys else let_in(make.protocol, echo) for make in VENDORS for case in CASES
    }
    return secrets, let_bystander_in()


def resources() -> tuple[int, int, int]:
    """Open files, tasks of this loop, and resident bytes of this process."""
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        len(list(Path("/proc/self/fd").iterdir())),
        len(asyncio.all_tasks()),
        resident_pages * os.sysconf("SC_PAGE_SIZE"),
    )


async def test_no_frame_ends_more_than_its_own_call(serving: Serving, settings):
    settings.RESUME_GRACE_S = 0
    # What earlier tests left must not go in between; collecting it later would hold up the line that is listened to.
    gc.collect()
    wrong: list[tuple[str, str, int | None]] = []
    async with (
        fake_realtime(speaks_on) as realtime,
        serving(capacity=AT_ONCE + 4, deadline_s=DEADLINE_S) as bridge,
    ):
        secrets, token = await rows(let_all_in)
        async with bystander(bridge, token, realtime, settings) as listener:
            seats = asyncio.Semaphore(AT_ONCE)

            async def play(number: int, make: type[Vendor], case: Case, secret: str) -> None:
                async with seats:
                    code = await breaks_the_rules(bridge, make(f"{make.protocol}-{number}"), secret, case)
                is_answered = code in case.codes or (code is None and case.codes == SILENCE)
                is_overtaken = code is None and (len(case.stream) > LONG_STREAM_BYTES or case.is_half)
                if not (is_answered or is_overtaken):
                    wrong.append((make.protocol, case.name, code))

            async def play_all(numbers: range) -> tuple[int, int, int]:
                async with asyncio.TaskGroup() as clients:
                    for number in numbers:
                        clients.create_task(play(number, *todo[number]))
                await until(lambda: bridge.desk.live_calls == 1 and not bridge.desk.finishing)
                return resources()

            todo = [(make, case, secret) for (make, case), secret in secrets.items()]
            # The first calls load what is loaded once.
            before = await play_all(range(WARM_UP_CALLS))
            after = await play_all(range(WARM_UP_CALLS, len(todo)))
            heard_ms, gap_ms = listener.heard_ms, listener.longest_gap_ms
        await bridge.settled()
        ends = Counter(call_id for call_id, _ in bridge.desk.ends)
        made = await rows(lambda: dict(Call.objects.values_list("pk", "ended_at")))
    assert wrong == []
    assert set(ends) == set(made)
    assert set(ends.values()) == {1}
    assert len(made) == len(secrets) + 1
    assert None not in made.values()
    assert heard_ms > 5_000
    assert gap_ms <= MAX_GAP_MS
    assert after[0] - before[0] <= 5
    assert after[1] - before[1] <= 3
    assert after[2] - before[2] <= MAX_GROWTH_BYTES


# What stands in the place of the handshake, made of a good one.
HANDSHAKES: dict[str, Callable[[bytes], bytes]] = {
    "the hello of TLS": lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "noise": lambda _: bytes(range(256)) * 4,
    "a WebSocket frame": lambda _: frame(TEXT, b'{"event":"start"}'),
    "another protocol": lambda good: good.replace(b"HTTP/1.1", b"FTP/1.1"),
    "a POST": lambda good: good.replace(b"GET ", b"POST "),
    "no key": lambda good: good.replace(b"Sec-WebSocket-Key", b"X-Key"),
    "a key that is none": lambda good: good.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
    "two keys": lambda good: good[:-2] + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "version 7": lambda good: good.replace(b"Version: 13", b"Version: 7"),
    "a header of 100 KiB": lambda good: good[:-2] + b"X-Long: " + b"x" * 102_400 + b"\r\n\r\n",
    "ten thousand headers": lambda good: good[:-2] + b"X-More: 1\r\n" * 10_000 + b"\r\n",
    "a header with a NUL": lambda good: good[:-2] + b"X-Odd: a\x00b\r\n\r\n",
    "a space in the path": lambda good: good.replace(b" HTTP", b" more HTTP"),
    "a path that is no ASCII": lambda good: good.replace(b" HTTP", b"\xff HTTP"),
    "an origin": lambda good: good[:-2] + b"Origin: https://evil.example\r\n\r\n",
    "a path above the door": lambda good: good.replace(b"GET /", b"GET /../"),
    "half of it": lambda good: good[: len(good) // 2],
    "all but the last byte": lambda good: good[:-1],
    "nothing": lambda _: b"",
}


async def knocks_badly(bridge: Bridge, handshake: bytes) -> bytes:
    """The first line of what the server answers, empty where it only hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    answer = b""
    with suppress(OSError):
        writer.write(handshake)
        async with asyncio.timeout(ANSWER_S):
            while more := await reader.read(65_536):
                answer += more
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return answer.partition(b"\r\n")[0]


async def test_no_bad_handshake_opens_a_call_or_is_waited_for(serving: Serving, monkeypatch):
    monkeypatch.setattr(requests, "HEAD_S", 0.5)
    secrets = await rows(lambda: {make: let_in(make.protocol, make_agent(kind="echo")) for make in VENDORS})
    async with serving() as bridge, asyncio.TaskGroup() as group:
        answers = {
            (make.protocol, name): group.create_task(knocks_badly(bridge, spoil(upgrade(make("c-1").path(secret)))))
            for make, secret in secrets.items()
            for name, spoil in HANDSHAKES.items()
        }
    lines = {door: answer.result() for door, answer in answers.items()}
    assert {door: line for door, line in lines.items() if not re.match(rb"$|HTTP/1.1 4\d\d ", line)} == {}
    assert bridge.desk.ends == []
    assert await rows(Call.objects.count) == 0
