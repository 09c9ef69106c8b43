"""Who may stop the agent, and what is cut where it is stopped."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import Audio, AudioDone, BargeIn, EndCall, Speaker, StopSpeaking, Transcript, UserSpeech
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, WordCodec, play_call, vowel
from tests.bridge.session.test_call import SECOND, says, sentence
from tests.bridge.virtual_time import run

SPEECH = UserSpeech(is_speaking=True, at_ms=0)


async def speaks_over(leg: ScriptedLeg) -> None:
    leg.say("open")
    leg.answer("hangup", "bye")
    await leg.silence(1)
    await leg.stream(vowel(600))
    await leg.silence(8)
    leg.say("bye")


@pytest.mark.parametrize(("barge_in", "interruptions"), [(BargeIn.BRIDGE, 1), (BargeIn.AGENT, 0), (BargeIn.OFF, 0)])
def test_bridge_hears_an_interruption_where_it_is_its_business(barge_in, interruptions):
    call = run(play_call(speaks_over, says(*sentence("a", "a story", 5)), barge_in=barge_in))
    assert call.summary.counters.interruptions == interruptions


@pytest.mark.parametrize(("barge_in", "interruptions"), [(BargeIn.BRIDGE, 0), (BargeIn.AGENT, 1), (BargeIn.OFF, 0)])
def test_agent_hears_an_interruption_where_it_is_its_business(barge_in, interruptions):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(8)
        leg.say("bye")

    async def agent(_: ScriptedAgent):
        yield SPEECH
        for event in sentence("a", "a story", 4):
            yield event
        await asyncio.sleep(1)
        yield SPEECH
        await asyncio.sleep(5)
        yield SPEECH
        await asyncio.Event().wait()

    call = run(play_call(vendor, agent, barge_in=barge_in))
    # Before the agent speaks and after it was heard there is nothing to interrupt.
    assert call.summary.counters.interruptions == interruptions


@pytest.mark.parametrize("has_flush", [True, False])
def test_unsent_audio_is_dropped_at_once(has_flush):
    codec = WordCodec(has_flush=has_flush)
    call = run(play_call(speaks_over, says(*sentence("a", "a story", 8)), codec=codec))
    (turn,) = call.sink.turns
    assert turn.end_ms is not None
    last_audio_s = max(at_s for at_s, message in call.leg.sent if isinstance(message, bytes))
    assert last_audio_s * 1000 <= turn.end_ms + 1
    assert ("flush" in call.leg.words) is has_flush


def test_every_utterance_is_cut_where_it_was_and_none_that_was_never_sent_is_told():
    async def agent(self: ScriptedAgent):
        for item_id in "abc":
            yield Transcript(Speaker.AGENT, item_id, f"the words of {item_id}")
            yield Audio(item_id, SECOND[:8_000])
            yield AudioDone(item_id)
        await asyncio.sleep(0.6)
        yield StopSpeaking()
        await self.wait_for("interrupt")
        await asyncio.sleep(3)
        yield EndCall()

    call = run(play_call(speaks_over, agent, codec=WordCodec(has_flush=True)))
    # 500 ms each over a link of 80 ms with a lead of 300: at 600 ms the second was heard for 20 ms, the third not sent.
    assert [entry for entry in call.agent.log if entry[0] == "interrupt"] == [
        ("interrupt", "b", 20),
        ("interrupt", "c", 0),
    ]
    assert [(turn.item_id, turn.heard_text, turn.is_interrupted) for turn in call.sink.turns] == [
        ("a", "the words of a", False),
        ("b", "", True),
    ]


def test_interruption_before_anything_was_heard_leaves_an_unheard_turn():
    async def agent(_: ScriptedAgent):
        yield Transcript(Speaker.AGENT, "a", "hello there")
        yield Audio("a", SECOND)
        await asyncio.sleep(0.05)
        yield StopSpeaking()
        await asyncio.sleep(4)
        yield EndCall()

    call = run(play_call(speaks_over, agent, codec=WordCodec(has_flush=True)))
    (turn,) = call.sink.turns
    assert (turn.heard_text, turn.is_interrupted) == ("", True)
    assert ("interrupt", "a", 0) in call.agent.log


def test_prompt_of_the_bridge_is_none_of_the_agents_business():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await asyncio.sleep(15.5)
        await leg.stream(vowel(600))
        await leg.silence(1)
        leg.say("bye")

    call = run(play_call(vendor, says()))
    (asked,) = call.sink.turns
    assert (asked.item_id, asked.is_interrupted) == ("bridge-still_there-1", True)
    assert call.agent.log == []
