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
    """Every `down` input samples give `up` output samples: a window of input times a fixed matrix.

    One row of the product makes `_ROW_UNITS` such units at once. The matrix then holds more zeros than taps, and still
    a frame costs less than half: the product is one call of BLAS on small dense matrices.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        divisor = gcd(from_hz, to_hz)
        self._up = to_hz // divisor
        self._down = from_hz // divisor
        self._design = design = _design(from_hz, to_hz)
        self.delay_ms = design.delay_ms
        self._tail_samples = ceil(design.delay_ms * from_hz / 1000)
        # The first `_held` samples of the buffer are input that later output still needs.
        self._history_samples = design.window_samples - self._down
        self._held = self._history_samples
        self._work = _Workspace(design, rows=0)

    def process(self, samples: Int16Array) -> Int16Array:
        end = self._held + len(samples)
        units = (end - self._history_samples) // self._down
        rows = -(-units // _ROW_UNITS)
        work = self._work
        if rows > work.rows or end > len(work.input):
            work = self._work = _Workspace(self._design, rows=max(rows, 1), keep=work.input[: self._held], least=end)
        work.input[self._held : end] = samples
        if units <= 0:
            self._held = end
            return np.empty(0, dtype=np.int16)
        converted = work.convert(rows)[: units * self._up]
        consumed = units * self._down
        self._held = end - consumed
        work.input[: self._held] = work.input[consumed:end]
        return converted.astype(np.int16)

    def flush(self) -> Int16Array:
        unread = self._held - self._history_samples
        padding = -(unread + self._tail_samples) % self._down
        tail = self.process(np.zeros(self._tail_samples + padding, dtype=np.int16))
        self._held = self._history_samples
        self._work.input[: self._held] = 0
        return tail


class _Workspace:
    """Room for one chunk of input and of output, kept from chunk to chunk: allocating it would cost more than the sums.

    What lies beyond the input is of earlier chunks; it only reaches outputs that are not taken.
    """

    def __init__(self, design: _Design, *, rows: int, keep: Float32Array | None = None, least: int = 0) -> None:
        self.rows = rows
        self._matrix = design.matrix
        step = _ROW_UNITS * design.down
        width, row_outputs = design.matrix.shape
        self.input = np.zeros(max(rows * step + width, least, width), dtype=np.float32)
        if keep is not None:
            self.input[: len(keep)] = keep
        stride = self.input.itemsize
        # Rows overlap; BLAS wants them apart.
        self._overlapping = as_strided(self.input, (rows, width), (step * stride, stride), writeable=False)
        self._windows = np.empty((rows, width), dtype=np.float32)
        self._output = np.empty((rows, row_outputs), dtype=np.float32)
        self._flat_output = self._output.ravel()

    def convert(self, rows: int) -> Float32Array:
        """The outputs of the first `rows` rows, whole numbers within the range of int16."""
        windows, output = self._windows[:rows], self._output[:rows]
        np.copyto(windows, self._overlapping[:rows])
        np.matmul(windows, self._matrix, out=output)
        np.rint(output, out=output)
        # np.clip costs as much as the product.
        np.maximum(output, _INT16_MIN, out=output)
        np.minimum(output, _INT16_MAX, out=output)
        return self._flat_output


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

    def process(self, samples: Int16Array) -> Int16Array:
        return np.asarray(self._stream.resample_chunk(samples), dtype=np.int16)

    def flush(self) -> Int16Array:
        tail = np.asarray(self._stream.resample_chunk(np.empty(0, dtype=np.int16), last=True), dtype=np.int16)
        self._stream.clear()
        return tail
