"""What a vendor that reports its playback changes in the transcript, and where utterances end on the wire."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import Audio, AudioDone, EndCall, Speaker, StopSpeaking, Transcript
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, WordCodec, play_call
from tests.bridge.session.test_call import SECOND, says, sentence, talks_forever
from tests.bridge.virtual_time import run

TEXT = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize("word", ["heard", "dropped"])
def test_late_word_of_the_vendor_corrects_the_interrupted_turn(word):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("flush", f"{word} a 1000")
        leg.answer("hangup", "bye")
        await leg.silence(60)

    async def agent(self: ScriptedAgent):
        for event in sentence("a", TEXT, 8):
            yield event
        await asyncio.sleep(2)
        yield StopSpeaking()
        await asyncio.sleep(0.3)
        yield EndCall()

    call = run(play_call(vendor, agent, codec=WordCodec(has_flush=True, has_playback_ack=True)))
    (turn,) = call.sink.turns
    assert (turn.heard_text, turn.is_interrupted, turn.end_ms) == ("one", True, 2_000)
    # The agent cut its own memory at the first estimate already, and is not told twice.
    assert call.agent.log == [("interrupt", "a", 1_980)]


def test_hangup_waits_for_what_the_vendor_says_it_still_plays():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(0.8)
        # Heard 220 ms later than was thought.
        leg.say("heard a 500")
        await leg.silence(60)

    call = run(play_call(vendor, says(*sentence("a", "goodbye", 4), EndCall()), codec=WordCodec(has_playback_ack=True)))
    assert call.leg.said_at("hangup") == pytest.approx(4.3, abs=0.01)


def test_end_of_an_utterance_is_told_also_when_it_comes_after_its_audio():
    async def agent(_: ScriptedAgent):
        yield Transcript(Speaker.AGENT, "a", "late")
        yield Audio("a", SECOND)
        await asyncio.sleep(3)
        yield AudioDone("a")
        yield Audio("b", SECOND)
        yield AudioDone("b")
        await asyncio.sleep(1.5)
        yield EndCall()

    call = run(play_call(talks_forever, agent, codec=WordCodec(tells_all=True)))
    assert call.leg.words == ["said a", "said b", "hangup"]
    assert call.leg.said_at("said a") == pytest.approx(3.0, abs=0.01)
    last_audio_of_b = max(at for at, message in call.leg.sent if isinstance(message, bytes))
    assert call.leg.said_at("said b") == last_audio_of_b


def test_interrupted_utterance_is_ended_where_nothing_can_be_flushed():
    async def agent(_: ScriptedAgent):
        yield Audio("a", SECOND)
        await asyncio.sleep(0.5)
        yield StopSpeaking()
        yield EndCall()

    call = run(play_call(talks_forever, agent, codec=WordCodec(tells_all=True)))
    assert call.leg.words == ["said a", "hangup"]


def test_audio_keeps_its_order_on_a_socket_that_hesitates():
    pieces = [bytes([number, 0]) * 160 for number in range(1, 200)]

    async def agent(_: ScriptedAgent):
        for pcm in pieces:
            yield Audio("a", pcm)
            await asyncio.sleep(0.02)
        yield AudioDone("a")
        yield EndCall()

    call = run(play_call(talks_forever, agent, leg_takes_s=0.03))
    assert b"".join(message for _, message in call.leg.sent if isinstance(message, bytes)) == b"".join(pieces)
