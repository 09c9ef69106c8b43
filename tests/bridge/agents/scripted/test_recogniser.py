"""The offline ear on recorded callers: nine voices, eleven phrases, over a telephone band."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.scripted.recogniser import UNCLEAR, SphinxRecogniser, decode
from bridge.agents.scripted.script import Question, script_of
from bridge.audio.wav import read_wav
from tests.bridge.agents.speech import VOICES, recording

SCRIPT = script_of({})
GREETING = SCRIPT.nodes["greeting"]
assert isinstance(GREETING, Question)
PHRASES = SCRIPT.phrases_of(GREETING)


def test_ear_understands_most_recorded_answers_and_mistakes_none_for_another():
    heard = {
        (voice, phrase): decode(read_wav(recording(voice, phrase)).samples, 8_000, PHRASES).phrase
        for voice in VOICES
        for phrase in PHRASES
        if recording(voice, phrase).is_file()
    }
    assert len(heard) > 80
    assert {key: phrase for key, phrase in heard.items() if phrase not in (None, key[1])} == {}
    assert sum(phrase is not None for phrase in heard.values()) / len(heard) >= 0.85


@pytest.mark.parametrize("voice", VOICES)
def test_ear_takes_a_greeting_for_no_answer(voice):
    assert decode(read_wav(recording(voice, "hello")).samples, 8_000, PHRASES).phrase is None


def test_ear_takes_silence_for_no_answer():
    assert decode(bytes(16_000), 8_000, PHRASES).phrase is None


def test_recogniser_answers_from_its_own_thread():
    audio = read_wav(recording(VOICES[0], "yes")).samples
    hearing = asyncio.run(SphinxRecogniser().recognise(audio, 8_000, ("yes", "no")))
    assert hearing.phrase == "yes"
    assert 0.55 <= hearing.confidence <= 1


def test_unclear_has_no_confidence():
    assert (UNCLEAR.phrase, UNCLEAR.confidence) == (None, 0.0)
