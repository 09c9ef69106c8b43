"""The offline ear on recorded callers: every voice, every phrase, over a telephone band."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bridge.agents.scripted.recogniser import MIN_CONFIDENCE, UNCLEAR, SphinxRecogniser, decode
from bridge.agents.scripted.script import Question, script_of
from bridge.audio.wav import read_wav
from tests.bridge.agents.speech import VOICES, over_a_line, recording

SCRIPT = script_of({})
GREETING = SCRIPT.nodes["greeting"]
assert isinstance(GREETING, Question)
PHRASES = SCRIPT.phrases_of(GREETING)
BRANCHES = SCRIPT.branches_of(GREETING)


def meaning(phrase: str | None) -> str | None:
    return next((branch.go for branch in BRANCHES if phrase in branch.phrases), None)


def test_ear_understands_recorded_answers_and_mistakes_none_for_another():
    heard = {
        (voice, phrase): decode(over_a_line(read_wav(recording(voice, phrase)).samples), 8_000, PHRASES).phrase
        for voice in VOICES
        for phrase in PHRASES
        if recording(voice, phrase).is_file()
    }
    assert len(heard) == len(VOICES) * (len(PHRASES) - 1)
    mistaken = {key: phrase for key, phrase in heard.items() if phrase and meaning(phrase) != meaning(key[1])}
    assert mistaken == {}
    assert sum(phrase is not None for phrase in heard.values()) / len(heard) >= 0.98


@pytest.mark.parametrize("voice", VOICES)
def test_ear_takes_a_greeting_for_no_answer(voice):
    assert decode(over_a_line(read_wav(recording(voice, "hello")).samples), 8_000, PHRASES).phrase is None


def test_ear_takes_silence_for_no_answer():
    assert decode(bytes(16_000), 8_000, PHRASES).phrase is None


@pytest.mark.parametrize("level", [20, 80, 300])
def test_ear_takes_the_noise_of_a_line_for_no_answer(level):
    noise = np.random.default_rng(level).normal(0, level, 8_000).astype("<i2").tobytes()
    assert decode(noise, 8_000, PHRASES).phrase is None


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("phrase", ["yes", "yes please", "no", "no thanks", "maybe"])
def test_ear_hears_the_answers_of_a_quiet_caller_on_a_noisy_line(voice, phrase):
    quiet = over_a_line(read_wav(recording(voice, phrase)).samples, gain=0.45)
    assert meaning(decode(quiet, 8_000, PHRASES).phrase) == meaning(phrase)


@pytest.mark.parametrize("voice", VOICES)
def test_ear_takes_the_answer_to_another_question_for_none(voice):
    yes_or_no = SCRIPT.nodes["solved"]
    assert isinstance(yes_or_no, Question)
    assert (
        decode(over_a_line(read_wav(recording(voice, "maybe")).samples), 8_000, SCRIPT.phrases_of(yes_or_no)).phrase
        is None
    )


def test_recogniser_answers_from_its_own_thread():
    audio = read_wav(recording(VOICES[0], "yes")).samples
    hearing = asyncio.run(SphinxRecogniser().recognise(audio, 8_000, ("yes", "no")))
    assert hearing.phrase == "yes"
    assert MIN_CONFIDENCE <= hearing.confidence <= 1


def test_unclear_has_no_confidence():
    assert (UNCLEAR.phrase, UNCLEAR.confidence) == (None, 0.0)
