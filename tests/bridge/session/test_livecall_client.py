"""A call of a LiveCall client, on virtual time: what the client gets to play, and how its call ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.agents.base import AgentEvent, Audio, AudioDone, Brief, EndCall, Transfer
from bridge.session import EndedBy
from telephony.protocols.events import Handshake, TransferTarget
from telephony.protocols.livecall import (
    AudioOutput,
    GatewayFault,
    KillAudio,
    LiveCallClientCodec,
    LiveCallServerCodec,
    TransferCall,
)
from telephony.protocols.livecall import (
    EndCall as EndCallSignal,
)
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, play_call, vowel
from tests.bridge.virtual_time import run

CALL_ID, NUMBER = "c-1", "+84901234567"
STAFF = (TransferTarget("101", "Lan"), TransferTarget("102", "Minh"))


def client() -> LiveCallClientCodec:
    return LiveCallClientCodec(CALL_ID, NUMBER)


def codec(**options) -> LiveCallServerCodec:
    return LiveCallServerCodec(Handshake({"call_id": CALL_ID, "customer_phone_number": NUMBER}), **options)


async def say(leg: ScriptedLeg, pcm: bytes) -> None:
    """Say 8 kHz audio in pieces of 128 ms, as browsers do."""
    for at in range(0, len(pcm), 2048):
        await asyncio.sleep(0.128)
        leg.say(client().play_audio(pcm[at : at + 2048]))


async def talks(leg: ScriptedLeg) -> None:
    leg.say(client().initial_info())
    await say(leg, bytes(16_000 * 20))


def understood(leg: ScriptedLeg):
    return [(at, client().receive(message)) for at, message in leg.sent]


def says(duration_s: float, *ends: AgentEvent):
    async def script(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
        yield Audio("a", b"\x11\x11" * int(duration_s * 8000))
        yield AudioDone("a")
        for end in ends:
            yield end
        await asyncio.sleep(600)

    return script


def test_farewell_is_played_whole_before_the_call_is_ended():
    call = run(play_call(talks, says(4, EndCall()), codec=codec()))

    *outputs, (at, last) = understood(call.leg)
    assert b"".join(out.pcm for _, out in outputs if isinstance(out, AudioOutput)) == b"\x11\x11" * 32_000
    assert last == EndCallSignal()
    assert at == pytest.approx(4.15, abs=0.05)
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.AGENT_HANGUP, 1000)
    assert call.summary.duration_ms == pytest.approx(at * 1000, abs=100)


def test_customer_is_handed_to_all_staff_at_once():
    brief = Brief("call-1", transfer_targets=STAFF)
    call = run(play_call(talks, says(0.1, Transfer(STAFF, "tool-1")), codec=codec(), brief=brief))

    assert understood(call.leg)[-1][1] == TransferCall(STAFF)
    assert call.summary.ended_by is EndedBy.TRANSFER


def test_agent_hears_the_client_at_the_rate_of_the_call():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say(client().initial_info())
        await say(leg, vowel(2048))
        leg.say(client().disconnect())

    call = run(play_call(vendor, says(0), codec=codec(in_rate_hz=8000)))

    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert bytes(call.agent.heard) == vowel(2048)


@pytest.mark.parametrize("has_kill_audio", [True, False])
def test_client_that_can_drops_its_queue_when_the_customer_interrupts(has_kill_audio):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say(client().initial_info())
        await say(leg, bytes(16_000))
        await say(leg, vowel(640))
        await say(leg, bytes(16_000))
        leg.say(client().disconnect())

    call = run(play_call(vendor, says(20), codec=codec(has_kill_audio=has_kill_audio)))

    assert call.summary.counters.interruptions == 1
    assert [answer for _, answer in understood(call.leg)].count(KillAudio()) == has_kill_audio


def test_client_that_contradicts_its_path_is_told_and_left():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say(LiveCallClientCodec(CALL_ID, "+84901234568").initial_info())
        await asyncio.sleep(60)

    call = run(play_call(vendor, says(1), codec=codec()))

    answers = [answer for _, answer in understood(call.leg)]
    assert answers == [GatewayFault(400, "number_differs"), EndCallSignal()]
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.PEER_VIOLATION, 4400)


def test_client_that_never_introduces_itself_is_left_after_ten_seconds():
    async def vendor(leg: ScriptedLeg) -> None:
        await say(leg, bytes(16_000 * 20))

    call = run(play_call(vendor, says(1), codec=codec()))

    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.MEDIA_LOST, 4408)
    assert call.summary.duration_ms == 10_000
    assert bytes(call.agent.heard) == b""
    assert not [answer for _, answer in understood(call.leg) if isinstance(answer, AudioOutput)]
