"""Twenty calls for minutes on one bridge process: its memory stays where it was (`make soak`).

`SOAK_MINUTES` says how long, 1 by default and at most 25, for a call may last half an hour.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from telephony.protocols.psr import PsrClientCodec
from tests.bridge.server.test_process import NOW_MS, Bridge, bridge

__all__ = ["bridge"]  # the fixture

CALLS = 20
MINUTES = min(25.0, float(os.environ.get("SOAK_MINUTES", "1")))
# Source: reliability B.4 (B26).
ALLOWED_MIB_PER_CALL_HOUR = 1.0
# What the allocator may take and keep within a run of any length.
ALLOWED_MIB = 8.0
# The first quarter fills caches and pools.
WARM_UP_SHARE = 0.25
LOOK_EVERY_S = 2.0
TONE = b"\x10\x01" * 160


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def talk(url: str, number: int) -> None:
    """Speak to the echo until cancelled, and forget what it says."""
    codec, loop = PsrClientCodec(f"psr-{number}"), asyncio.get_running_loop()
    message = codec.media(NOW_MS, TONE)
    async with connect(url, proxy=None) as socket, asyncio.TaskGroup() as group:
        await socket.send(codec.connected(NOW_MS))

        async def forget() -> None:
            with suppress(ConnectionClosed):
                while True:
                    await socket.recv()

        group.create_task(forget())
        next_s = loop.time()
        while True:
            await socket.send(message)
            next_s += 0.02
            await asyncio.sleep(next_s - loop.time())


async def soak(bridge: Bridge, tokens: list[str]) -> list[float]:
    """Memory after the warm-up, looked at again and again, MiB."""
    sizes: list[float] = []
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(talk(bridge.url(token, f"call_id=psr-{number}"), number))
            for number, token in enumerate(tokens)
        ]
        await asyncio.sleep(MINUTES * 60 * WARM_UP_SHARE)
        for _ in range(int(MINUTES * 60 * (1 - WARM_UP_SHARE) / LOOK_EVERY_S)):
            await asyncio.sleep(LOOK_EVERY_S)
            assert not any(call.done() for call in calls)
            sizes.append(resident_mib(bridge.process.pid))
        for call in calls:
            call.cancel()
    return sizes


@pytest.mark.soak
@pytest.mark.timeout(30 * 60)
def test_memory_of_long_calls_does_not_grow(bridge: Bridge) -> None:
    files = open_files(bridge.process.pid)
    sizes = asyncio.run(soak(bridge, bridge.tokens(CALLS)))
    call_hours = CALLS * MINUTES * (1 - WARM_UP_SHARE) / 60
    half = len(sizes) // 2
    growth_mib = sum(sizes[half:]) / (len(sizes) - half) - sum(sizes[:half]) / half
    print(f"{CALLS} calls, {MINUTES} min: {sizes[0]:.1f} to {sizes[-1]:.1f} MiB, later half {growth_mib:+.2f} MiB")
    assert growth_mib <= ALLOWED_MIB + ALLOWED_MIB_PER_CALL_HOUR * call_hours / 2
    assert bridge.rows("SELECT count(*) FROM campaigns_call") == [(CALLS,)]
    assert open_files(bridge.process.pid) <= files + 4 * CALLS
