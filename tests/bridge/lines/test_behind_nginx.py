"""Calls through the nginx of the documentation: it lets them in, carries them, and ends none that is quiet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bridge.lines.nginx import nginx_binary, proxying
from tests.bridge.lines.test_faults import let_in_to_echo
from tests.bridge.lines.vendors import VENDORS, Play, UcidVendor, Vendor
from tests.bridge.serving import Bridge, Serving, closed_with, rows, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(nginx_binary() is None, reason="there is no nginx on this machine"),
]

FRAMES = 50
QUIET_S = 2.0


def behind(bridge: Bridge, port: int) -> Bridge:
    """The same bridge, as those outside see it."""
    return Bridge(port, bridge.desk)


@pytest.mark.parametrize("make", VENDORS, ids=lambda make: make.protocol)
async def test_call_is_carried_both_ways_through_nginx(make: type[Vendor], serving: Serving, tmp_path: Path):
    vendor, heard, longest = make("c-1"), bytearray(), 0
    secret = await rows(let_in_to_echo, vendor.protocol)
    tone = bytes(range(1, 1 + vendor.frame_ms)) * 16
    async with serving() as bridge, proxying(bridge.port, tmp_path) as port:
        async with behind(bridge, port).connect(vendor.path(secret)) as socket:
            for message in vendor.opening():
                await socket.send(message)
            for _ in range(FRAMES):
                message = vendor.says(tone)
                longest = max(longest, len(message))
                await socket.send(message)
                await asyncio.sleep(vendor.frame_ms / 1000)
            while len(heard) < len(tone) * FRAMES // 2:
                deed = vendor.understands(await socket.recv())
                heard += deed.pcm if isinstance(deed, Play) else b""
            for message in vendor.closing():
                await socket.send(message)
            assert await closed_with(socket) == 1000
        await bridge.settled()
        ((_, summary),) = bridge.desk.ends
    assert summary.ended_by == "customer_hangup"
    # The frames of a call: none is so small or so large that nginx would treat it as another.
    assert 200 < longest < 2_000


async def test_close_codes_and_refusals_come_through_nginx(serving: Serving, tmp_path: Path):
    vendor = UcidVendor("c-1")
    path = vendor.path(await rows(let_in_to_echo, "ucid"))
    async with serving() as bridge, proxying(bridge.port, tmp_path) as port:
        outside = behind(bridge, port)
        assert await outside.refusal(vendor.path("x" * 43)) == 401
        assert await outside.refusal("ws") == 401
        async with outside.connect(path) as socket:
            await socket.send('{"event":"start","ucid":"","type":"text"}')
            # Ours, to the vendor.
            assert await closed_with(socket) == 4400
        async with outside.connect(path) as socket:
            for message in vendor.opening():
                await socket.send(message)
            await bridge.begun()
            # The vendor's, to us.
            await socket.close(1000)
        await bridge.settled()
        async with outside.connect(path) as socket:
            for message in vendor.opening():
                await socket.send(message)
            await bridge.begun()
            socket.transport.abort()
            await until(lambda: len(bridge.desk.ends) == 2)
        assert [summary.ended_by for _, summary in bridge.desk.ends] == ["vendor_closed", "socket_lost"]


@pytest.mark.parametrize(("ping_s", "is_kept"), [(0.3, True), (None, False)])
async def test_quiet_line_lives_by_its_pings_where_nginx_is_impatient(
    ping_s: float | None, is_kept: bool, serving: Serving, tmp_path: Path
):
    """As with nginx's own 60 s and the bridge's 10 s; both shorter here."""
    vendor = UcidVendor("c-1")
    path = vendor.path(await rows(let_in_to_echo, "ucid"))
    async with serving(ws_ping_interval=ping_s) as bridge, proxying(bridge.port, tmp_path, "1s") as port:
        async with behind(bridge, port).connect(path, ping_interval=None) as socket:
            for message in (*vendor.opening(), vendor.says(bytes(160))):
                await socket.send(message)
            await bridge.begun()
            await asyncio.sleep(QUIET_S)
            assert (socket.close_code is None) is is_kept
            if is_kept:
                await socket.send(vendor.closing()[0])
        await bridge.settled()
        ((_, summary),) = bridge.desk.ends
    assert summary.ended_by == ("customer_hangup" if is_kept else "socket_lost")
