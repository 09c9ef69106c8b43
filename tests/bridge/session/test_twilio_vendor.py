"""A call over Twilio, on virtual time: a switch that plays in real time and returns marks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import pytest

from bridge.agents.base import AgentEvent, Audio, AudioDone, EndCall, Speaker, Transcript
from bridge.session import EndedBy
from telephony.protocols.twilio import ClearAction, MarkAction, MediaAction, TwilioClientCodec, TwilioServerCodec
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, play_call, vowel
from tests.bridge.virtual_time import run

TEXT = "one two three four five six seven eight"


class Switch:
    """Twilio's side: plays what comes `delay_s` late, returns marks, drops all on `clear`."""

    def __init__(self, delay_s: float) -> None:
        self.codec = TwilioClientCodec("MZ1", "CA1")
        self.played_ms = 0
        self._delay_s = delay_s

    async def play(self, leg: ScriptedLeg, until_s: float) -> None:
        """Play for `until_s` of the loop's clock."""
        loop = asyncio.get_running_loop()
        read, queue, free_at_s = 0, deque[tuple[float, MarkAction]](), 0.0
        while loop.time() < until_s:
            for at_s, message in leg.sent[read:]:
                match self.codec.receive(message):
                    case MediaAction(pcm=pcm):
                        free_at_s = max(free_at_s, at_s + self._delay_s) + len(pcm) / 16_000
                        self.played_ms += len(pcm) // 16
                    case MarkAction() as mark:
                        queue.append((free_at_s, mark))
                    case ClearAction():
                        free_at_s = loop.time()
                        queue = deque((free_at_s, mark) for _, mark in queue)
            read = len(leg.sent)
            while queue and queue[0][0] <= loop.time():
                leg.say(self.codec.mark(queue.popleft()[1].name))
            await asyncio.sleep(0.01)

    async def say(self, leg: ScriptedLeg, pcm: bytes) -> None:
        for at in range(0, len(pcm), 320):
            await asyncio.sleep(0.02)
            leg.say(self.codec.media(pcm[at : at + 320]))


def says(duration_s: float, *ends: AgentEvent):
    async def script(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
        yield Transcript(Speaker.AGENT, "a", TEXT)
        yield Audio("a", b"\x11\x11" * int(duration_s * 8000))
        yield AudioDone("a")
        for end in ends:
            yield end
        await asyncio.sleep(600)

    return script


def test_call_is_ended_by_closing_the_socket_once_the_farewell_was_heard():
    switch = Switch(delay_s=0.15)

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say(switch.codec.connected())
        leg.say(switch.codec.start())
        async with asyncio.TaskGroup() as group:
            group.create_task(switch.say(leg, bytes(16_000 * 10)))
            group.create_task(switch.play(leg, 10))

    call = run(play_call(vendor, says(4, EndCall()), codec=TwilioServerCodec()))

    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.AGENT_HANGUP, 1000)
    assert call.summary.duration_ms == pytest.approx(4150, abs=100)
    assert switch.played_ms == 4000
    assert call.summary.counters.bad_messages == 0


@pytest.mark.parametrize("delay_s", [0.15, 0.6])
def test_interruption_cuts_where_the_switch_really_was(delay_s):
    switch = Switch(delay_s)

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say(switch.codec.connected())
        leg.say(switch.codec.start())
        async with asyncio.TaskGroup() as group:
            group.create_task(switch.play(leg, 8))
            await switch.say(leg, bytes(16_000 * 3))
            await switch.say(leg, vowel(600))
            await switch.say(leg, bytes(16_000 * 2))
            leg.say(switch.codec.stop())

    call = run(play_call(vendor, says(8), codec=TwilioServerCodec()))

    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert [action for _, action in map(understood, call.leg.sent)].count(ClearAction()) == 1
    ((_, item_id, heard_ms),) = [entry for entry in call.agent.log if entry[0] == "interrupt"]
    # The customer is heard 200 ms into speaking; a mark behind every 100 ms says where the agent is.
    assert item_id == "a"
    assert heard_ms == pytest.approx((3.2 - delay_s) * 1000, abs=130)


def understood(sent: tuple[float, str | bytes]):
    return sent[0], TwilioClientCodec("MZ1", "CA1").receive(sent[1])
