"""The simulator's sound: PCM16 at 8 kHz, comfort noise that never falls silent, and the recorded speech."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

from telephony.protocols.wav import WavFormatError, read_wav_header

Samples: TypeAlias = npt.NDArray[np.int16]

# Source: vendor-docs/psr-1-introduction, "Format File": 16 bit, 8000 Hz.
RATE_HZ = 8000
SAMPLES_PER_MS = RATE_HZ // 1000
TICK_MS = 20
TICK_SAMPLES = TICK_MS * SAMPLES_PER_MS

# A recogniser hears next to nothing over digital silence; a real line has this much hiss.
NOISE_SIGMA = 80
_NOISE_LOOP_S = 11
_NOISE_SEED = 20

_SPEECH_DIR = Path(__file__).parent / "speech"
_BEEP_HZ = 1000
_BEEP_MS = 500
_BEEP_AMPLITUDE = 9000
_RINGBACK_HZ = 425
_RINGBACK_AMPLITUDE = 4000
BEEP = "beep"


class SpeechFormatError(ValueError):
    """A WAV file cannot be played on a phone line; the text says what to send instead."""


@cache
def voices() -> tuple[str, ...]:
    """The names of the recorded speakers, sorted."""
    return tuple(sorted({entry["speaker"] for entry in _manifest() if entry["speaker"]}))


@cache
def phrase(name: str, speaker: str) -> Samples:
    """A recording: the speaker's own where there is one, else the one that all share.

    Raises:
        KeyError: nobody has recorded `name`.
    """
    if name == BEEP:
        return _tone(_BEEP_HZ, _BEEP_MS, _BEEP_AMPLITUDE)
    files = {(entry["phrase"], entry["speaker"]): entry["file"] for entry in _manifest()}
    file = files.get((name, speaker)) or files[(name, "")]
    return read_wav_8k((_SPEECH_DIR / file).read_bytes())


@cache
def ringback() -> Samples:
    """One second of ringing tone, as the calling side hears it."""
    return _tone(_RINGBACK_HZ, 1000, _RINGBACK_AMPLITUDE)


def read_wav_8k(wav: bytes) -> Samples:
    """Mono samples at 8 kHz of any PCM16 WAV: channels are averaged, other rates resampled.

    Raises:
        SpeechFormatError: not a WAV file, not 16-bit PCM, or no whole sample in it.
    """
    try:
        header = read_wav_header(wav)
    except WavFormatError as error:
        raise SpeechFormatError(f"send a WAV file: {error}") from None
    if not header.is_pcm16 or header.channels < 1 or header.rate_hz < 1:
        raise SpeechFormatError("send a WAV file with 16-bit PCM samples, best at 8000 Hz")
    data = header.samples_in(wav)
    frame_bytes = 2 * header.channels
    frames = np.frombuffer(data[: len(data) // frame_bytes * frame_bytes], "<i2").reshape(-1, header.channels)
    if not len(frames):
        raise SpeechFormatError("the WAV file holds no audio")
    return to_line(frames, header.rate_hz)


def to_line(frames: Samples, rate_hz: int) -> Samples:
    """Frames of any rate, one row each, as the line carries them: channels averaged, at `RATE_HZ`."""
    mono = frames.astype(np.float32).mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = soxr.resample(mono, rate_hz, RATE_HZ)
    return clipped(mono)


def clipped(samples: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> Samples:
    """The samples as PCM16, limited to its range."""
    limited: Samples = np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
    return limited


def mixed(*parts: Samples) -> Samples:
    """The parts, of one length, heard together."""
    total = np.zeros(len(parts[0]), np.int32)
    for part in parts:
        total += part
    return clipped(total)


def silence(samples: int) -> Samples:
    """Digital silence, to mix into."""
    return np.zeros(samples, np.int16)


class ComfortNoise:
    """The hiss of one leg: an endless walk through one noise loop from a place of its own."""

    def __init__(self, random: Random) -> None:
        self._loop = _noise_loop()
        self._position = random.randrange(len(self._loop))

    def take(self, samples: int) -> Samples:
        """The next samples; at most the loop's length at once."""
        start, end = self._position, self._position + samples
        self._position = end % len(self._loop)
        if end <= len(self._loop):
            return self._loop[start:end]
        return np.concatenate((self._loop[start:], self._loop[: end - len(self._loop)]))


class Speech:
    """What one person says, in order; silence between and after."""

    def __init__(self, speaker: str) -> None:
        self._speaker = speaker
        self._pending = silence(0)

    @property
    def is_speaking(self) -> bool:
        """Whether something is still to be said."""
        return len(self._pending) > 0

    def say(self, name: str) -> int:
        """Say a recording after what is being said; returns its length in ms."""
        samples = phrase(name, self._speaker)
        self._pending = np.concatenate((self._pending, samples))
        return len(samples) // SAMPLES_PER_MS

    def take(self, samples: int) -> Samples:
        """The next samples."""
        part, self._pending = self._pending[:samples], self._pending[samples:]
        return part if len(part) == samples else np.concatenate((part, silence(samples - len(part))))


@cache
def _manifest() -> list[dict[str, str]]:
    recordings: list[dict[str, str]] = json.loads((_SPEECH_DIR / "manifest.json").read_text("utf-8"))["recordings"]
    return recordings


@cache
def _noise_loop() -> Samples:
    return clipped(np.random.default_rng(_NOISE_SEED).normal(0, NOISE_SIGMA, _NOISE_LOOP_S * RATE_HZ))


def _tone(frequency_hz: int, duration_ms: int, amplitude: int) -> Samples:
    at_s = np.arange(duration_ms * SAMPLES_PER_MS) / RATE_HZ
    return clipped(amplitude * np.sin(2 * np.pi * frequency_hz * at_s))
