"""MP3 for PSR's `chunk`, made by LAME in two ways, because PSR does not say how it plays chunks.

`GaplessFiles` is right where every chunk is played as a file of its own, `FrameStream` where chunks are joined into
one stream; each is bad under the other reading (docs/reference/wire/psr.md). LAME is an optional dependency, loaded
when the first codec needs it.

Source: ISO 11172-3 and 13818-3 for frames; for the Info tag the "LAME Tag" page of its authors.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Protocol

from telephony.errors import LocalProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES, PlayAudio

if TYPE_CHECKING:
    from lameenc import Encoder

RATE_HZ: Final = 8000
FRAME_SAMPLES: Final = 576
BIT_RATE_KBPS: Final = 32
FIRST_FILE_MS: Final = 200

# At 8 kHz a frame lasts 72 ms, without padding, at any bit rate.
_FRAME_BYTES_PER_KBPS: Final = 9
_BYTES_PER_MS: Final = RATE_HZ * PCM16_SAMPLE_BYTES // 1000
# What comes out late: LAME begins with this much, and a decoder with that much.
_ENCODER_DELAY_SAMPLES: Final = 576
_DECODER_DELAY_SAMPLES: Final = 529
_QUALITY: Final = 5

# A frame of 8 kbit/s that holds no audio but the tag, which stands behind the header and the side information.
_TAG_FRAME_HEAD: Final = bytes.fromhex("ffe318c4") + bytes(9)
_TAG_FRAME_BYTES: Final = 72
_TAG: Final = struct.Struct(">4sIII9s12x3s")
_TAG_HAS_FRAMES_AND_BYTES: Final = 3


class ChunkEncoder(Protocol):
    """One call's encoder: what `chunk` payloads to send for a piece of an utterance, and for its end."""

    def encode(self, audio: PlayAudio) -> list[bytes]:
        """The payloads that are ready."""

    def finish(self, item_id: str) -> list[bytes]:
        """The payloads that were waiting for more of this utterance."""


class GaplessFiles:
    """Every chunk an MP3 file that says how many of its samples are padding, so that it plays to the exact sample.

    The first file of an utterance is short, so that it is soon heard; the others are long, since each has three to four
    frames of padding and costs an encoder.
    """

    def __init__(self, chunk_ms: int, bit_rate_kbps: int = BIT_RATE_KBPS) -> None:
        """At most `chunk_ms` of audio go into a file.

        Raises:
            LocalProtocolError: LAME is not installed.
        """
        require_lame()
        self._chunk_bytes = chunk_ms * _BYTES_PER_MS
        self._first_bytes = min(chunk_ms, FIRST_FILE_MS) * _BYTES_PER_MS
        self._bit_rate_kbps = bit_rate_kbps

    def encode(self, audio: PlayAudio) -> list[bytes]:
        """See `ChunkEncoder`."""
        head_bytes = 0 if audio.offset_ms else self._first_bytes
        starts = range(head_bytes, len(audio.pcm), self._chunk_bytes)
        pieces = [audio.pcm[:head_bytes], *(audio.pcm[start : start + self._chunk_bytes] for start in starts)]
        return [self._file(piece) for piece in pieces if piece]

    def finish(self, item_id: str) -> list[bytes]:  # noqa: ARG002  nothing waits: files are complete
        """See `ChunkEncoder`."""
        return []

    def _file(self, pcm: bytes) -> bytes:
        encoder = _new_encoder(self._bit_rate_kbps)
        frames = bytes(encoder.encode(pcm)) + bytes(encoder.flush())
        return _info_frame(frames, len(pcm) // PCM16_SAMPLE_BYTES, self._bit_rate_kbps) + frames


class FrameStream:
    """One continuous MP3 stream, cut into whole frames, that is late by a tenth of a second and a decoder's delay.

    The end of an utterance pushes its last samples out with silence, up to a third of a second of it.
    """

    def __init__(self, bit_rate_kbps: int = BIT_RATE_KBPS) -> None:
        """Raises LocalProtocolError where LAME is not installed."""
        require_lame()
        self._bit_rate_kbps = bit_rate_kbps
        self._frame_bytes = bit_rate_kbps * _FRAME_BYTES_PER_KBPS
        self._item_id: str | None = None
        self._restart()

    def encode(self, audio: PlayAudio) -> list[bytes]:
        """See `ChunkEncoder`. What waits of an utterance whose end was never told is dropped with its encoder."""
        if self._item_id not in (None, audio.item_id):
            self._restart()
        self._item_id = audio.item_id
        frames = self._push(audio.pcm)
        return [frames] if frames else []

    def finish(self, item_id: str) -> list[bytes]:
        """See `ChunkEncoder`."""
        if item_id != self._item_id:
            return []
        self._item_id = None
        frames = b""
        wanted_samples = self._in_samples + _ENCODER_DELAY_SAMPLES + _DECODER_DELAY_SAMPLES
        while self._out_frames * FRAME_SAMPLES < wanted_samples:
            frames += self._push(bytes(FRAME_SAMPLES * PCM16_SAMPLE_BYTES))
        return [frames] if frames else []

    def _restart(self) -> None:
        self._encoder = _new_encoder(self._bit_rate_kbps)
        self._carry = b""
        self._in_samples = 0
        self._out_frames = 0

    def _push(self, pcm: bytes) -> bytes:
        """The whole frames that are complete now; LAME hands out bytes as it has them."""
        self._in_samples += len(pcm) // PCM16_SAMPLE_BYTES
        data = self._carry + bytes(self._encoder.encode(pcm))
        frames = len(data) // self._frame_bytes
        self._out_frames += frames
        self._carry = data[frames * self._frame_bytes :]
        return data[: frames * self._frame_bytes]


def require_lame() -> None:
    """Raises LocalProtocolError, with what to install, where LAME is missing."""
    _new_encoder(BIT_RATE_KBPS)


def _new_encoder(bit_rate_kbps: int) -> Encoder:
    try:
        from lameenc import Encoder
    except ImportError as error:
        raise LocalProtocolError("MP3 needs LAME: install the Python package lameenc") from error
    encoder = Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(RATE_HZ)
    # Without this LAME may choose another rate by itself.
    encoder.set_out_sample_rate(RATE_HZ)
    encoder.set_bit_rate(bit_rate_kbps)
    encoder.set_quality(_QUALITY)
    encoder.silence()
    return encoder


def _info_frame(frames: bytes, samples: int, bit_rate_kbps: int) -> bytes:
    """The frame before the others that tells a decoder which of their samples are not audio."""
    count = len(frames) // (bit_rate_kbps * _FRAME_BYTES_PER_KBPS)
    padding = count * FRAME_SAMPLES - _ENCODER_DELAY_SAMPLES - samples
    delays = (_ENCODER_DELAY_SAMPLES << 12 | padding).to_bytes(3, "big")
    tag = _TAG.pack(b"Info", _TAG_HAS_FRAMES_AND_BYTES, count, len(frames), b"LAME3.100", delays)
    return (_TAG_FRAME_HEAD + tag).ljust(_TAG_FRAME_BYTES, b"\0")
