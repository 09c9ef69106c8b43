"""G.711, the telephone's eight bits a sample, to and from linear PCM16 by table (20 ms in 5 µs).

Source: ITU-T G.711. Samples are linear 16 bit, little-endian; one of them is one byte of G.711.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

_Numbers: TypeAlias = npt.NDArray[np.int32]

_SEGMENTS: Final = 8
# Both laws have four bits of value inside a segment.
_VALUE_MASK: Final = 0x0F
_SIGN_BIT: Final = 0x80

# The mu-law works on 14 of the 16 bits, with a bias that makes every segment twice as wide as the one below it.
_MU_SHIFT: Final = 2
_MU_BIAS: Final = 33
_MU_CLIP: Final = (1 << 13) - 1 - _MU_BIAS

# The A-law works on 13 bits; every second bit travels inverted.
_A_SHIFT: Final = 3
_A_INVERTED: Final = 0x55


class Law(StrEnum):
    """The two laws of G.711."""

    MU = "mulaw"
    A = "alaw"


def encode(pcm: bytes, law: Law) -> bytes:
    """One byte for each PCM16 sample.

    Raises:
        ValueError: `pcm` ends inside a sample.
    """
    return np.take(_ENCODED[law], np.frombuffer(pcm, "<u2")).tobytes()


def decode(companded: bytes, law: Law) -> bytes:
    """One PCM16 sample for each byte.

    Encoding the result gives the same bytes again but for mu-law's negative zero, 0x7F: it decodes to 0, which encodes
    to 0xFF.
    """
    return np.take(_DECODED[law], np.frombuffer(companded, np.uint8)).tobytes()


def _mu_encoded(samples: _Numbers) -> _Numbers:
    value = samples >> _MU_SHIFT
    magnitude = np.minimum(np.abs(value), _MU_CLIP) + _MU_BIAS
    segment = _bit_length(magnitude) - _bit_length(np.int32(_MU_BIAS))
    code = segment << 4 | (magnitude >> segment + 1) & _VALUE_MASK
    encoded: _Numbers = ~code & 0xFF & ~np.where(value < 0, _SIGN_BIT, 0)
    return encoded


def _mu_decoded(codes: _Numbers) -> _Numbers:
    code = ~codes & 0xFF
    segment = code >> 4 & _SEGMENTS - 1
    magnitude = (((code & _VALUE_MASK) << 1) + _MU_BIAS << segment) - _MU_BIAS << _MU_SHIFT
    decoded: _Numbers = np.where(code & _SIGN_BIT, -magnitude, magnitude)
    return decoded


def _a_encoded(samples: _Numbers) -> _Numbers:
    value = samples >> _A_SHIFT
    magnitude = np.where(value < 0, ~value, value)
    segment = np.maximum(_bit_length(magnitude) - 5, 0)
    code = segment << 4 | magnitude >> np.maximum(segment, 1) & _VALUE_MASK
    encoded: _Numbers = (code | np.where(value < 0, 0, _SIGN_BIT)) ^ _A_INVERTED
    return encoded


def _a_decoded(codes: _Numbers) -> _Numbers:
    code = codes ^ _A_INVERTED
    segment = code >> 4 & _SEGMENTS - 1
    # Half a step more than the least value of the code, so that the error is at most half a step either way.
    odd_half = ((code & _VALUE_MASK) << 1) + 1 + np.where(segment > 0, 32, 0)
    magnitude = odd_half << np.maximum(segment, 1) - 1 << _A_SHIFT
    decoded: _Numbers = np.where(code & _SIGN_BIT, magnitude, -magnitude)
    return decoded


def _bit_length(values: _Numbers | np.int32) -> _Numbers:
    """How many bits each value needs; none is negative."""
    bits: _Numbers = np.frexp(values)[1].astype(np.int32)
    return bits


_ALL_CODES: Final = np.arange(1 << 8, dtype=np.int32)
# Read by a sample's bits as an unsigned number: the negative half follows the positive.
_ALL_SAMPLES: Final = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
_ENCODED: Final[Mapping[Law, npt.NDArray[np.uint8]]] = MappingProxyType(
    {Law.MU: _mu_encoded(_ALL_SAMPLES).astype(np.uint8), Law.A: _a_encoded(_ALL_SAMPLES).astype(np.uint8)}
)
_DECODED: Final[Mapping[Law, npt.NDArray[np.int16]]] = MappingProxyType(
    {Law.MU: _mu_decoded(_ALL_CODES).astype("<i2"), Law.A: _a_decoded(_ALL_CODES).astype("<i2")}
)
