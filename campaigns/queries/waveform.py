"""The shape of a recording, for drawing: how loud each side was over time."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BUCKETS = 800
SAMPLE_WIDTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Waveform:
    """Peaks of each channel, 0 to 100, evenly over the whole length; channel 0 is the customer in a stereo file."""

    duration_ms: int
    channels: tuple[tuple[int, ...], ...]


def read_waveform(path: Path, buckets: int = BUCKETS) -> Waveform | None:
    """The waveform of a PCM16 WAV file, read piece by piece; None when the file is not one.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as recording:
            if recording.getsampwidth() != SAMPLE_WIDTH_BYTES or not recording.getnframes():
                return None
            return _peaks(recording, buckets)
    except (wave.Error, EOFError):
        return None


def _peaks(recording: wave.Wave_read, buckets: int) -> Waveform:
    frames, channels = recording.getnframes(), recording.getnchannels()
    edges = np.linspace(0, frames, min(buckets, frames) + 1, dtype=np.int64)
    peaks: list[list[int]] = [[] for _ in range(channels)]
    for length in np.diff(edges).tolist():
        data = recording.readframes(length)
        whole = len(data) - len(data) % (SAMPLE_WIDTH_BYTES * channels)
        # A file cut short by a crash ends in silence rather than in an error.
        samples = np.frombuffer(data[:whole], dtype="<i2").astype(np.int32).reshape(-1, channels)
        for channel in range(channels):
            loudest = int(np.abs(samples[:, channel]).max(initial=0))
            peaks[channel].append(round(100 * loudest / 32768))
    return Waveform(
        duration_ms=round(1000 * frames / recording.getframerate()),
        channels=tuple(tuple(channel) for channel in peaks),
    )
