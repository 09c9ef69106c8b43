"""A vendor that sends too much, or what nobody can read: what it is told, and that it costs us nothing."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import AudioDone
from bridge.session import EndedBy, Limits
from bridge.session.inbox import MAX_NOTICES
from tests.bridge.session.fakes import SILENCE, ScriptedAgent, ScriptedLeg, WordCodec, play_call
from tests.bridge.session.test_call import says_nothing, talks_forever
from tests.bridge.virtual_time import run


async def speaks_nonsense(leg: ScriptedLeg) -> None:
    leg.say("open")
    for _ in range(10):
        leg.say("???")
    await leg.silence(60)


async def says_nothing_at_all(_: ScriptedLeg) -> None:
    await asyncio.sleep(60)


async def sends_too_much_at_once(leg: ScriptedLeg) -> None:
    leg.say("open")
    leg.say(bytes(256 * 1024 + 2))
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("vendor", "close_code", "detail"),
    [
        (speaks_nonsense, 4400, "10 unreadable messages"),
        (says_nothing_at_all, 4408, "no event after the socket opened"),
        (sends_too_much_at_once, 1009, "message of 262146 bytes"),
    ],
)
def test_vendor_is_told_what_it_did_wrong(vendor, close_code, detail):
    call = run(play_call(vendor, says_nothing, codec=WordCodec(tells_all=True)))
    assert call.leg.words == [f"your error: {detail}", "hangup"]
    assert (call.leg.closed_with, call.summary.detail) == (close_code, detail)


def test_fault_of_ours_is_told_without_its_details():
    legs = []

    async def vendor(leg: ScriptedLeg) -> None:
        legs.append(leg)
        await talks_forever(leg)

    async def agent(_: ScriptedAgent):
        yield AudioDone("none")
        raise ZeroDivisionError("a secret of ours")

    with pytest.raises(ExceptionGroup):
        run(play_call(vendor, agent, codec=WordCodec(tells_all=True)))
    assert legs[0].words == ["our error: the bridge cannot go on", "hangup"]
    assert legs[0].closed_with == 1011


def test_flood_is_read_no_faster_than_its_share_and_ended_after_five_seconds():
    read_at_s = []

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        while True:
            for _ in range(50):
                leg.say(SILENCE)
            await asyncio.sleep(0.02)

    class CountingCodec(WordCodec):
        def receive(self, message):
            read_at_s.append(asyncio.get_running_loop().time())
            return super().receive(message)

    call = run(play_call(vendor, says_nothing, codec=CountingCodec()))
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.PEER_VIOLATION, 4429)
    assert call.summary.duration_ms == pytest.approx(5_000, abs=1_000)
    for second in range(5):
        assert len([at_s for at_s in read_at_s if second <= at_s < second + 1]) <= 202
    # What the agent does not take in time gives way: two seconds of audio wait, however much was sent.
    assert call.summary.counters.flood_pauses >= 4


def test_burst_after_a_stall_is_no_flood():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await asyncio.sleep(6)
        for _ in range(300):
            leg.say(SILENCE)
        await leg.silence(10)
        leg.say("bye")

    call = run(play_call(vendor, says_nothing))
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert call.summary.counters.frames_in == 800
    assert call.summary.counters.flood_pauses == 1


def test_keys_pressed_by_a_machine_wait_in_a_bounded_queue():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        for _ in range(10):
            for _ in range(100):
                leg.say("key 1")
            await asyncio.sleep(1)
        leg.say("bye")

    call = run(play_call(vendor, says_nothing, connect_s=4.0, limits=Limits(agent_connect_s=100)))
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert len(call.agent.log) <= MAX_NOTICES + 600
