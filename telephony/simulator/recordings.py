"""Recordings of calls, as PSR offers them: a stereo file of the whole call and a mono file of its streamed part."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from telephony.protocols.wav import build_wav
from telephony.simulator.audio import RATE_HZ, SAMPLES_PER_MS, Samples, clipped
from telephony.simulator.line import Legs

_STEREO_FRAME_BYTES = 4


class Recorder:
    """Writes one call to disk as it goes on; the files appear when it is closed.

    `call_id` must be fit for a file name.
    """

    def __init__(self, folder: Path, call_id: str) -> None:
        self._folder = folder
        self._call_id = call_id
        self._partial = folder / f"{call_id}.part"
        self._writer = wave.open(str(self._partial), "wb")  # noqa: SIM115 - closed by `close`
        self._writer.setnchannels(2)
        self._writer.setsampwidth(2)
        self._writer.setframerate(RATE_HZ)
        self._streamed_from = 0
        self._streamed_to = 0
        self._frames = 0

    @property
    def duration_ms(self) -> int:
        """How long the whole recording is by now."""
        return self._frames // SAMPLES_PER_MS

    def add(self, legs: Legs) -> None:
        """One more frame of both legs: A on the left, B on the right."""
        self._writer.writeframesraw(np.column_stack((legs.a, legs.b)).astype("<i2").tobytes())
        self._frames += len(legs.a)

    def stream_began(self) -> None:
        """From here on the call is streamed."""
        self._streamed_from = self._streamed_to = self._frames

    def stream_ended(self) -> None:
        """The call is not streamed any more."""
        self._streamed_to = self._frames

    def close(self) -> None:
        """Finish both files."""
        self._writer.close()
        full = self._folder / full_name(self._call_id)
        with wave.open(str(self._partial), "rb") as reader:
            reader.setpos(self._streamed_from)
            data = reader.readframes(max(0, self._streamed_to - self._streamed_from))
        (self._folder / mono_name(self._call_id)).write_bytes(build_wav(_mono(data).astype("<i2").tobytes(), RATE_HZ))
        self._partial.rename(full)


def mono_name(call_id: str) -> str:
    """The file of the streamed part."""
    return f"{call_id}.wav"


def full_name(call_id: str) -> str:
    """The file of the whole call. Source: vendor-docs/psr-3-create-stream, `full_recording_url`."""
    return f"full_{call_id}.wav"


def _mono(stereo: bytes) -> Samples:
    frames = np.frombuffer(stereo[: len(stereo) // _STEREO_FRAME_BYTES * _STEREO_FRAME_BYTES], "<i2").reshape(-1, 2)
    return clipped(frames.astype(np.float32).mean(axis=1))
