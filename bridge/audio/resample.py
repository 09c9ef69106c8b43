"""Streaming sample-rate conversion of PCM16 mono.

Two families stand behind one class. `fir` (the default) is a linear-phase Kaiser filter in polyphase form: its delay is
short and the same for every chunk, which is what a conversation needs. `soxr_hq` and `soxr_lq` are python-soxr streams:
flatter to the band edge, but they hold tens of milliseconds back and let them go in bursts. docs/adr/0003-resampling.md
has the measurements behind the choice.
"""

from __future__ import annotations

import threading
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
# A workspace is kept for chunks of up to a quarter of a second; whole prompts get one of their own.
_MAX_KEPT_ROWS: Final = 128


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
        self._history_samples = design.window_samples - self._down
        # Input that later output still needs.
        self._pending = self._silence()

    def _silence(self) -> Float32Array:
        return np.zeros(self._history_samples, dtype=np.float32)

    def process(self, samples: Int16Array) -> Int16Array:
        held = len(self._pending)
        end = held + len(samples)
        units = (end - self._history_samples) // self._down
        rows = -(-units // _ROW_UNITS)
        work = _workspace(self._design, max(rows, 1), end)
        work.input[:held] = self._pending
        work.input[held:end] = samples
        consumed = max(units, 0) * self._down
        self._pending = work.input[consumed:end].copy()
        if units <= 0:
            return np.empty(0, dtype=np.int16)
        return work.convert(rows)[: units * self._up].astype(np.int16)

    def flush(self) -> Int16Array:
        unread = len(self._pending) - self._history_samples
        padding = -(unread + self._tail_samples) % self._down
        tail = self.process(np.zeros(self._tail_samples + padding, dtype=np.int16))
        self._pending = self._silence()
        return tail


class _Workspace:
    """Room for one chunk of input and of output.

    It is shared by all calls of a thread: allocating it would cost more than the sums, and one for each call would
    never be in the processor's cache. What lies beyond the input is of earlier chunks, and only reaches outputs that
    are not taken.
    """

    def __init__(self, design: _Design, rows: int, input_samples: int) -> None:
        self.rows = rows
        self._matrix = design.matrix
        step = _ROW_UNITS * design.down
        width, row_outputs = design.matrix.shape
        self.input = np.zeros(max(rows * step + width, input_samples), dtype=np.float32)
        stride = self.input.itemsize
        # Rows overlap; BLAS wants them apart.
        self._overlapping = as_strided(self.input, (rows, width), (step * stride, stride), writeable=False)
        self._windows = np.empty((rows, width), dtype=np.float32)
        self._output = np.empty((rows, row_outputs), dtype=np.float32)
        self._flat_output = self._output.ravel()

    def convert(self, rows: int) -> Float32Array:
        """The outputs of the first `rows` rows, whole numbers within the range of int16."""
        windows, output = self._windows, self._output
        if rows < self.rows:
            windows, output = windows[:rows], output[:rows]
        np.copyto(windows, self._overlapping[:rows])
        np.matmul(windows, self._matrix, out=output)
        np.rint(output, out=output)
        # np.clip costs as much as the product.
        np.maximum(output, _INT16_MIN, out=output)
        np.minimum(output, _INT16_MAX, out=output)
        return self._flat_output


class _Workspaces(threading.local):
    """One thread's, by the pair of rates: the largest that was needed so far."""

    def __init__(self) -> None:
        self.by_design: dict[_Design, _Workspace] = {}


_workspaces = _Workspaces()


def _workspace(design: _Design, rows: int, input_samples: int) -> _Workspace:
    if rows > _MAX_KEPT_ROWS:
        return _Workspace(design, rows, input_samples)
    work = _workspaces.by_design.get(design)
    if work is None or rows > work.rows or input_samples > len(work.input):
        work = _workspaces.by_design[design] = _Workspace(design, rows, input_samples)
    return work


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
