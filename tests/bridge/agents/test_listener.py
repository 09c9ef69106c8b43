"""The listener: by itself, and in a call between two people over PSR's stereo stream."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Sequence

import numpy as np
import pytest

from bridge.agents.base import AgentEvent, Brief, Speaker, Transcript
from bridge.agents.listener import MAX_PHRASE_MS, MAX_WAITING, ListenerAgent
from bridge.agents.scripted.recogniser import Hearing
from bridge.audio.recorder import Recorder
from bridge.session import CallSummary, EndedBy, Limits, bridge_call
from telephony.protocols.events import Channel, Side
from telephony.protocols.psr import PsrClientCodec, PsrServerCodec
from tests.bridge.session.fakes import InlineExecutor, MemorySink, ScriptedLeg, vowel
from tests.bridge.virtual_time import run

FRAME_BYTES = 320


def silence(duration_ms: int) -> bytes:
    return bytes(16 * duration_ms)


class FakeRecogniser:
    """Understands what it was told to, in order, and remembers how much it was asked about."""

    def __init__(self, *hearings: Hearing) -> None:
        self._hearings = list(hearings)
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    async def recognise(self, pcm: bytes, rate_hz: int, phrases: Sequence[str]) -> Hearing:
        self.asked.append((len(pcm) * 500 // rate_hz, tuple(phrases)))
        return self._hearings.pop(0)


async def overheard(
    customer: bytes, other: bytes = b"", *, phrases: Sequence[str] = (), recogniser: FakeRecogniser | None = None
) -> list[Transcript]:
    """All that is told of two legs of equal length, frame by frame."""
    told: list[AgentEvent] = []
    agent = ListenerAgent({"phrases": list(phrases)} if phrases else {}, recogniser or FakeRecogniser())

    async def fetch() -> None:
        async for event in session:
            told.append(event)  # noqa: PERF401  what was told before the end must be kept

    async with agent.connect(Brief("c")) as session, asyncio.TaskGroup() as group:
        fetching = group.create_task(fetch())
        for at in range(0, len(customer), FRAME_BYTES):
            await session.send_both(customer[at : at + FRAME_BYTES], other[at : at + FRAME_BYTES])
            await asyncio.sleep(0)
        await session.send_dtmf("5")
        await asyncio.sleep(0)
        fetching.cancel()
    assert all(isinstance(event, Transcript) for event in told)
    return [event for event in told if isinstance(event, Transcript)]


def last_told(told: list[Transcript]) -> list[Transcript]:
    return list({words.item_id: words for words in told}.values())


def test_both_sides_become_turns_with_their_times():
    customer = silence(1_000) + vowel(800) + silence(3_000)
    other = silence(2_500) + vowel(600) + silence(1_700)
    mine, theirs, key = last_told(run(overheard(customer, other)))
    assert (mine.speaker, theirs.speaker, key.speaker) == (Speaker.CUSTOMER, Speaker.AGENT, Speaker.CUSTOMER)
    assert [mine.text, theirs.text, key.text] == ["[speech]", "[speech]", "[key 5]"]
    times = [mine.start_ms, mine.end_ms, theirs.start_ms, theirs.end_ms]
    assert times == pytest.approx([1_000, 1_800, 2_500, 3_100], abs=160)


def test_speech_is_told_while_it_goes_on():
    told = run(overheard(silence(500) + vowel(2_600)))
    assert [words.end_ms for words in told[:-1]] == pytest.approx([700, 1_700, 2_700], abs=160)
    assert {words.item_id for words in told[:-1]} == {"customer-1"}


def test_a_click_is_no_turn():
    assert [words.text for words in run(overheard(silence(500) + vowel(40) + silence(1_000)))] == ["[key 5]"]


def test_words_are_told_where_phrases_are_given():
    recogniser = FakeRecogniser(Hearing("call me back", 0.9), Hearing(None, 0.2))
    legs = silence(500) + vowel(900) + silence(1_600), silence(1_200) + vowel(700) + silence(1_100)
    told = run(overheard(*legs, phrases=["call me back"], recogniser=recogniser))
    assert [(words.speaker, words.text, words.confidence) for words in last_told(told)[:2]] == [
        (Speaker.CUSTOMER, "call me back", 0.9),
        (Speaker.AGENT, "[unclear]", 0.2),
    ]
    assert {phrases for _, phrases in recogniser.asked} == {("call me back",)}


def test_a_long_speech_is_no_phrase_and_costs_nothing():
    recogniser = FakeRecogniser()
    told = run(overheard(vowel(MAX_PHRASE_MS + 500) + silence(1_000), phrases=["yes"], recogniser=recogniser))
    assert (last_told(told)[0].text, recogniser.asked) == ("[speech]", [])


async def _told_nobody(caplog: pytest.LogCaptureFixture) -> int:
    async with ListenerAgent({}, FakeRecogniser()).connect(Brief("c")) as session:
        for _ in range(MAX_WAITING + 3):
            await session.send_dtmf("1")
    return len(caplog.records)


def test_what_nobody_fetches_is_bounded(caplog):
    assert run(_told_nobody(caplog)) == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"phrase": ["yes"]}, "phrase: a listener has no such setting"),
        ({"phrases": "yes"}, "phrases: must be a list of at most 30"),
        ({"phrases": ["yes"] * 31}, "phrases: must be a list of at most 30"),
        ({"phrases": ["Yes!"]}, "phrases: each must be lower-case words"),
        ({"phrases": [1]}, "phrases: each must be lower-case words"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        ListenerAgent(config)


# Left: the person at the extension, right: the customer.
EXTENSION = silence(500) + vowel(1_000) + silence(5_500)
CUSTOMER = silence(3_000) + vowel(800) + silence(1_500) + vowel(1_700)


async def _call(
    channel: Channel, side: Side, *, pause_s: float = 0.0, max_call_s: float = 60.0, recorder: Recorder | None = None
) -> tuple[CallSummary, MemorySink, ScriptedLeg]:
    wire = PsrClientCodec("call-1", channel)

    async def two_people(leg: ScriptedLeg) -> None:
        leg.say(wire.connected(0))
        for at in range(0, len(CUSTOMER), FRAME_BYTES):
            left, right = EXTENSION[at : at + FRAME_BYTES], CUSTOMER[at : at + FRAME_BYTES]
            leg.say(wire.media(0, left, right) if channel is Channel.STEREO else wire.media(0, right))
            await asyncio.sleep(0.02)
        await asyncio.sleep(pause_s)
        leg.say(wire.closed(0))

    leg, sink = ScriptedLeg(two_people), MemorySink()
    clock = asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(leg.play())
        agent = ListenerAgent({}, FakeRecogniser())
        codec, limits = PsrServerCodec(channel, side), Limits(max_call_s=max_call_s)
        summary = await bridge_call(leg, codec, agent, Brief("c"), limits, clock, sink, recorder=recorder)
        playing.cancel()
    return summary, sink, leg


def test_a_call_between_two_people_is_written_down_and_nothing_is_said_to_them():
    # Long enough without audio for the bridge to ask others whether they are still there.
    summary, sink, leg = run(_call(Channel.STEREO, Side.RIGHT, pause_s=20))
    assert (summary.ended_by, leg.sent) == (EndedBy.CUSTOMER_HANGUP, [])
    assert [(turn.speaker.value, turn.is_interrupted) for turn in sink.turns] == [
        ("agent", False),
        ("customer", False),
        ("customer", False),
    ]
    assert [turn.start_ms for turn in sink.turns] == pytest.approx([500, 3_000, 5_300], abs=120)
    # The last words were cut off by the end of the call, and are told up to a second before it.
    assert [turn.end_ms for turn in sink.turns[:2]] == pytest.approx([1_500, 3_800], abs=200)
    assert sink.turns[2].end_ms == pytest.approx(6_500, abs=700)


def test_which_side_is_the_customers_is_said_by_the_setting():
    _, sink, _ = run(_call(Channel.STEREO, Side.LEFT))
    assert [turn.speaker.value for turn in sink.turns] == ["customer", "agent", "agent"]


def test_of_one_leg_only_the_customer_is_heard():
    _, sink, _ = run(_call(Channel.MONO_B, Side.LEFT))
    assert [turn.speaker.value for turn in sink.turns] == ["customer", "customer"]


def test_a_call_that_lasts_too_long_is_hung_up_without_a_word():
    summary, _, leg = run(_call(Channel.STEREO, Side.RIGHT, max_call_s=2.0))
    assert summary.ended_by is EndedBy.MAX_DURATION
    assert ['"hangup"' in message for message in leg.words] == [True]


def test_the_recording_has_the_person_at_the_extension_in_the_agents_place(tmp_path):
    path = tmp_path / "call.wav"
    run(_call(Channel.STEREO, Side.RIGHT, recorder=Recorder(path, InlineExecutor())))
    with wave.open(str(path)) as file:
        lanes = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    loud = [[bool(np.abs(lane[8 * at : 8 * at + 800]).max()) for at in (1_000, 3_300, 6_000)] for lane in lanes.T]
    assert loud == [[False, True, True], [True, False, False]]
