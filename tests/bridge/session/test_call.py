"""Whole calls in virtual time, between a scripted vendor and a scripted agent."""

from __future__ import annotations

import asyncio
import wave

import numpy as np
import pytest

from bridge.agents.base import (
    Audio,
    AudioDone,
    Brief,
    EndCall,
    Failed,
    Speaker,
    ToolCall,
    Transcript,
    Transfer,
)
from bridge.audio.recorder import Recorder
from bridge.session import Answer, EndedBy, Findings, Limits, Turn
from telephony.protocols.events import TransferTarget
from tests.bridge.session.fakes import InlineExecutor, ScriptedAgent, ScriptedLeg, WordCodec, play_call, vowel
from tests.bridge.virtual_time import run

SECOND = bytes(16_000)
DESK = Brief("call-1", transfer_targets=(TransferTarget("101", "desk"),))


async def talks_forever(leg: ScriptedLeg) -> None:
    leg.say("open")
    leg.answer("hangup", "bye")
    await leg.silence(3_600)


async def says_nothing(_: ScriptedAgent):
    await asyncio.Event().wait()
    yield EndCall()


def says(*events, then_waits: bool = True):
    async def script(_: ScriptedAgent):
        for event in events:
            yield event
        if then_waits:
            await asyncio.Event().wait()

    return script


def sentence(item_id: str, text: str, seconds: int):
    return [
        Transcript(Speaker.AGENT, item_id, text),
        *[Audio(item_id, SECOND) for _ in range(seconds)],
        AudioDone(item_id),
    ]


def test_agent_says_goodbye_and_is_heard_before_the_hangup():
    call = run(play_call(talks_forever, says(*sentence("a", "Good day and goodbye", 4), EndCall())))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert call.leg.words == ["hangup"]
    assert call.leg.said_at("hangup") == pytest.approx(4.08, abs=0.01)
    assert call.leg.audio_ms == 4_000
    assert call.leg.closed_with == 1000
    assert call.sink.turns == [Turn(1, Speaker.AGENT, "a", "Good day and goodbye", "Good day and goodbye", 80, 4_080)]
    assert call.sink.ends == [call.summary]
    assert call.agent.is_closed


def test_agent_audio_never_runs_ahead_of_the_lead():
    call = run(play_call(talks_forever, says(*sentence("a", "x", 5), EndCall())))
    sent_ms = 0.0
    for at_s, message in call.leg.sent:
        if isinstance(message, bytes):
            sent_ms += len(message) / 16
            assert sent_ms <= at_s * 1000 + 300 + 0.1


def test_nothing_is_said_before_the_stream_is_open():
    async def vendor(leg: ScriptedLeg) -> None:
        await asyncio.sleep(3)
        leg.say("open")
        await leg.silence(60)

    call = run(play_call(vendor, says(*sentence("a", "Good day", 1), EndCall())))
    assert next(at_s for at_s, _ in call.leg.sent) == pytest.approx(3, abs=0.01)
    assert call.leg.said_at("hangup") == pytest.approx(4.08, abs=0.01)
    assert call.leg.audio_ms == 1_000


def test_customer_hangup_ends_the_call_at_once():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(1)
        leg.say("bye")

    call = run(play_call(vendor, says_nothing))
    assert (call.summary.ended_by, call.summary.detail) == (EndedBy.CUSTOMER_HANGUP, "done")
    assert call.summary.duration_ms == 1_000
    assert call.leg.words == []
    assert len(call.agent.heard) == 16_000


@pytest.mark.parametrize(
    ("code", "ended_by"),
    [(1000, EndedBy.VENDOR_CLOSED), (1001, EndedBy.VENDOR_CLOSED), (1006, EndedBy.SOCKET_LOST)],
)
def test_lost_socket_is_told_from_a_closed_one(code, ended_by):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(0.5)
        leg.drop(code)

    assert run(play_call(vendor, says_nothing)).summary.ended_by is ended_by


def test_barge_in_cuts_the_turn_at_the_heard_word_and_tells_the_agent():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(2)
        await leg.stream(vowel(600))
        await leg.silence(2)
        leg.say("bye")

    text = "one two three four five six seven eight nine ten"
    call = run(play_call(vendor, says(*sentence("a", text, 8)), codec=WordCodec(has_flush=True)))
    (turn,) = call.sink.turns
    # 120 ms of speech after 2 s; the agent is heard from 80 ms on.
    assert turn.is_interrupted
    assert turn.end_ms == pytest.approx(2_140, abs=60)
    assert turn.heard_text == "one two"
    assert call.agent.log == [("interrupt", "a", pytest.approx(2_060, abs=60))]
    assert call.leg.words == ["flush"]
    assert call.leg.audio_ms < 2_600
    assert call.summary.counters.interruptions == 1


def test_a_cough_does_not_interrupt():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(1)
        await leg.stream(vowel(60))
        await leg.silence(60)

    call = run(play_call(vendor, says(*sentence("a", "hello", 3), EndCall())))
    assert call.summary.counters.interruptions == 0
    assert call.leg.audio_ms == 3_000


def test_goodbye_is_not_interrupted():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(1)
        await leg.stream(vowel(1_000))
        await leg.silence(60)

    call = run(play_call(vendor, says(*sentence("a", "bye", 3), EndCall())))
    assert call.leg.audio_ms == 3_000
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP


def test_second_utterance_follows_the_interrupted_one():
    async def agent(self: ScriptedAgent):
        for event in sentence("a", "a long story", 8):
            yield event
        await self.wait_for("interrupt")
        for event in sentence("b", "sorry", 1):
            yield event
        await self.wait_for("played")
        yield EndCall()

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(1)
        await leg.stream(vowel(500))
        await leg.silence(60)

    call = run(play_call(vendor, agent))
    assert [(turn.seq, turn.text, turn.is_interrupted) for turn in call.sink.turns] == [
        (1, "a long story", True),
        (2, "sorry", False),
    ]
    assert call.agent.log[-1] == ("played", "b")


def test_tools_keys_and_customer_words_reach_the_summary_and_the_transcript():
    async def agent(self: ScriptedAgent):
        await self.wait_for("key")
        yield Transcript(Speaker.CUSTOMER, "u1", "yes", start_ms=100, end_ms=400, confidence=0.9)
        yield ToolCall("t1", "record_answer", {"key": "solved", "question": "Solved?", "value": "yes"})
        yield ToolCall("t2", "set_disposition", {"disposition": "completed"})
        yield ToolCall("t3", "fly_away", {})
        yield EndCall()

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(1)
        leg.say("key 5")
        await leg.silence(60)

    call = run(play_call(vendor, agent))
    assert call.agent.log == [
        ("key", "5"),
        ("tool_result", "t1", {"ok": True}),
        ("tool_result", "t2", {"ok": True}),
        ("tool_result", "t3", {"ok": False, "error": "there is no such tool"}),
    ]
    assert call.summary.disposition == "completed"
    solved = Answer("solved", "Solved?", "yes", 1_000)
    assert call.summary.answers == (solved,)
    assert call.sink.findings == [Findings((solved,)), Findings((solved,), "completed")]
    assert call.summary.counters.bad_agent_events == 1
    assert call.sink.turns == [Turn(1, Speaker.CUSTOMER, "u1", "yes", "yes", 100, 400, confidence=0.9)]


def test_transfer_waits_for_the_vendor_to_leave():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("transfer 101", None)
        await leg.silence(60)

    script = says(*sentence("a", "one moment", 1), Transfer((TransferTarget("101"),)))
    call = run(play_call(vendor, script, brief=DESK))
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.TRANSFER, "101")
    assert call.leg.words == ["transfer 101"]
    assert call.leg.said_at("transfer 101") == pytest.approx(1.08, abs=0.01)


def test_transfer_to_a_vendor_without_one_hangs_up():
    script = says(Transfer((TransferTarget("101"),)))
    call = run(play_call(talks_forever, script, codec=WordCodec(has_transfer=False), brief=DESK))
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.AGENT_FAILED, "")
    assert call.leg.words == ["hangup"]


@pytest.mark.parametrize(("command", "wait_s"), [(EndCall(), 5), (Transfer((TransferTarget("101"),)), 30)])
def test_vendor_that_does_not_leave_is_left(command, wait_s):
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(600)

    call = run(play_call(vendor, says(command), brief=DESK, limits=Limits(min_call_s=0)))
    assert call.summary.duration_ms == pytest.approx(wait_s * 1000, abs=30)
    assert call.leg.closed_with == 1000


def test_endless_goodbye_is_cut_after_the_drain_cap():
    call = run(play_call(talks_forever, says(*sentence("a", "and another thing", 20), EndCall())))
    assert call.leg.said_at("hangup") == pytest.approx(8, abs=0.05)
    (turn,) = call.sink.turns
    assert turn.is_interrupted


def test_agent_that_ends_its_events_hangs_up():
    call = run(play_call(talks_forever, says(*sentence("a", "that is all", 1), then_waits=False)))
    assert call.summary.ended_by is EndedBy.AGENT_HANGUP
    assert call.leg.audio_ms == 1_000


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (says(Failed("gone", retryable=False)), {}),
        (says_nothing, {"refuses": True}),
        (says_nothing, {"connect_s": 6.0}),
    ],
)
def test_failed_agent_apologises_and_hangs_up(script, options):
    call = run(play_call(talks_forever, script, **options))
    assert call.summary.ended_by is EndedBy.AGENT_FAILED
    assert call.leg.words == ["hangup"]
    assert call.leg.audio_ms > 1_000
    (turn,) = call.sink.turns
    assert turn.item_id == "bridge-apology-1"
    assert turn.heard_text == turn.text


def test_silent_socket_is_closed_as_idle():
    async def vendor(leg: ScriptedLeg) -> None:
        await asyncio.sleep(600)

    call = run(play_call(vendor, says_nothing))
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.MEDIA_LOST, 4408)
    assert call.summary.duration_ms == 10_000


def test_media_that_stops_is_asked_for_then_given_up():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(2)
        await asyncio.sleep(600)

    call = run(play_call(vendor, says_nothing))
    assert call.summary.ended_by is EndedBy.MEDIA_LOST
    (asked,) = call.sink.turns
    assert asked.item_id == "bridge-still_there-1"
    assert asked.start_ms == 17_080
    assert call.leg.said_at("hangup") == pytest.approx(47)


def test_call_ends_at_its_longest_duration():
    call = run(play_call(talks_forever, says_nothing, limits=Limits(max_call_s=60)))
    assert call.summary.ended_by is EndedBy.MAX_DURATION
    assert call.leg.said_at("hangup") == 60


def test_bad_messages_are_survived_until_there_are_too_many():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        for _ in range(3):
            for _ in range(9):
                leg.say("???")
            await leg.silence(0.5)
        for _ in range(10):
            leg.say("???")
        await leg.silence(60)

    call = run(play_call(vendor, says_nothing))
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.PEER_VIOLATION, 4400)
    assert call.summary.counters.bad_messages == 37
    assert len(call.agent.heard) == 24_000


def test_fault_that_ends_the_stream_closes_it_with_its_own_code():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.say("end 4415")
        await leg.silence(60)

    call = run(play_call(vendor, says_nothing))
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.PEER_VIOLATION, 4415)
    assert (call.summary.detail, call.summary.counters.bad_messages) == ("bad_end", 1)


def test_audio_at_another_rate_reaches_the_agent_at_the_calls_rate():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(0.5)
        for _ in range(25):
            leg.say("wide")
            await asyncio.sleep(0.02)
        leg.say("bye")

    call = run(play_call(vendor, says_nothing))
    assert len(call.agent.heard) == pytest.approx(16_000, abs=100)


def test_oversized_message_ends_the_call():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.say(bytes(256 * 1024 + 2))
        await asyncio.sleep(1)

    call = run(play_call(vendor, says_nothing))
    assert (call.summary.ended_by, call.leg.closed_with) == (EndedBy.PEER_VIOLATION, 1009)


def test_peer_that_reads_nothing_is_left_after_the_stall_deadline():
    call = run(play_call(talks_forever, says(*sentence("a", "hello?", 3)), leg_stalls=True))
    assert call.summary.ended_by is EndedBy.SOCKET_LOST
    assert call.summary.duration_ms == 5_000


def test_slow_agent_loses_old_audio_and_never_holds_up_the_reader():
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(10)
        leg.say("bye")

    call = run(play_call(vendor, says_nothing, takes_s=0.04))
    assert call.summary.duration_ms == 10_000
    assert call.summary.counters.frames_in == 500
    # Half of ten seconds was taken, two seconds wait, the rest gave way.
    assert call.summary.counters.dropped_ms == pytest.approx(3_000, abs=60)


def test_runaway_agent_is_slowed_to_real_time():
    produced = []

    async def agent(_: ScriptedAgent):
        for _second in range(120):
            produced.append(asyncio.get_running_loop().time())
            yield Audio("a", SECOND)

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(20)
        leg.say("bye")

    run(play_call(vendor, agent))
    assert len([at for at in produced if at < 0.1]) == pytest.approx(31, abs=1)
    assert len(produced) == pytest.approx(51, abs=2)


def test_stop_from_outside_says_sorry_and_hangs_up():
    call = run(play_call(talks_forever, says(*sentence("a", "a long story", 20)), stop_at_s=5))
    assert call.summary.ended_by is EndedBy.DRAIN
    assert call.leg.said_at("hangup") <= 8.1
    assert [turn.item_id for turn in call.sink.turns] == ["a", "bridge-apology-1"]


def test_stop_at_once_cuts_the_agent_short():
    call = run(play_call(talks_forever, says(*sentence("a", "a long story", 20)), cut_at_s=5))
    assert call.summary.ended_by is EndedBy.STOPPED
    assert call.leg.said_at("hangup") == pytest.approx(5, abs=0.1)
    assert [turn.item_id for turn in call.sink.turns] == ["a"]


def test_cancelled_call_still_hangs_up_and_reports_once():
    async def scenario():
        played = []

        async def vendor(leg: ScriptedLeg) -> None:
            played.append(leg)
            await talks_forever(leg)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await play_call(vendor, says(*sentence("a", "x", 8)))
        return played[0]

    leg = run(scenario())
    assert leg.words == ["hangup"]
    assert leg.closed_with == 1001


def test_broken_agent_is_raised_after_the_customer_was_hung_up():
    async def agent(_: ScriptedAgent):
        yield Audio("a", SECOND)
        raise ZeroDivisionError

    legs = []

    async def vendor(leg: ScriptedLeg) -> None:
        legs.append(leg)
        await talks_forever(leg)

    with pytest.raises(ExceptionGroup):
        run(play_call(vendor, agent))
    assert legs[0].words == ["hangup"]
    assert legs[0].closed_with == 1011


def test_both_sides_are_recorded_where_they_were_heard(tmp_path):
    path = tmp_path / "call.wav"
    tone = np.full(8_000, 500, dtype="<i2").tobytes()

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.stream(np.full(8_000 * 3, -700, dtype="<i2").tobytes())
        await leg.silence(60)

    async def agent(_: ScriptedAgent):
        await asyncio.sleep(1)
        yield Audio("a", tone)
        yield AudioDone("a")
        await asyncio.sleep(1.5)
        yield EndCall()

    call = run(play_call(vendor, agent, recorder=Recorder(path, InlineExecutor())))
    assert call.summary.counters.recording_lost_ms == 0
    with wave.open(str(path)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    agent_at = np.flatnonzero(frames[:, 1]) / 8
    assert (agent_at[0], agent_at[-1]) == (pytest.approx(1_080, abs=1), pytest.approx(2_080, abs=1))
    assert np.all(frames[: 8 * 2_400, 0] == -700)
