"""Prompt files: a WAV of ours on disk, read as PCM16 mono."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.audio.resample import SUPPORTED_RATES_HZ
from telephony.protocols.events import PCM16_SAMPLE_BYTES
from telephony.protocols.wav import WavFormatError, read_wav_header

# Two minutes at 48 kHz: a longer prompt is a mistake, and would be held in memory whole.
MAX_PROMPT_BYTES: Final = 120 * 48_000 * PCM16_SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Pcm:
    """PCM16 mono samples with their rate."""

    samples: bytes
    rate_hz: int

    @property
    def duration_ms(self) -> int:
        """How long the samples last, rounded down to whole ms."""
        return len(self.samples) * 1000 // (PCM16_SAMPLE_BYTES * self.rate_hz)


def read_wav(path: Path) -> Pcm:
    """The samples of a WAV file.

    Raises:
        WavFormatError: the file is missing, too long, or not PCM16 mono at a rate we convert; the text says what to do.
    """
    try:
        if path.stat().st_size > MAX_PROMPT_BYTES:
            raise WavFormatError(f"{path.name} is longer than two minutes; cut it")
        data = path.read_bytes()
    except OSError as error:
        raise WavFormatError(f"{path.name} cannot be read: {error.strerror}") from error
    header = read_wav_header(data)
    if not header.is_pcm16 or header.channels != 1 or header.rate_hz not in SUPPORTED_RATES_HZ:
        raise WavFormatError(
            f"{path.name} has {header.channels} channel(s) of {header.bits_per_sample} bits at {header.rate_hz} Hz; "
            f"save it as 16-bit PCM, mono, at one of {SUPPORTED_RATES_HZ} Hz"
        )
    samples = header.samples_in(data)
    return Pcm(samples[: len(samples) - len(samples) % PCM16_SAMPLE_BYTES], header.rate_hz)
