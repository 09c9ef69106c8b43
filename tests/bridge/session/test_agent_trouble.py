"""Agents that do not come, say nothing, die, are about to be closed, or fail for good."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import (
    Audio,
    Brief,
    EndCall,
    Expiring,
    Failed,
    Said,
    Speaker,
    Transcript,
)
from bridge.session import EndedBy, Limits, PrepareTransfer
from telephony.protocols.events import TransferTarget
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, WordCodec, play_call, vowel
from tests.bridge.session.test_call import SECOND, says, says_nothing, sentence, talks_forever
from tests.bridge.virtual_time import run

FILLER = "bridge-one_moment"
APOLOGY = "bridge-apology"
CUSTOMER, AGENT = Speaker.CUSTOMER, Speaker.AGENT


def items(call) -> list[str]:
    """The items of the transcript in order, those of the bridge without their number."""
    return [turn.item_id.rpartition("-")[0] or turn.item_id for turn in call.sink.turns]


def test_second_try_connects():
    call = run(play_call(talks_forever, says(*sentence("a", "hello", 4), EndCall()), refusals=1))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert (len(call.agent.briefs), call.agent.connections) == (2, 1)
    assert items(call) == ["a"]


def test_agent_that_does_not_come_is_given_up_after_two_tries():
    call = run(play_call(talks_forever, says_nothing, connect_s=6.0))
    assert call.summary.ended_by is EndedBy.AGENT_FAILED
    assert len(call.agent.briefs) == 2
    assert call.sink.turns[0].start_ms == pytest.approx(5_080, abs=10)


def test_silent_agent_is_filled_in_for_connected_again_and_given_up():
    call = run(play_call(talks_forever, says_nothing, speaks_first=True))
    assert items(call) == [FILLER, APOLOGY]
    assert [turn.start_ms for turn in call.sink.turns] == pytest.approx([4_080, 12_080], abs=10)
    assert call.agent.connections == 2
    assert call.summary.ended_by is EndedBy.AGENT_FAILED


def test_agent_that_speaks_after_it_was_connected_again_keeps_the_call():
    async def agent(self: ScriptedAgent):
        if self.connections == 1:
            await asyncio.Event().wait()
        for event in sentence("a", "here I am", 3):
            yield event
        await asyncio.sleep(20)
        yield EndCall()

    call = run(play_call(talks_forever, agent, speaks_first=True))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert items(call) == [FILLER, "2:a"]
    assert call.agent.briefs[1].history == ()
    assert call.agent.log == [("played", "a")]
    assert (call.summary.counters.reconnects, call.summary.counters.first_audio_ms) == (1, 8_000)


def test_agent_that_may_stay_silent_is_left_alone():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(60)
        leg.say("bye")

    call = run(play_call(vendor, says_nothing, speaks_first=False))
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert call.agent.connections == 1
    assert call.sink.turns == []


def test_agent_that_dies_in_a_sentence_is_taken_up_with_what_was_heard():
    async def agent(self: ScriptedAgent):
        if self.connections == 1:
            yield Transcript(CUSTOMER, "u1", "what does it cost?")
            yield Transcript(AGENT, "a", "It costs", is_final=False)
            yield Audio("a", SECOND)
            await asyncio.sleep(1)
            yield Failed("socket closed", retryable=True)
        for event in sentence("a", "It costs ten", 3):
            yield event
        yield EndCall()

    call = run(play_call(talks_forever, agent))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert items(call) == ["u1", "a", FILLER, "2:a"]
    second = call.agent.briefs[1]
    assert second.history == (Said(CUSTOMER, "what does it cost?"), Said(AGENT, "It costs"))
    assert second.is_agents_turn
    assert call.leg.words == ["hangup"]


def test_audio_of_the_gap_is_not_replayed():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(2)
        leg.say("key 7")
        await leg.silence(3)
        leg.say("bye")

    async def agent(self: ScriptedAgent):
        if self.connections == 1:
            await asyncio.sleep(1)
            yield Failed("gone", retryable=True)
        await asyncio.Event().wait()

    call = run(play_call(vendor, agent, connect_s=1.5, limits=Limits(agent_connect_s=5)))
    # Connected from 1.5 to 2.5 s with all before it, and from 4 s on: without the 1.5 s between, but with the key.
    assert len(call.agent.heard) / 16 == pytest.approx(2_500 + 1_000, abs=60)
    assert call.agent.log == [("key", "7")]
    assert not call.agent.briefs[1].is_agents_turn


def test_agent_that_dies_again_within_a_minute_is_given_up():
    async def agent(self: ScriptedAgent):
        yield Audio(f"a{self.connections}", SECOND)
        await asyncio.sleep(20)
        yield Failed("gone", retryable=True)

    call = run(play_call(talks_forever, agent))
    assert call.summary.ended_by is EndedBy.AGENT_FAILED
    assert call.agent.connections == 2
    assert items(call)[-1] == APOLOGY


def test_agent_that_dies_every_two_minutes_is_taken_up_each_time():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.stream(bytes(16_000 * 500), frame_ms=500)
        leg.say("bye")

    async def agent(_: ScriptedAgent):
        await asyncio.sleep(120)
        yield Failed("gone", retryable=True)

    call = run(play_call(vendor, agent))
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert call.agent.connections == 5


def test_agent_that_failed_while_saying_goodbye_is_not_taken_up():
    call = run(play_call(talks_forever, says(*sentence("a", "bye", 4), EndCall(), Failed("gone", retryable=True))))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert call.agent.connections == 1
    assert call.leg.audio_ms == 4_000


@pytest.mark.parametrize(
    ("targets", "fallback", "has_transfer", "words"),
    [
        (("101", "102"), "102", True, ["transfer 102"]),
        (("101",), "102", True, ["hangup"]),
        (("101",), None, True, ["hangup"]),
        (("101",), "101", False, ["hangup"]),
    ],
)
def test_failed_agent_hands_the_customer_to_the_fallback(targets, fallback, has_transfer, words):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("transfer 102", None)
        leg.answer("hangup", "bye")
        await leg.silence(60)

    brief = Brief("c", {"fallback_transfer": fallback}, transfer_targets=tuple(map(TransferTarget, targets)))
    codec = WordCodec(has_transfer=has_transfer)
    call = run(play_call(vendor, says(Failed("quota", retryable=False)), brief=brief, codec=codec))
    assert call.leg.words == words
    assert call.summary.ended_by is EndedBy.AGENT_FAILED
    assert call.summary.transferred_to == ("102" if words == ["transfer 102"] else "")
    assert items(call) == (["bridge-transferring"] if call.summary.transferred_to else [APOLOGY])
    assert call.sink.actions == ([PrepareTransfer((TransferTarget("102"),))] if call.summary.transferred_to else [])


def test_expiring_conversation_is_followed_by_another_in_a_silence():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(30)
        leg.say("bye")

    async def agent(self: ScriptedAgent):
        if self.connections > 1:
            await asyncio.Event().wait()
        yield Expiring(in_s=100)
        for event in sentence("a", "a long explanation", 10):
            yield event
        await asyncio.Event().wait()

    call = run(play_call(vendor, agent, connect_s=0.2))
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert (call.summary.counters.rotations, call.summary.counters.reconnects) == (1, 0)
    assert items(call) == ["a"]
    second = call.agent.briefs[1]
    assert (second.history, second.is_agents_turn) == ((Said(AGENT, "a long explanation"),), False)
    assert ("played", "a") in call.agent.log
    # All of the customer's audio was heard by one or the other.
    assert len(call.agent.heard) / 16 == pytest.approx(30_000, abs=300)


def test_expiring_conversation_is_followed_at_the_latest_before_it_ends():
    opened_at_s = []

    async def agent(self: ScriptedAgent):
        opened_at_s.append(asyncio.get_running_loop().time())
        if self.connections > 1:
            yield EndCall()
        yield Expiring(in_s=40)
        while True:
            yield Audio("a", SECOND)

    call = run(play_call(talks_forever, agent))
    assert opened_at_s == [0, pytest.approx(10, abs=0.3)]
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP


def test_successor_that_is_being_opened_gives_way_to_the_one_that_is_connected_for_silence():
    async def agent(self: ScriptedAgent):
        if self.connections > 1:
            for event in sentence("a", "hello", 4):
                yield event
            yield EndCall()
        await asyncio.sleep(7)
        yield Expiring(in_s=0)
        await asyncio.Event().wait()

    call = run(play_call(talks_forever, agent, connect_s=2.0, speaks_first=True))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert (len(call.agent.briefs), call.agent.connections) == (3, 2)


def test_expiring_conversation_waits_for_its_answer_to_the_customer():
    async def agent(self: ScriptedAgent):
        if self.connections > 1:
            yield EndCall()
        yield Expiring(in_s=100)
        yield Transcript(CUSTOMER, "u1", "what does it cost?")
        await asyncio.sleep(3)
        for event in sentence("a", "ten", 1):
            yield event
        await asyncio.Event().wait()

    call = run(play_call(talks_forever, agent))
    assert call.agent.briefs[1].history[-1] == Said(AGENT, "ten")


def test_conversation_that_dies_before_its_successor_is_open_is_not_a_second_failure():
    async def agent(self: ScriptedAgent):
        if self.connections > 1:
            yield Audio("b", SECOND)
            yield EndCall()
            return
        yield Expiring(in_s=100)
        await asyncio.sleep(1)
        yield Failed("expired", retryable=True)

    call = run(play_call(talks_forever, agent, connect_s=2))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert call.agent.connections == 2


def test_later_conversation_may_count_its_items_anew():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(1)
        await leg.stream(vowel(400))
        await leg.silence(60)

    async def agent(self: ScriptedAgent):
        for event in sentence("a", f"number {self.connections}", 3):
            yield event
        if self.connections == 1:
            await self.wait_for("interrupt")
            yield Failed("gone", retryable=True)
        await self.wait_for("played")
        yield EndCall()

    call = run(play_call(vendor, agent))
    assert items(call) == ["a", FILLER, "2:a"]
    assert [turn.is_interrupted for turn in call.sink.turns] == [True, False, False]
    assert call.agent.log[-1] == ("played", "a")


def test_broken_session_is_taken_up_when_it_takes_no_audio():
    async def agent(self: ScriptedAgent):
        await asyncio.sleep(4)
        if self.connections > 1:
            yield EndCall()
        await asyncio.Event().wait()

    call = run(play_call(talks_forever, agent, deaf_after_ms=1_000))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert call.agent.connections == 2


@pytest.mark.parametrize(("retryable", "is_broken"), [(False, True), (True, False)])
def test_failure_that_no_other_call_would_escape_is_told(retryable, is_broken):
    call = run(play_call(talks_forever, says(Failed("insufficient quota", retryable=retryable))))
    assert (call.summary.ended_by, call.summary.is_agent_broken) == (EndedBy.AGENT_FAILED, is_broken)
