"""Speech detection on synthetic vowels: onset, hang-over, and independence of how the audio was cut."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.audio.vad import FRAME_MS, SpeechDetector, SpeechStarted, SpeechStopped

RATE_HZ = 8_000


def vowel(duration_ms: int) -> bytes:
    """Harmonics of 140 Hz under two formants: voiced to the detector."""
    t = np.arange(RATE_HZ * duration_ms // 1000) / RATE_HZ
    harmonics = [
        np.exp(-(((140 * k - 600) / 400) ** 2)) * np.sin(2 * np.pi * 140 * k * t)
        + 0.6 * np.exp(-(((140 * k - 1_400) / 400) ** 2)) * np.sin(2 * np.pi * 140 * k * t)
        for k in range(1, 24)
    ]
    samples: np.ndarray = 3_000 * np.sum(harmonics, axis=0)
    return samples.astype("<i2").tobytes()


def noise(duration_ms: int, level: int = 10) -> bytes:
    samples = np.random.default_rng(7).normal(0, level, RATE_HZ * duration_ms // 1000)
    return samples.astype("<i2").tobytes()


def test_detector_tells_start_and_stop_where_they_were():
    detector = SpeechDetector(RATE_HZ, hang_over_ms=400)
    started, stopped = detector.feed(noise(600) + vowel(800) + noise(1_000))
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert started.at_ms == pytest.approx(600, abs=60)
    assert stopped.started_ms == started.at_ms
    # The detector itself holds on for some frames after the voice.
    assert stopped.at_ms == pytest.approx(1_400, abs=200)
    assert not detector.is_speaking
    assert detector.speaking_ms == 0


def test_detector_ignores_a_click():
    assert SpeechDetector(RATE_HZ, onset_ms=200).feed(noise(500) + vowel(20) + noise(800)) == []


def test_detector_bridges_a_breath():
    changes = SpeechDetector(RATE_HZ, hang_over_ms=600).feed(vowel(500) + noise(250) + vowel(500))
    assert [type(change) for change in changes] == [SpeechStarted]


def test_detector_counts_the_running_speech():
    detector = SpeechDetector(RATE_HZ)
    detector.feed(noise(200) + vowel(1_000))
    assert detector.is_speaking
    assert detector.speaking_ms == pytest.approx(1_000, abs=60)
    assert detector.fed_ms == 1_200


@pytest.mark.parametrize("chunk_bytes", [2, 78, 320, 322, 1_600])
def test_detector_does_not_depend_on_chunks(chunk_bytes):
    audio = noise(300) + vowel(700) + noise(900)
    whole = SpeechDetector(RATE_HZ).feed(audio)
    detector = SpeechDetector(RATE_HZ)
    chunked = [
        change for at in range(0, len(audio), chunk_bytes) for change in detector.feed(audio[at : at + chunk_bytes])
    ]
    assert chunked == whole
    assert detector.fed_ms % FRAME_MS == 0


def test_detector_refuses_a_rate_it_cannot_hear():
    with pytest.raises(ValueError, match="resample"):
        SpeechDetector(24_000)
