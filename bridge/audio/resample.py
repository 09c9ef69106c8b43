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
from numpy.typing import NDArray

from telephony.protocols.events import PCM16_SAMPLE_BYTES

Float32Array: TypeAlias = NDArray[np.float32]

SUPPORTED_RATES_HZ: Final = (8_000, 16_000, 24_000, 48_000)

# Of the lower of the two rates: at 8 kHz the filter is flat to 3.4 kHz (the telephone band ends there, ITU-T G.712) and
# silent from 4.6 kHz, where what folds back lands above 3.4 kHz.
PASS_EDGE: Final = 0.425
STOP_EDGE: Final = 0.575
STOPBAND_DB: Final = 80.0

_SAMPLE: Final = np.dtype("<i2")
_INT16_MIN: Final = np.float32(-32768.0)
_INT16_MAX: Final = np.float32(32767.0)
# Output units of one row of the matrix product: 2 ms at 8 kHz.
_ROW_UNITS: Final = 16


class Method(StrEnum):
    """How samples are converted; the value of the RESAMPLER setting."""

    FIR = "fir"
    SOXR_HQ = "soxr_hq"
    SOXR_LQ = "soxr_lq"


_SOXR_QUALITY: Final = {Method.SOXR_HQ: "HQ", Method.SOXR_LQ: "LQ"}


class _Converter(Protocol):
    delay_ms: float

    def process(self, pcm: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


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
        return self._converter.process(pcm)

    def flush(self) -> bytes:
        """The tail still inside the filter; the resampler then starts afresh, as for a new utterance."""
        if self._converter is None:
            return b""
        return self._converter.flush()


def _converter(from_hz: int, to_hz: int, method: Method) -> _Converter | None:
    if from_hz == to_hz:
        return None
    if method is Method.FIR:
        return _PolyphaseFir(from_hz, to_hz)
    return _SoxrStream(from_hz, to_hz, _SOXR_QUALITY[method])


class _PolyphaseFir:
    """Every `down` input samples give `up` output samples: a window of input times a fixed matrix.

    One row of the product makes `_ROW_UNITS` such units at once. The matrix then holds more zeros than taps, and still
    a frame costs less than half: the product is one call of BLAS on small dense matrices. Most of what is left are the
    calls of numpy around it, so there are few.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = gcd(from_hz, to_hz)
        self._up = to_hz // divisor
        self._down = from_hz // divisor
        design = _design(from_hz, to_hz)
        self.delay_ms = design.delay_ms
        self._matrix = design.matrix
        self._width = len(design.matrix)
        self._tail_samples = ceil(design.delay_ms * from_hz / 1000)
        self._history_bytes = (design.window_samples - self._down) * PCM16_SAMPLE_BYTES
        self._unit_bytes = self._down * PCM16_SAMPLE_BYTES
        self._strides = (_ROW_UNITS * self._unit_bytes, PCM16_SAMPLE_BYTES)
        # Input that later output still needs.
        self._pending = bytes(self._history_bytes)

    def process(self, pcm: bytes) -> bytes:
        data = self._pending + pcm
        units = (len(data) - self._history_bytes) // self._unit_bytes
        if units <= 0:
            self._pending = data
            return b""
        self._pending = data[units * self._unit_bytes :]
        rows = -(-units // _ROW_UNITS)
        is_whole = rows * _ROW_UNITS == units
        if not is_whole:
            # What lies beyond the input only reaches outputs that are not taken.
            data += bytes(rows * self._strides[0] + self._width * PCM16_SAMPLE_BYTES - len(data))
        windows = np.ndarray((rows, self._width), _SAMPLE, data, 0, self._strides)
        # BLAS wants the rows apart; the cast that it needs anyway sets them so.
        output = windows.astype(np.float32).dot(self._matrix)
        np.rint(output, out=output)
        # np.clip costs as much as the product.
        np.maximum(output, _INT16_MIN, out=output)
        np.minimum(output, _INT16_MAX, out=output)
        converted: bytes = output.astype(_SAMPLE).tobytes()
        return converted if is_whole else converted[: units * self._up * PCM16_SAMPLE_BYTES]

    def flush(self) -> bytes:
        unread = (len(self._pending) - self._history_bytes) // PCM16_SAMPLE_BYTES
        padding = -(unread + self._tail_samples) % self._down
        tail = self.process(bytes((self._tail_samples + padding) * PCM16_SAMPLE_BYTES))
        self._pending = bytes(self._history_bytes)
        return tail


class _Design:
    """The filter of one pair of rates, as the matrix that `_PolyphaseFir` multiplies a row's window with."""

    __slots__ = ("delay_ms", "down", "matrix", "window_samples")

    def __init__(self, unit: Float32Array, down: int, delay_ms: float) -> None:
        """`unit` makes one unit: a window of `window_samples` times it gives `up` samples."""
        self.window_samples, up = unit.shape
        self.down = down
        self.delay_ms = delay_ms
        self.matrix = np.zeros((self.window_samples + (_ROW_UNITS - 1) * down, _ROW_UNITS * up), dtype=np.float32)
        for number in range(_ROW_UNITS):
            rows = slice(number * down, number * down + self.window_samples)
            self.matrix[rows, number * up : (number + 1) * up] = unit


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
    return _Design(matrix.astype(np.float32), down, (len(taps) - 1) / 2 / fine_hz * 1000)


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

    def process(self, pcm: bytes) -> bytes:
        return _samples_of(self._stream.resample_chunk(np.frombuffer(pcm, dtype="<i2")))

    def flush(self) -> bytes:
        tail = _samples_of(self._stream.resample_chunk(np.empty(0, dtype=np.int16), last=True))
        self._stream.clear()
        return tail


def _samples_of(array: NDArray[np.int16]) -> bytes:
    return array.astype("<i2", copy=False).tobytes()
