"""MP3 chunks as a switch would play them, under either reading of PSR's `chunk` (see `playout`).

* `FILES`: each chunk is decoded by itself, and a file that says which of its samples are padding plays without them.
* `STREAM`: the chunks' frames are decoded as one stream; a tag in the middle of it is a frame like any other.

The decoder, miniaudio, comes with the developer's dependencies only.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from telephony.simulator.audio import RATE_HZ, Samples, silence, to_line
from telephony.simulator.playout import Hypothesis

# Source: ISO 11172-3 (MPEG 1) and 13818-3 (MPEG 2), layer III; by the two bits of the version, 0 being MPEG 2.5.
_RATES_HZ: Final = {0: (11_025, 12_000, 8000), 2: (22_050, 24_000, 16_000), 3: (44_100, 48_000, 32_000)}
_MPEG1_KBPS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBPS: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1: Final = 3
_HEADER_BYTES: Final = 4
# A frame may borrow from frames before it, and sounds on into the next: so many are decoded again.
_CONTEXT_FRAMES: Final = 8
_TAG_MARKS: Final = (b"Info", b"Xing")
_TAG_WITHIN_BYTES: Final = 40


class Mp3Error(ValueError):
    """A chunk cannot be played; `code` says whether it or the installation is at fault."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Mp3Decoder:
    """The MP3 chunks of one call, in order."""

    def __init__(self, hypothesis: Hypothesis) -> None:
        self._is_stream = hypothesis is Hypothesis.STREAM
        self._carry = b""
        self._context: list[bytes] = []

    def decode(self, chunk: bytes) -> bytes:
        """What is heard of a chunk, as PCM16 at the line's rate; under `STREAM` whole frames only.

        Raises:
            Mp3Error: no MP3, or no decoder.
        """
        samples = self._continue(chunk) if self._is_stream else _decoded(chunk)
        return samples.tobytes()

    def _continue(self, chunk: bytes) -> Samples:
        frames, self._carry = _split(self._carry + chunk)
        if not frames:
            if len(self._carry) < _HEADER_BYTES:
                raise Mp3Error("bad_mp3")
            return silence(0)
        window = [*self._context, *frames]
        heard = _decoded(b"".join(window))
        self._context = window[-_CONTEXT_FRAMES:]
        # Every frame is as long as every other; the first ones of a window may come out short.
        return heard[-round(len(frames) * _frame_line_samples(frames[-1])) :]


def _decoded(mp3: bytes) -> Samples:
    try:
        import miniaudio
    except ImportError:
        raise Mp3Error("no_mp3_decoder") from None
    try:
        sound = miniaudio.mp3_read_s16(mp3)
    except miniaudio.DecodeError:
        raise Mp3Error("bad_mp3") from None
    return to_line(np.frombuffer(sound.samples, np.int16).reshape(-1, sound.nchannels), sound.sample_rate)


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole frames in `data` and what is left of it; what is no frame is passed over, tags are made silent."""
    frames, at = [], 0
    while at + _HEADER_BYTES <= len(data):
        length = _frame_bytes(data[at : at + _HEADER_BYTES])
        if not length:
            at += 1
            continue
        if at + length > len(data):
            break
        frame = data[at : at + length]
        for mark in _TAG_MARKS:
            if mark in frame[:_TAG_WITHIN_BYTES]:
                frame = frame.replace(mark, bytes(len(mark)), 1)
        frames.append(frame)
        at += length
    return frames, data[at:]


def _frame_bytes(header: bytes) -> int:
    """How long the frame is that begins with these four bytes; 0 where none does."""
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kbps_index, rate_index = header[2] >> 4, header[2] >> 2 & 3
    is_layer_3 = header[0] == 0xFF and header[1] >= 0xE0 and layer == 1
    if not is_layer_3 or version not in _RATES_HZ or rate_index == 3 or not 0 < kbps_index < len(_MPEG1_KBPS):
        return 0
    kbps = (_MPEG1_KBPS if version == _MPEG1 else _MPEG2_KBPS)[kbps_index]
    padding = header[2] >> 1 & 1
    return _frame_samples(version) // 8 * kbps * 1000 // _RATES_HZ[version][rate_index] + padding


def _frame_samples(version: int) -> int:
    return 1152 if version == _MPEG1 else 576


def _frame_line_samples(frame: bytes) -> float:
    """How many samples of the line a frame lasts."""
    version, rate_index = frame[1] >> 3 & 3, frame[2] >> 2 & 3
    return _frame_samples(version) * RATE_HZ / _RATES_HZ[version][rate_index]
