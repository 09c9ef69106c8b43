"""An agent that takes back what was not heard yet."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import Audio, AudioDone, EndCall, Speaker, StopSpeaking, Transcript
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, WordCodec, play_call
from tests.bridge.virtual_time import run


def test_agent_that_stops_itself_is_told_how_much_was_heard():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(3_600)

    async def agent(_: ScriptedAgent):
        yield Transcript(Speaker.AGENT, "a", "one two three four")
        yield Audio("a", bytes(64_000))
        await asyncio.sleep(2)
        yield StopSpeaking()
        yield StopSpeaking()
        yield Audio("b", bytes(8_000))
        yield AudioDone("b")
        yield EndCall()
        await asyncio.Event().wait()

    call = run(play_call(vendor, agent, codec=WordCodec(has_flush=True)))
    assert [turn.heard_text for turn in call.sink.turns if turn.is_interrupted] == ["one two"]
    assert call.agent.log[0] == ("interrupt", "a", pytest.approx(1_920, abs=5))
    assert call.summary.counters.interruptions == 1
    assert call.leg.words == ["flush", "hangup"]
