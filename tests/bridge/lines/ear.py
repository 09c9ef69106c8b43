"""What a person at the end of a line truly hears of the agent, to the sample. Pure: time is passed in, in ms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

SAMPLES_PER_MS = 8
# Two pieces that touch but for a rounding error are one sound.
SEAM_MS = 0.2


class Ear:
    """A vendor's playout buffer and the ear behind it, at 8 kHz.

    Audio that arrives on an idle line is heard `delay_ms` later, else behind what waits. `now_ms` never goes back.
    """

    def __init__(self, delay_ms: float) -> None:
        self._delay_ms = delay_ms
        self._pieces: list[tuple[float, Samples]] = []
        self.ends_ms = 0.0

    def arrives(self, now_ms: float, pcm: bytes) -> float:
        """Queue PCM16 mono; when its last sample will be heard."""
        samples = np.frombuffer(pcm, "<i2")
        starts_ms = max(now_ms + self._delay_ms, self.ends_ms)
        self._pieces.append((starts_ms, samples))
        self.ends_ms = starts_ms + len(samples) / SAMPLES_PER_MS
        return self.ends_ms

    def drop(self, now_ms: float) -> None:
        """Forget what is not heard yet."""
        self._pieces = list(self._heard(now_ms))
        self.ends_ms = min(self.ends_ms, now_ms)

    def samples(self, until_ms: float) -> Samples:
        """Everything heard so far, without the silence between."""
        return np.concatenate([np.zeros(0, np.int16), *(part for _, part in self._heard(until_ms))])

    def heard_ms(self, until_ms: float) -> float:
        """How much was heard."""
        return sum(len(part) for _, part in self._heard(until_ms)) / SAMPLES_PER_MS

    def sounds(self, until_ms: float) -> list[tuple[float, float]]:
        """From when to when something was heard, pieces without a gap as one."""
        found: list[tuple[float, float]] = []
        for starts_ms, part in self._heard(until_ms):
            ends_ms = starts_ms + len(part) / SAMPLES_PER_MS
            if found and starts_ms - found[-1][1] < SEAM_MS:
                found[-1] = (found[-1][0], ends_ms)
            else:
                found.append((starts_ms, ends_ms))
        return found

    def heard_ms_at_level(self, level: int, until_ms: float) -> float:
        """How much was heard of a sound that is all one level; G.711 may have shifted it by a fiftieth."""
        heard = self.samples(until_ms).astype(np.int32)
        return int(np.count_nonzero(np.abs(heard - level) <= level * 0.04)) / SAMPLES_PER_MS

    def _heard(self, until_ms: float) -> list[tuple[float, Samples]]:
        parts = []
        for starts_ms, samples in self._pieces:
            length = min(len(samples), int(max(0.0, until_ms - starts_ms) * SAMPLES_PER_MS))
            if length:
                parts.append((starts_ms, samples[:length]))
        return parts


def likeness(heard: Samples, reference: Samples) -> float:
    """The largest correlation, from 0 to 1, of `reference` with any stretch of `heard`."""
    if len(heard) < len(reference) or not len(reference):
        return 0.0
    sound, wanted = heard.astype(np.float64), reference.astype(np.float64)
    size = 1 << (len(sound) + len(wanted)).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)), size)
    places = len(sound) - len(wanted) + 1
    energies = np.concatenate(([0.0], np.cumsum(sound**2)))
    energy = energies[len(wanted) :][:places] - energies[:places]
    scale = np.sqrt(np.maximum(energy, 1.0) * np.sum(wanted**2))
    return float(np.max(product[:places] / scale))
