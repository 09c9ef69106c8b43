"""Prompt files: what is read, and what is refused with which advice."""

from __future__ import annotations

import pytest

from bridge.audio.wav import Pcm, read_wav
from telephony.protocols.wav import WavFormatError, build_wav


def test_read_wav_gives_samples_rate_and_duration(tmp_path):
    path = tmp_path / "hello.wav"
    path.write_bytes(build_wav(b"\x01\x00" * 1_600, 16_000))
    assert read_wav(path) == Pcm(b"\x01\x00" * 1_600, 16_000)
    assert read_wav(path).duration_ms == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (build_wav(b"\x00" * 8, 16_000, channels=2), "mono"),
        (build_wav(b"\x00" * 8, 11_025), "8000, 16000, 24000, 48000"),
        (b"ID3 this is an MP3", "not a WAV file"),
        (b"", "not a WAV file"),
    ],
)
def test_read_wav_says_what_to_do(tmp_path, content, message):
    path = tmp_path / "prompt.wav"
    path.write_bytes(content)
    with pytest.raises(WavFormatError, match=message):
        read_wav(path)


def test_read_wav_of_a_missing_file_names_it(tmp_path):
    with pytest.raises(WavFormatError, match=r"gone\.wav cannot be read"):
        read_wav(tmp_path / "gone.wav")
