"""Cutting a customer's audio into utterances."""

from __future__ import annotations

import pytest

from bridge.agents.scripted.listening import EAR_HZ, MAX_UTTERANCE_MS, Listener, Utterance
from bridge.audio.vad import SpeechStarted
from tests.bridge.session.fakes import vowel


def silence(duration_ms: int) -> bytes:
    return bytes(EAR_HZ * duration_ms // 500)


def fed(listener: Listener, pcm: bytes, piece_bytes: int = 320) -> list[SpeechStarted | Utterance]:
    return [heard for at in range(0, len(pcm), piece_bytes) for heard in listener.feed(pcm[at : at + piece_bytes])]


def test_utterance_has_the_voice_and_its_edges():
    audio = silence(1_000) + vowel(600) + silence(1_000)
    started, utterance = fed(Listener(), audio)
    assert isinstance(started, SpeechStarted)
    assert isinstance(utterance, Utterance)
    assert utterance.started_ms == pytest.approx(1_000, abs=60)
    assert utterance.ended_ms == pytest.approx(1_600, abs=160)
    assert vowel(500) in utterance.pcm
    assert len(utterance.pcm) < len(vowel(600)) + len(silence(700))
    assert not utterance.is_click


@pytest.mark.parametrize("piece_bytes", [2, 320, 1_998, 100_000])
def test_pieces_of_any_length_make_the_same_utterances(piece_bytes):
    audio = silence(500) + vowel(400) + silence(900) + vowel(300) + silence(900)
    assert fed(Listener(), audio, piece_bytes) == fed(Listener(), audio)


def test_utterance_is_whole_after_minutes_of_silence():
    listener = Listener()
    fed(listener, silence(4 * MAX_UTTERANCE_MS))
    _, utterance = fed(listener, vowel(500) + silence(1_000))
    assert isinstance(utterance, Utterance)
    assert vowel(500) in utterance.pcm


def test_talking_goes_on_over_short_pauses():
    listener = Listener()
    fed(listener, silence(500) + vowel(3_000) + silence(900) + vowel(2_000))
    assert listener.talking_ms == pytest.approx(5_900, abs=80)
    fed(listener, silence(1_000))
    assert listener.talking_ms == 0


def test_long_pause_begins_another_announcement():
    listener = Listener()
    fed(listener, silence(500) + vowel(3_000) + silence(2_000) + vowel(1_000))
    assert listener.talking_ms == pytest.approx(1_000, abs=80)
