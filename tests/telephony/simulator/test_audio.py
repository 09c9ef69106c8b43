"""Recorded speech and line noise. A few recordings are really recognised, as the scripted agent will hear them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soxr
from pocketsphinx import Decoder  # type: ignore[attr-defined]  # it lists no exports

from telephony.protocols.wav import build_wav
from telephony.simulator import audio
from telephony.simulator.audio import (
    RATE_HZ,
    ComfortNoise,
    Speech,
    SpeechFormatError,
    clipped,
    mixed,
    phrase,
    read_wav_8k,
    voices,
)

SPEECH_DIR = Path(audio.__file__).parent / "speech"
ANSWERS = (
    "yes",
    "yes please",
    "no",
    "no thanks",
    "maybe",
    "call me back",
    "not interested",
    "remove me",
    "stop calling me",
    "who is this",
    "speak to a person",
)
GRAMMAR = f"#JSGF V1.0; grammar answers; public <answer> = {' | '.join(ANSWERS)};"
MAX_ASSETS_BYTES = 6 * 1024 * 1024


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    decoder = Decoder(samprate=16000, loglevel="FATAL")
    decoder.add_jsgf_string("answers", GRAMMAR)
    decoder.activate_search("answers")
    return decoder


def recognised(decoder: Decoder, name: str, voice: str) -> str:
    """What a grammar hears in a recording on a simulated line."""
    speech = Speech(voice)
    noise = ComfortNoise(Random(f"{name}{voice}"))
    lead = noise.take(3200)
    duration_ms = speech.say(name)
    said = [mixed(speech.take(160), noise.take(160)) for _ in range(duration_ms // 20 + 25)]
    line = np.concatenate([lead, *said]).astype(np.float32)
    decoder.start_utt()
    decoder.process_raw(clipped(soxr.resample(line, RATE_HZ, 16000)).tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr if decoder.hyp() else ""


def test_a_closed_grammar_hears_nearly_every_recording(decoder: Decoder) -> None:
    misheard = [
        (voice, answer, heard)
        for voice in voices()
        for answer in ANSWERS
        if (heard := recognised(decoder, answer.replace(" ", "_"), voice)) != answer
    ]
    assert len(misheard) <= 2, misheard


def test_a_mumble_is_none_of_the_answers(decoder: Decoder) -> None:
    assert {recognised(decoder, "mumble", voice) for voice in voices()} & set(ANSWERS) == set()


def test_the_manifest_lists_exactly_the_files_there_are() -> None:
    manifest = json.loads((SPEECH_DIR / "manifest.json").read_text("utf-8"))
    listed = {entry["file"]: entry["duration_ms"] for entry in manifest["recordings"]}
    there = {str(path.relative_to(SPEECH_DIR)): path for path in SPEECH_DIR.rglob("*.wav")}
    assert {name: round(len(read_wav_8k(path.read_bytes())) / 8) for name, path in there.items()} == listed


def test_recordings_are_small_in_all() -> None:
    prompts = SPEECH_DIR.parents[2] / "bridge/agents/prompts/customer_survey"
    sizes = [path.stat().st_size for folder in (SPEECH_DIR, prompts) for path in folder.rglob("*.wav")]
    assert sum(sizes) < MAX_ASSETS_BYTES


def test_there_are_several_voices() -> None:
    assert len(voices()) == 7


def test_a_name_nobody_recorded_is_an_error() -> None:
    with pytest.raises(KeyError):
        phrase("opera", voices()[0])


def test_noise_is_endless_steady_and_different_on_each_leg() -> None:
    one, other = ComfortNoise(Random(1)), ComfortNoise(Random(2))
    first = np.concatenate([one.take(160) for _ in range(1000)]).astype(float)
    second = np.concatenate([other.take(160) for _ in range(1000)]).astype(float)
    assert 70 < first.std() < 90
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert not (first.reshape(-1, 160) == 0).all(axis=1).any()


def test_speech_is_said_in_order_with_nothing_lost() -> None:
    speech = Speech("anna")
    speech.say("yes")
    speech.say("no")
    parts = []
    while speech.is_speaking:
        parts.append(speech.take(160))
    said = np.concatenate(parts)
    wanted = np.concatenate([phrase("yes", "anna"), phrase("no", "anna")])
    assert said[: len(wanted)].tolist() == wanted.tolist()
    assert not said[len(wanted) :].any()


def test_any_rate_and_channel_count_becomes_8_khz_mono() -> None:
    stereo = np.column_stack((np.full(16000, 1000), np.full(16000, 3000))).astype("<i2")
    samples = read_wav_8k(build_wav(stereo.tobytes(), 16000, channels=2))
    assert len(samples) == 8000
    assert np.abs(samples[100:-100] - 2000).max() <= 2


@pytest.mark.parametrize("wav", [b"", b"RIFF", b"ID3\x00", build_wav(b"", 8000), build_wav(b"\x00", 8000)])
def test_what_is_no_audio_is_refused(wav: bytes) -> None:
    with pytest.raises(SpeechFormatError):
        read_wav_8k(wav)


def test_a_mix_is_limited_and_not_wrapped() -> None:
    loud = np.full(4, 30000, np.int16)
    assert mixed(loud, loud).tolist() == [32767] * 4
    assert mixed(-loud, -loud).tolist() == [-32768] * 4
