"""The shape of a recording."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from campaigns.queries.waveform import Waveform, read_waveform


def write(path: Path, samples: np.ndarray, *, width: int = 2, rate_hz: int = 8000) -> Path:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(samples.shape[1])
        recording.setsampwidth(width)
        recording.setframerate(rate_hz)
        recording.writeframes(samples.astype("<i2").tobytes())
    return path


def test_waveform_keeps_the_sides_apart_and_the_loudest_of_each_piece(tmp_path):
    samples = np.zeros((8000, 2))
    samples[1000, 0] = 32767
    samples[7999, 1] = -16384

    assert read_waveform(write(tmp_path / "a.wav", samples), buckets=4) == Waveform(
        duration_ms=1000, channels=((100, 0, 0, 0), (0, 0, 0, 50))
    )


def test_waveform_of_a_short_file_has_no_more_pieces_than_samples(tmp_path):
    samples = np.array([[-32768], [0], [16384]])

    assert read_waveform(write(tmp_path / "a.wav", samples)) == Waveform(duration_ms=0, channels=((100, 0, 50),))


def test_waveform_of_a_file_cut_short_ends_in_silence(tmp_path):
    path = write(tmp_path / "a.wav", np.full((8000, 1), 32767))
    path.write_bytes(path.read_bytes()[: 44 + 8000])

    assert read_waveform(path, buckets=4) == Waveform(duration_ms=1000, channels=((100, 100, 0, 0),))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a recording at all, just some text of a file"])
def test_waveform_of_something_else_is_none(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)

    assert read_waveform(path) is None


def test_waveform_of_an_empty_or_8_bit_recording_is_none(tmp_path):
    assert read_waveform(write(tmp_path / "a.wav", np.zeros((0, 1)))) is None
    assert read_waveform(write(tmp_path / "b.wav", np.zeros((10, 1)), width=1)) is None
