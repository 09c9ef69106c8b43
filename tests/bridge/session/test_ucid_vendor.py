"""A call of a ucid vendor, on virtual time: what the vendor's side really gets to play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bridge.agents.base import AgentEvent, Audio, AudioDone, Brief, EndCall, Transfer
from bridge.session import EndedBy, PrepareTransfer
from telephony.protocols.events import TransferTarget
from telephony.protocols.ucid import ClearAction, DisconnectAction, PacketAction, UcidClientCodec, UcidServerCodec
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, play_call, vowel
from tests.bridge.virtual_time import run

UCID = "9171763700000123"
TARGET = TransferTarget("+918012345678")


async def listen(leg: ScriptedLeg, duration_s: float) -> UcidClientCodec:
    """Start the call and send silence in packets of 10 ms."""
    vendor = UcidClientCodec(UCID)
    leg.say(vendor.start())
    await say(leg, vendor, bytes(int(duration_s * 16_000)))
    return vendor


async def say(leg: ScriptedLeg, vendor: UcidClientCodec, pcm: bytes) -> None:
    for at in range(0, len(pcm), 160):
        await asyncio.sleep(0.01)
        leg.say(vendor.media(pcm[at : at + 160]))


def understood(leg: ScriptedLeg):
    vendor = UcidClientCodec(UCID)
    return [(at, vendor.receive(message)) for at, message in leg.sent]


def packets_of(leg: ScriptedLeg) -> list[tuple[float, PacketAction]]:
    return [(at, action) for at, action in understood(leg) if isinstance(action, PacketAction)]


async def speaks(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
    for _ in range(10):
        yield Audio("greeting", b"\x11\x11" * 837)
    yield AudioDone("greeting")
    await asyncio.sleep(600)


def test_speech_leaves_as_whole_packets_a_short_lead_ahead():
    async def vendor(leg: ScriptedLeg) -> None:
        peer = await listen(leg, 3)
        leg.say(peer.stop(433))

    call = run(play_call(vendor, speaks, codec=UcidServerCodec()))

    packets = packets_of(call.leg)
    assert b"".join(packet.pcm for _, packet in packets) == b"\x11\x11" * 8370 + bytes(2 * 30)
    assert not any(packet.is_repeated for _, packet in packets)
    started = packets[0][0]
    leads_ms = [10 * number - (at - started) * 1000 for number, (at, _) in enumerate(packets)]
    assert -1 <= min(leads_ms) <= max(leads_ms) <= 100
    assert (call.summary.ended_by, call.summary.detail) == (EndedBy.CUSTOMER_HANGUP, "433")


def test_caller_who_speaks_over_the_agent_clears_the_vendors_buffer():
    async def vendor(leg: ScriptedLeg) -> None:
        peer = await listen(leg, 0.5)
        await say(leg, peer, vowel(500))
        last = packets_of(leg)[-1][1]
        leg.say(peer.mark(last.seqid, 1_763_700_001_234))
        await say(leg, peer, bytes(16_000))
        leg.say(peer.stop())

    call = run(play_call(vendor, speaks, codec=UcidServerCodec()))

    actions = [action for _, action in understood(call.leg)]
    assert actions.count(ClearAction()) == 1
    assert actions[-1] == ClearAction()
    assert call.summary.counters.interruptions == 1
    assert call.summary.counters.bad_messages == 0


def test_agent_that_hangs_up_ends_the_stream_when_it_was_heard():
    async def hangs_up(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
        await asyncio.sleep(4)
        yield Audio("bye", bytes(16_000))
        yield AudioDone("bye")
        yield EndCall()
        await asyncio.sleep(600)

    async def vendor(leg: ScriptedLeg) -> None:
        await listen(leg, 8)

    call = run(play_call(vendor, hangs_up, codec=UcidServerCodec(confirms_hangup=False)))

    (*_, (_, last_packet), (at, action)) = understood(call.leg)
    assert isinstance(last_packet, PacketAction)
    assert action == DisconnectAction(200)
    assert 5.0 <= at <= 5.3
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.AGENT_HANGUP, 1000)


def test_transfer_is_noted_before_the_stream_ends():
    async def transfers(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
        await asyncio.sleep(4)
        yield Transfer((TARGET,), "tool-1")
        await asyncio.sleep(600)

    async def vendor(leg: ScriptedLeg) -> None:
        peer = await listen(leg, 5)
        leg.say(peer.stop())

    brief = Brief("call-1", transfer_targets=(TARGET,))
    call = run(play_call(vendor, transfers, codec=UcidServerCodec(), brief=brief))

    assert call.sink.actions == [PrepareTransfer((TARGET,))]
    assert understood(call.leg)[-1][1] == DisconnectAction(200)
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.TRANSFER, TARGET.number)
