"""The scripted agent with a scripted recogniser: whole surveys through the real session, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bridge.agents.base import Brief, Speaker
from bridge.agents.scripted.agent import ScriptedAgent
from bridge.agents.scripted.recogniser import UNCLEAR, Hearing
from bridge.session import CallSummary, EndedBy, Limits, bridge_call
from telephony.protocols.events import TransferTarget
from tests.bridge.session.fakes import MemorySink, ScriptedLeg, WordCodec, vowel
from tests.bridge.virtual_time import run


class ListedRecogniser:
    """Understands what it was told, in order, whatever the sound."""

    def __init__(self, *phrases: str | None) -> None:
        self._phrases = list(phrases)
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    async def recognise(self, pcm: bytes, rate_hz: int, phrases: Sequence[str]) -> Hearing:
        self.asked.append((len(pcm) * 500 // rate_hz, tuple(phrases)))
        phrase = self._phrases.pop(0)
        return UNCLEAR if phrase is None else Hearing(phrase, 0.9)


async def survey(vendor, recogniser: ListedRecogniser, brief: Brief | None = None):
    sink, leg = MemorySink(), ScriptedLeg(vendor)
    leg.answer("hangup", "bye")
    leg.answer("transfer 101", None)
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(leg.play())
        summary: CallSummary = await bridge_call(
            leg,
            WordCodec(),
            ScriptedAgent({}, recogniser),
            brief or Brief("c", transfer_targets=(TransferTarget("101"),)),
            Limits(),
            asyncio.get_running_loop().time,
            sink,
        )
        playing.cancel()
    return summary, sink, leg


def answers_after(*waits_s: float):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        for wait_s in waits_s:
            await leg.silence(wait_s)
            await leg.stream(vowel(500))
        await leg.silence(120)

    return vendor


def said(sink: MemorySink) -> list[tuple[str, str]]:
    """Item names of the agent, words of the customer, as they stand in the transcript."""
    return [
        (turn.speaker.value, turn.text if turn.speaker is Speaker.CUSTOMER else turn.item_id.split("-", 1)[1])
        for turn in sink.turns
    ]


def test_whole_survey_is_asked_answered_and_recorded():
    ear = ListedRecogniser("yes", "yes please", "maybe", "no", "no thanks")
    summary, sink, leg = run(survey(answers_after(10, 5, 5, 5, 5), ear))
    assert (summary.ended_by, summary.disposition) == (EndedBy.AGENT_HANGUP, "completed")
    assert [(answer.key, answer.value) for answer in summary.answers] == [
        ("solved", "yes"),
        ("recommend", "maybe"),
        ("price", "no"),
    ]
    assert summary.answers[0].question == "Was your last problem solved? Please say yes or no."
    assert said(sink) == [
        ("agent", "greeting"),
        ("customer", "yes"),
        ("agent", "q_solved"),
        ("customer", "yes please"),
        ("agent", "q_recommend"),
        ("customer", "maybe"),
        ("agent", "q_price"),
        ("customer", "no"),
        ("agent", "q_person"),
        ("customer", "no thanks"),
        ("agent", "goodbye_thanks"),
    ]
    assert leg.words == ["hangup"]
    first = sink.turns[1]
    assert first.start_ms == pytest.approx(10_000, abs=80)
    assert first.confidence == 0.9


def test_answer_over_the_prompt_interrupts_it_and_counts():
    summary, sink, _ = run(survey(answers_after(3), ListedRecogniser("stop calling me")))
    assert summary.disposition == "do_not_call"
    assert summary.counters.interruptions == 1
    greeting, heard, goodbye = sink.turns
    assert greeting.is_interrupted
    assert greeting.text.startswith(greeting.heard_text)
    assert 20 < len(greeting.heard_text) < 70
    assert heard.text == "stop calling me"
    assert goodbye.heard_text == "I understand. We will not call you again. Goodbye."


def test_person_is_transferred():
    summary, _, leg = run(survey(answers_after(10), ListedRecogniser("speak to a person")))
    assert (summary.ended_by, summary.transferred_to) == (EndedBy.TRANSFER, "101")
    assert leg.words == ["transfer 101"]


def test_silent_customer_is_asked_once_more_then_left():
    summary, sink, _ = run(survey(answers_after(), ListedRecogniser()))
    assert summary.disposition == "no_answer_to_questions"
    assert said(sink) == [
        ("agent", "greeting"),
        ("agent", "still_there"),
        ("agent", "greeting"),
        ("agent", "goodbye_no_answer"),
    ]
    still_there = sink.turns[1]
    # 8.6 s of greeting over a link of 80 ms, then 6 s of silence.
    assert still_there.start_ms == pytest.approx(8_567 + 80 + 6_000 + 80, abs=60)


def test_unclear_answers_are_shown_and_given_up_on():
    summary, sink, _ = run(survey(answers_after(10, 13, 13), ListedRecogniser(None, None, None)))
    assert summary.disposition == "no_answer_to_questions"
    assert [text for speaker, text in said(sink) if speaker == "customer"] == ["[unclear]"] * 3


def test_hello_over_the_greeting_makes_it_be_said_again_and_is_no_failure():
    summary, sink, _ = run(survey(answers_after(0.2, 11), ListedRecogniser(None, "not interested")))
    assert summary.disposition == "declined"
    assert said(sink) == [
        ("agent", "greeting"),
        ("customer", "[unclear]"),
        ("agent", "greeting"),
        ("customer", "not interested"),
        ("agent", "goodbye_no_time"),
    ]


def test_key_answers_without_waiting_for_the_prompt():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(1)
        leg.say("key 2")
        await leg.silence(60)

    summary, sink, _ = run(survey(vendor, ListedRecogniser()))
    assert summary.disposition == "declined"
    assert ("customer", "[key 2]") in said(sink)


def test_answering_machine_is_recognised_by_its_length():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(1)
        await leg.stream(vowel(4_000))
        await leg.silence(0.7)
        await leg.stream(vowel(9_000))
        await leg.silence(60)

    summary, _, _ = run(survey(vendor, ListedRecogniser(None)))
    assert (summary.ended_by, summary.disposition) == (EndedBy.AGENT_HANGUP, "voicemail")
    assert summary.duration_ms < 9_000


def test_recogniser_gets_the_utterance_with_its_edges():
    ear = ListedRecogniser("no")
    run(survey(answers_after(10), ear))
    ((length_ms, phrases),) = ear.asked
    assert 500 <= length_ms <= 1_200
    assert "no thanks" in phrases


def test_missing_recording_fails_the_agent_before_it_speaks(tmp_path):
    brief = Brief("c", prompts={"greeting": tmp_path / "gone.wav"})
    summary, sink, _ = run(survey(answers_after(), ListedRecogniser(), brief))
    assert summary.ended_by is EndedBy.AGENT_FAILED
    assert [turn.item_id for turn in sink.turns] == ["bridge-apology-1"]
