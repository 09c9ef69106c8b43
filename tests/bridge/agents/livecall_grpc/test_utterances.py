"""The agent's voice from chunks of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import Audio, AudioDone
from bridge.agents.livecall_grpc.config import AudioEncoding
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.utterances import PAUSE_MS, UnusableAudio, Voice, peer_name_of

HZ = 24_000
# Source: protocols, test vectors.
PCM = bytes.fromhex("0000e80318fcff7f00800100ffff0001")


def voice(encoding: AudioEncoding = AudioEncoding.BYTES, rate_hz: int = HZ) -> Voice:
    return Voice(encoding, rate_hz)


def chunk(pcm: bytes = PCM, **fields: Any) -> pb.AudioChunk:
    described: dict[str, Any] = {"sample_rate": HZ, "sample_width": 2, "audio_content": pcm}
    return pb.AudioChunk(**(described | fields))


def second() -> pb.AudioChunk:
    return chunk(bytes(2 * HZ))


def pcm_of(events) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, Audio))


@pytest.mark.parametrize(
    "fields", [{}, {"sample_width": 16}, {"sample_width": 0}, {"num_channels": 1}, {"sample_rate": 0}]
)
def test_samples_are_the_same_however_they_are_described(fields):
    assert voice().chunk(chunk(**fields), 0) == [Audio("ai#1", PCM)]


def test_base64_text_is_read_where_it_is_agreed():
    assert voice(AudioEncoding.BASE64_TEXT).chunk(chunk(pybase64.b64encode(PCM)), 0) == [Audio("ai#1", PCM)]


@pytest.mark.parametrize("width", [1, 8])
def test_eight_bit_samples_are_widened(width):
    widened = pcm_of(voice().chunk(chunk(bytes([0, 128, 255]), sample_width=width), 0))
    assert np.frombuffer(widened, "<i2").tolist() == [-32_768, 0, 32_512]


@pytest.mark.parametrize(
    ("fields", "detail", "is_lasting"),
    [
        ({"sample_rate": 22_050}, "22050 Hz", True),
        ({"sample_rate": -1}, "-1 Hz", True),
        ({"sample_width": 4}, "width 4", True),
        ({"num_channels": 2}, "2 channels", True),
        ({"audio_content": b"\x00\x01"}, "no base64", False),
    ],
)
def test_unusable_audio_says_why(fields, detail, is_lasting):
    with pytest.raises(UnusableAudio, match=detail) as raised:
        voice(AudioEncoding.BASE64_TEXT).chunk(chunk(**fields), 0)
    assert raised.value.is_lasting is is_lasting


@given(st.lists(st.integers(1, 7), min_size=1, max_size=12))
def test_samples_may_be_cut_anywhere(cuts):
    spoken = voice()
    data = bytes(range(sum(cuts)))
    events, at = [], 0
    for length in cuts:
        events += spoken.chunk(chunk(data[at : at + length]), 0)
        at += length
    assert pcm_of(events) == data[: len(data) - len(data) % 2]


def test_another_rate_is_converted_within_the_utterance():
    spoken = voice()
    tone = (8_000 * np.sin(np.arange(8_000) * 2 * np.pi * 400 / 8_000)).astype("<i2").tobytes()
    events = spoken.chunk(chunk(tone, sample_rate=8_000), 0) + spoken.chunk(second(), 1_000) + spoken.end()
    assert len(pcm_of(events)) / (2 * HZ) == pytest.approx(2.0, abs=0.03)
    assert {event.item_id for event in events} == {"ai#1"}
    assert np.abs(np.frombuffer(pcm_of(events)[: 2 * HZ], "<i2")).max() == pytest.approx(8_000, abs=200)


def test_named_utterances_follow_each_other():
    spoken = voice()
    events = [
        *spoken.chunk(chunk(item_id="a"), 0),
        *spoken.chunk(chunk(item_id="a"), 1),
        *spoken.chunk(chunk(item_id="b"), 2),
        *spoken.chunk(chunk(item_id="b", is_last=True), 3),
    ]
    assert events == [
        Audio("ai-a", PCM),
        Audio("ai-a", PCM),
        AudioDone("ai-a"),
        Audio("ai-b", PCM),
        Audio("ai-b", PCM),
        AudioDone("ai-b"),
    ]
    assert spoken.end() == []


def test_names_are_told_back_as_the_peer_gave_them():
    assert [peer_name_of(name) for name in ("ai-x", "ai#3", "ai-ai-x", "bridge-apology-1")] == ["x", "", "ai-x", ""]


def test_unnamed_audio_is_one_utterance_until_it_pauses():
    spoken = voice()
    assert spoken.pause_ends_at_ms() is None
    spoken.chunk(second(), 0)
    assert spoken.pause_ends_at_ms() == 1_000 + PAUSE_MS
    # Ten times as fast as it is spoken.
    spoken.chunk(second(), 100)
    assert spoken.pause_ends_at_ms() == 2_000 + PAUSE_MS
    assert spoken.end() == [AudioDone("ai#1")]
    assert spoken.pause_ends_at_ms() is None
    assert spoken.chunk(chunk(), 5_000) == [Audio("ai#2", PCM)]


def test_named_and_unnamed_audio_are_two_utterances():
    spoken = voice()
    events = [*spoken.chunk(chunk(), 0), *spoken.chunk(chunk(item_id="a"), 1), *spoken.chunk(chunk(), 2)]
    assert events == [
        Audio("ai#1", PCM),
        AudioDone("ai#1"),
        Audio("ai-a", PCM),
        AudioDone("ai-a"),
        Audio("ai#2", PCM),
    ]


def test_rest_of_an_interrupted_unnamed_utterance_is_skipped_up_to_the_pause():
    spoken = voice()
    spoken.chunk(second(), 0)
    spoken.interrupted("ai#1", 300)
    assert spoken.chunk(second(), 400) == []
    assert spoken.words("more of it") is None
    assert spoken.name_of("") is None
    assert (spoken.skipped_ms, spoken.pause_ends_at_ms()) == (1_000, 400 + 1_000 + PAUSE_MS)
    # Ten seconds at once do not silence the service for ten seconds.
    spoken.chunk(chunk(bytes(20 * HZ)), 500)
    assert spoken.pause_ends_at_ms() == 500 + 1_000 + PAUSE_MS
    assert spoken.end() == []
    assert spoken.chunk(chunk(), 3_000) == [Audio("ai#2", PCM)]


def test_rest_of_an_interrupted_utterance_may_say_that_it_is_the_last():
    spoken = voice()
    spoken.chunk(chunk(), 0)
    spoken.interrupted("ai#1", 0)
    spoken.chunk(chunk(is_last=True), 1)
    assert spoken.chunk(chunk(), 2) == [Audio("ai#2", PCM)]


def test_named_audio_after_an_interruption_keeps_its_name():
    # The playout drops what still comes for an utterance that was cut.
    spoken = voice()
    spoken.chunk(chunk(item_id="a"), 0)
    spoken.interrupted("ai-a", 0)
    assert spoken.chunk(chunk(item_id="a"), 1) == [Audio("ai-a", PCM)]


def test_an_interruption_of_an_earlier_utterance_changes_nothing():
    spoken = voice()
    spoken.chunk(chunk(item_id="a"), 0)
    spoken.interrupted("ai-before", 0)
    assert spoken.chunk(chunk(item_id="a"), 1) == [Audio("ai-a", PCM)]


def test_what_follows_a_stop_is_another_utterance():
    spoken = voice()
    spoken.chunk(second(), 0)
    spoken.stopped()
    spoken.interrupted("ai#1", 50)
    assert spoken.chunk(chunk(), 100) == [Audio("ai#2", PCM)]


def test_words_belong_to_the_utterance_they_introduce():
    spoken = voice()
    assert spoken.words("Good") == ("ai#1", "Good")
    assert spoken.words("day") == ("ai#1", " day")
    assert spoken.words(" to you") == ("ai#1", " to you")
    assert spoken.pause_ends_at_ms() is None
    assert spoken.chunk(chunk(), 0) == [Audio("ai#1", PCM)]
    assert (spoken.name_of(""), spoken.name_of("b")) == ("ai#1", "ai-b")


@pytest.mark.parametrize(
    ("content", "is_suspect"),
    [
        (pybase64.b64encode(bytes(range(240))), True),
        (bytes(320), False),
        (bytes(range(256)), False),
        (b"AAAA", False),
    ],
)
def test_base64_in_place_of_samples_is_suspected(content, is_suspect):
    spoken = voice()
    spoken.chunk(chunk(content), 0)
    assert spoken.looks_like_base64 is is_suspect
