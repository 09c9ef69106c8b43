"""PSR's `chunk` action: audio as it is spoken, as PCM16 that PSR converts or as MP3 that we make.

Source: vendor-docs/psr-2-actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import pybase64

from telephony.errors import LocalProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES, PlayAudio, WireMessage
from telephony.protocols.psr_media import BYTES_PER_MS, MAX_PCM_BYTES
from telephony.protocols.psr_mp3 import ChunkEncoder, FrameStream, GaplessFiles


class ChunkFormat(StrEnum):
    """`media.format` of a `chunk` (Source: vendor-docs/psr-2-actions); PSR's own default is mp3."""

    PCM16 = "pcm16"
    MP3 = "mp3"


class ChunkCodec(StrEnum):
    """How our audio becomes chunks; which MP3 is right depends on how PSR plays them (protocols G.5)."""

    PCM16 = "pcm16"
    """PSR converts it."""
    MP3_INDEPENDENT = "mp3_independent"
    """Each chunk a whole MP3 file."""
    MP3_STREAM = "mp3_stream"
    """All chunks together one MP3 stream."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What suits a chunk codec, see `Capabilities`."""

    chunk_ms: int
    lead_ms: int
    link_ms: int


# PSR plays what it holds to its end, so the lead is how long an interrupted agent talks on; half of it is there for a
# chunk that is late.
# A file costs three frames of padding, so files are long and the lead covers one; a stream is heard later by what LAME
# and a decoder hold back, a quarter of a second.
TIMING: Final = {
    ChunkCodec.PCM16: Timing(chunk_ms=100, lead_ms=200, link_ms=150),
    ChunkCodec.MP3_INDEPENDENT: Timing(chunk_ms=500, lead_ms=700, link_ms=150),
    ChunkCodec.MP3_STREAM: Timing(chunk_ms=200, lead_ms=500, link_ms=390),
}


class ChunkSender:
    """One call's way from audio to chunks."""

    def __init__(self, chunk_codec: ChunkCodec, chunk_ms: int) -> None:
        """At most `chunk_ms` of audio go into a chunk.

        Raises:
            LocalProtocolError: LAME is missing for `chunk_codec`, or a chunk of `chunk_ms` does not fit a message.
        """
        if not 0 < chunk_ms * BYTES_PER_MS <= MAX_PCM_BYTES:
            raise LocalProtocolError(f"chunk_ms must be between 1 and {MAX_PCM_BYTES // BYTES_PER_MS}")
        self._chunk_bytes = chunk_ms * BYTES_PER_MS
        self._mp3 = _mp3_encoder(chunk_codec, chunk_ms)

    def play(self, audio: PlayAudio) -> list[WireMessage]:
        """The actions for a piece of an utterance; an MP3 stream may still hold some of it.

        Raises:
            LocalProtocolError: audio that is not whole samples.
        """
        pcm = audio.pcm
        if len(pcm) % PCM16_SAMPLE_BYTES:
            raise LocalProtocolError("audio to play must hold whole PCM16 samples")
        if self._mp3 is not None:
            return [_chunk_action(mp3, ChunkFormat.MP3) for mp3 in self._mp3.encode(audio)]
        starts = range(0, len(pcm), self._chunk_bytes)
        return [_chunk_action(pcm[start : start + self._chunk_bytes], ChunkFormat.PCM16) for start in starts]

    def end(self, item_id: str) -> list[WireMessage]:
        """The actions for what was still held of this utterance."""
        if self._mp3 is None:
            return []
        return [_chunk_action(mp3, ChunkFormat.MP3) for mp3 in self._mp3.finish(item_id)]


def _mp3_encoder(chunk_codec: ChunkCodec, chunk_ms: int) -> ChunkEncoder | None:
    match chunk_codec:
        case ChunkCodec.PCM16:
            return None
        case ChunkCodec.MP3_INDEPENDENT:
            return GaplessFiles(chunk_ms)
        case ChunkCodec.MP3_STREAM:
            return FrameStream()


def _chunk_action(audio: bytes, chunk_format: ChunkFormat) -> str:
    # `is_sync` is documented for `media` only, yet the vendor's own example sends it with chunks; it asks for the
    # order we need, so it is always there.
    payload = pybase64.b64encode_as_string(audio)
    return f'{{"event":"chunk","media":{{"payload":"{payload}","is_sync":true,"format":"{chunk_format.value}"}}}}'
