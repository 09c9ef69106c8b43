"""Was this prompt heard before? Judged by the rise and fall of its loudness alone, so in any bot's language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from telephony.simulator.audio import TICK_MS, Samples

# Measured on the survey's prompts over the line's noise: the same one 0.93 to 1.0, others up to 0.8 (two that end in
# one sentence); below this length others come near too.
SAME_CORRELATION: Final = 0.9
MIN_COMPARED_MS: Final = 1500
# Prompts do not begin on the callee's frames, and pieces may be joined with short gaps.
MAX_SHIFT_FRAMES: Final = 3
# Under the noise of the line, differences mean nothing.
_FLOOR_RMS: Final = 100.0
_FLAT: Final = 1e-3


def loudness(frame: Samples) -> float:
    """The root mean square of a frame."""
    wide = frame.astype(np.float32)
    return float(np.sqrt(np.mean(wide * wide)))


def is_asked_again(before: Sequence[float], now: Sequence[float]) -> bool:
    """Whether two prompts, as loudness per frame, begin alike (one was cut off) or end alike (one has a new lead)."""
    frames = min(len(before), len(now))
    if frames * TICK_MS < MIN_COMPARED_MS:
        return False
    first, second = (np.log(np.asarray(each) + _FLOOR_RMS) for each in (before, now))
    return any(
        _is_alike(one[shift:frames], other[: frames - shift])
        for a, b in ((first, second), (first[::-1], second[::-1]))
        for one, other in ((a, b), (b, a))
        for shift in range(MAX_SHIFT_FRAMES + 1)
    )


def _is_alike(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    # A sound without rise and fall is like no other.
    if min(one.std(), other.std()) < _FLAT:
        return False
    return float(np.corrcoef(one, other)[0, 1]) >= SAME_CORRELATION
