"""What may happen to a socket (docs/reference/faults-bridge.md), over real ones; another call must not notice."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from bridge.consumers.handshake import BAD_TOKENS_PER_MINUTE
from bridge.consumers.resume import live_legs
from campaigns.models import Call
from telephony.protocols.ucid import UcidServerCodec
from tests.bridge.lines.bystander import MAX_GAP_MS, bystander, let_bystander_in, speaks_on
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.frames import TEXT, frame
from tests.bridge.lines.test_frame_fuzz import knocks_badly, upgrade
from tests.bridge.lines.vendors import VENDORS, PsrVendor, UcidVendor, Vendor
from tests.bridge.serving import Bridge, Serving, closed_with, rows, until
from tests.factories import make_agent
from tests.fake_realtime import fake_realtime

pytestmark = pytest.mark.django_db(transaction=True)

PING_S = 0.3
KNOCKS = 1_000
# Who knocks shares the loop with the bridge and its caller here: more at once would measure the knocker's own turns.
KNOCKS_AT_ONCE = 8


def let_in_to_echo(protocol: str) -> str:
    return let_in(protocol, make_agent("Echo", kind="echo", config={"delay_ms": 0}))


@pytest.mark.parametrize("make", VENDORS, ids=lambda make: make.protocol)
async def test_line_that_is_half_open_is_noticed_by_its_silence(make: type[Vendor], serving: Serving):
    vendor, loop = make("c-1"), asyncio.get_running_loop()
    secret = await rows(let_in_to_echo, vendor.protocol)
    async with serving(ws_ping_interval=PING_S, ws_ping_timeout=PING_S) as bridge:
        # This peer is there and takes everything, but answers nothing any more: no pong, no FIN.
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(upgrade(vendor.path(secret)))
        await reader.readuntil(b"\r\n\r\n")
        for message in (*vendor.opening(), vendor.says(bytes(vendor.frame_ms * 16))):
            assert isinstance(message, str)
            writer.write(frame(TEXT, message.encode()))
        await bridge.begun()
        began_s = loop.time()
        await bridge.settled()
        # Two pings at the most, and the 0.2 s for which another socket is waited for.
        assert loop.time() - began_s < 2 * PING_S + 0.2 + 1.0
        writer.close()
        ((_, summary),) = bridge.desk.ends
    assert summary.ended_by == "socket_lost"


async def test_of_a_hundred_sockets_of_one_call_exactly_one_is_let_in(serving: Serving):
    vendor = PsrVendor("psr-1")
    path = vendor.path(await rows(let_in_to_echo, "psr"))
    codes: list[int] = []
    async with serving(capacity=200) as bridge:

        async def connect() -> None:
            try:
                async with bridge.connect(path, open_timeout=None) as socket:
                    codes.append(101)
                    await until(lambda: len(codes) == 100)
                    for message in (*vendor.opening(), *vendor.closing()):
                        await socket.send(message)
                    await closed_with(socket)
            except InvalidStatus as refused:
                codes.append(refused.response.status_code)

        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(connect())
        await bridge.settled()
        assert sorted(set(codes)) in ([101, 409], [101, 409, 410])
        assert codes.count(101) == 1
        assert await rows(Call.objects.count) == 1


async def test_call_whose_code_breaks_is_ended_and_no_other(serving: Serving, settings, monkeypatch):
    async with fake_realtime(speaks_on) as realtime, serving() as bridge:
        secret, token = await rows(let_in_to_echo, "ucid"), await rows(let_bystander_in)
        vendor = UcidVendor("c-1")
        async with bystander(bridge, token, realtime, settings) as listener:
            async with bridge.connect(vendor.path(secret)) as socket:
                for message in vendor.opening():
                    await socket.send(message)
                await until(lambda: len(live_legs._entries) == 2)
                monkeypatch.setattr(UcidServerCodec, "receive", lambda *_: 1 / 0)
                await socket.send(vendor.says(bytes(160)))
                assert await closed_with(socket) == 1011
            await until(lambda: len(bridge.desk.ends) == 1)
            await listener.hear_more(500)
            assert listener.longest_gap_ms <= MAX_GAP_MS
    assert next(summary.ended_by for _, summary in bridge.desk.ends) == "bridge_error"


async def test_those_who_try_bad_keys_by_the_hundred_are_not_heard_by_callers(serving: Serving, settings):
    async with fake_realtime(speaks_on) as realtime, serving() as bridge:
        token = await rows(let_bystander_in)
        async with bystander(bridge, token, realtime, settings) as listener:
            lines = await _knock(bridge)
            assert listener.longest_gap_ms <= MAX_GAP_MS
    told = {line: lines.count(line) for line in set(lines)}
    assert sum(told.values()) == KNOCKS
    # Twenty a minute are looked at, and those that came before the first was refused.
    assert set(told) <= {b"HTTP/1.1 401 Unauthorized", b"HTTP/1.1 429 Too Many Requests", b"HTTP/1.1 403 Forbidden"}
    assert told[b"HTTP/1.1 429 Too Many Requests"] > KNOCKS / 2


async def test_blocked_address_is_refused_whatever_it_brings_and_its_neighbour_is_not(serving: Serving):
    vendor, secret = UcidVendor("c-1"), await rows(let_in_to_echo, "ucid")
    here, next_door = ({"X-Forwarded-For": address} for address in ("203.0.113.7", "203.0.113.8"))
    async with serving() as bridge:
        told = [await bridge.refusal(vendor.path(f"{number:043}"), additional_headers=here) for number in range(22)]
        assert told == [401] * BAD_TOKENS_PER_MINUTE + [429, 429]
        assert await bridge.refusal(vendor.path(secret), additional_headers=here) == 429
        assert await bridge.refusal("nowhere", additional_headers=here) == 404
        async with bridge.connect(vendor.path(secret), additional_headers=next_door) as socket:
            for message in (*vendor.opening(), *vendor.closing()):
                await socket.send(message)
            await closed_with(socket)
        await bridge.settled()
        assert len(bridge.desk.ends) == 1


async def _knock(bridge: Bridge) -> list[bytes]:
    seats = asyncio.Semaphore(KNOCKS_AT_ONCE)

    async def once(number: int) -> bytes:
        path = UcidVendor("c").path(f"{number:043}") if number % 2 else PsrVendor("c").path(f"{number:043}.forged")
        async with seats:
            return await knocks_badly(bridge, upgrade(path))

    async with asyncio.TaskGroup() as group:
        knocks = [group.create_task(once(number)) for number in range(KNOCKS)]
    return [knock.result() for knock in knocks]
