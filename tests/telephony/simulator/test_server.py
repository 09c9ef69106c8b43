"""Starting and stopping."""

from __future__ import annotations

import socket

import pytest

from telephony.simulator.options import Options
from telephony.simulator.server import running
from tests.telephony.simulator.desk import desk


async def test_stopping_tells_the_bot_and_ends_the_call() -> None:
    async with desk() as it:
        await it.dial("0901234551")
        while not it.bot.sockets:
            await it.client.get("/sim/health")
        ledger = it.simulator.ledger
    (call,) = ledger.as_json()["calls"]
    assert (it.bot.sockets[0].sent[-1], call["ended_by"], ledger.open_calls) == ("closed", "simulator", 0)


async def test_stopping_while_it_rings_ends_the_call_at_once() -> None:
    async with desk(ring_min_s=500, ring_max_s=500) as it:
        await it.dial("0901234500")
        ledger = it.simulator.ledger
    assert [call["ended_by"] for call in ledger.as_json()["calls"]] == ["simulator"]


async def test_a_taken_port_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with running(Options(port=taken.getsockname()[1])):
            pass


async def test_the_same_seed_and_number_give_the_same_call() -> None:
    seen = []
    for _ in range(2):
        async with desk(chunk_ms=None) as it:
            record = await it.call("0901234553")
            seen.append([line.get("packet_ms") for line in record["events"] if line["event"] == "connected"])
    assert seen[0] == seen[1]
