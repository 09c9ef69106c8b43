"""Streaming sample-rate conversion of PCM16 mono.

Two families stand behind one class. `fir` (the default) is a linear-phase Kaiser filter in polyphase form: its delay is
short and the same for every chunk, which is what a conversation needs. `soxr_hq` and `soxr_lq` are python-soxr streams:
flatter to the band edge, but they hold tens of milliseconds back and let them go in bursts. docs/adr/0003-resampling.md
has the measurements behind the choice.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from math import ceil, gcd
from typing import Final, Protocol, TypeAlias

import numpy as np
import soxr
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Int16Array: TypeAlias = NDArray[np.int16]
Float32Array: TypeAlias = NDArray[np.float32]

SUPPORTED_RATES_HZ: Final = (8_000, 16_000, 24_000, 48_000)

# Of the lower of the two rates: at 8 kHz the filter is flat to 3.4 kHz (the telephone band ends there, ITU-T G.712) and
# silent from 4.6 kHz, where what folds back lands above 3.4 kHz.
PASS_EDGE: Final = 0.425
STOP_EDGE: Final = 0.575
STOPBAND_DB: Final = 80.0

_INT16_MIN: Final = -32768.0
_INT16_MAX: Final = 32767.0


class Method(StrEnum):
    """How samples are converted; the value of the RESAMPLER setting."""

    FIR = "fir"
    SOXR_HQ = "soxr_hq"
    SOXR_LQ = "soxr_lq"


_SOXR_QUALITY: Final = {Method.SOXR_HQ: "HQ", Method.SOXR_LQ: "LQ"}


class _Converter(Protocol):
    delay_ms: float

    def process(self, samples: Int16Array) -> Int16Array: ...

    def flush(self) -> Int16Array: ...


class Resampler:
    """Converts one stream of PCM16 mono from one rate to another, chunk by chunk.

    The samples that come out do not depend on how the input was cut into chunks.
    """

    def __init__(self, from_hz: int, to_hz: int, method: Method = Method.FIR) -> None:
        if from_hz not in SUPPORTED_RATES_HZ or to_hz not in SUPPORTED_RATES_HZ:
            raise ValueError(f"cannot convert {from_hz} Hz to {to_hz} Hz; supported rates are {SUPPORTED_RATES_HZ}")
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._converter = _converter(from_hz, to_hz, method)

    @property
    def delay_ms(self) -> float:
        """The constant delay of the filter in ms; for soxr streams the mean hold-back measured with 20 ms chunks."""
        return self._converter.delay_ms if self._converter is not None else 0.0

    def process(self, pcm: bytes) -> bytes:
        """The converted samples that are ready after this chunk (whole PCM16 samples in, whole samples out)."""
        if self._converter is None or not pcm:
            return pcm
        return self._converter.process(np.frombuffer(pcm, dtype="<i2")).astype("<i2", copy=False).tobytes()

    def flush(self) -> bytes:
        """The tail still inside the filter; the resampler then starts afresh, as for a new utterance."""
        if self._converter is None:
            return b""
        return self._converter.flush().astype("<i2", copy=False).tobytes()


def _converter(from_hz: int, to_hz: int, method: Method) -> _Converter | None:
    if from_hz == to_hz:
        return None
    if method is Method.FIR:
        return _PolyphaseFir(from_hz, to_hz)
    return _SoxrStream(from_hz, to_hz, _SOXR_QUALITY[method])


class _PolyphaseFir:
    """Every `down` input samples give `up` output samples, as one product of a window of input with a fixed matrix."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = gcd(from_hz, to_hz)
        self._up = to_hz // divisor
        self._down = from_hz // divisor
        design = _design(from_hz, to_hz)
        self._matrix = design.matrix
        self._window_samples = design.matrix.shape[0]
        self.delay_ms = design.delay_ms
        self._tail_samples = ceil(design.delay_ms * from_hz / 1000)
        self._pending = self._silence()

    def _silence(self) -> Float32Array:
        return np.zeros(self._window_samples - self._down, dtype=np.float32)

    def process(self, samples: Int16Array) -> Int16Array:
        pending = np.concatenate((self._pending, samples.astype(np.float32)))
        blocks = (len(pending) - self._window_samples) // self._down + 1
        if blocks <= 0:
            self._pending = pending
            return np.empty(0, dtype=np.int16)
        stride = pending.strides[0]
        windows = as_strided(pending, (blocks, self._window_samples), (self._down * stride, stride), writeable=False)
        converted = (windows @ self._matrix).ravel()
        np.rint(converted, out=converted)
        np.clip(converted, _INT16_MIN, _INT16_MAX, out=converted)
        self._pending = pending[blocks * self._down :].copy()
        return converted.astype(np.int16)

    def flush(self) -> Int16Array:
        unread = len(self._pending) - (self._window_samples - self._down)
        padding = -(unread + self._tail_samples) % self._down
        tail = self.process(np.zeros(self._tail_samples + padding, dtype=np.int16))
        self._pending = self._silence()
        return tail


class _Design:
    """The filter of one pair of rates, as the matrix that `_PolyphaseFir` multiplies with."""

    __slots__ = ("delay_ms", "matrix")

    def __init__(self, matrix: Float32Array, delay_ms: float) -> None:
        self.matrix = matrix
        self.delay_ms = delay_ms


@lru_cache(maxsize=len(SUPPORTED_RATES_HZ) ** 2)
def _design(from_hz: int, to_hz: int) -> _Design:
    divisor = gcd(from_hz, to_hz)
    up, down = to_hz // divisor, from_hz // divisor
    fine_hz = from_hz * up
    taps = _low_pass(fine_hz, min(from_hz, to_hz)) * up
    reach = ceil(len(taps) / up)
    padded = np.zeros(reach * up)
    padded[: len(taps)] = taps
    window_samples = reach + down - 1
    matrix = np.zeros((window_samples, up))
    for output in range(up):
        # Output `output` of a block lies on the fine grid at output*down: its newest input sample and its phase follow.
        newest, phase = divmod(output * down, up)
        branch = padded[phase::up]
        rows = reach - 1 + newest - np.arange(reach)
        matrix[rows, output] = branch
    return _Design(matrix.astype(np.float32), (len(taps) - 1) / 2 / fine_hz * 1000)


def _low_pass(fine_hz: int, low_hz: int) -> NDArray[np.float64]:
    """Taps of a Kaiser-windowed sinc, odd in number, with gain 1.

    Source: J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function" (1974).
    """
    transition_hz = (STOP_EDGE - PASS_EDGE) * low_hz
    half = ceil((STOPBAND_DB - 7.95) / (2.285 * 2 * np.pi * transition_hz / fine_hz) / 2)
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    cutoff = (PASS_EDGE + STOP_EDGE) * low_hz / fine_hz
    taps = cutoff * np.sinc(cutoff * np.arange(-half, half + 1)) * np.kaiser(2 * half + 1, beta)
    normalised: NDArray[np.float64] = taps / taps.sum()
    return normalised


class _SoxrStream:
    """A python-soxr stream behind the same three methods."""

    # Mean of what is inside the stream after each 20 ms chunk; benchmarks/bridge.py measures it again.
    _MEAN_HOLD_BACK_MS: Final = {"LQ": 22.0, "HQ": 42.0}

    def __init__(self, from_hz: int, to_hz: int, quality: str) -> None:
        self.delay_ms = self._MEAN_HOLD_BACK_MS[quality]
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=quality)

    def process(self, samples: Int16Array) -> Int16Array:
        return np.asarray(self._stream.resample_chunk(samples), dtype=np.int16)

    def flush(self) -> Int16Array:
        tail = np.asarray(self._stream.resample_chunk(np.empty(0, dtype=np.int16), last=True), dtype=np.int16)
        self._stream.clear()
        return tail
