"""RIFF/WAVE headers: read what a file says about itself, and write the header of our own PCM16 audio."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from telephony.protocols.events import PCM16_SAMPLE_BYTES

HEADER_BYTES = 44
_RIFF_BYTES = 12
_CHUNK_HEAD = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_FORMAT_PCM = 1
_FORMAT_EXTENSIBLE = 0xFFFE
_SUBFORMAT_OFFSET_BYTES = 24
# Writers that stream put one of these where they do not know the length yet.
_UNKNOWN_LENGTHS_BYTES = frozenset({0, 0xFFFFFFFF})


class WavFormatError(ValueError):
    """The bytes are not a WAV file that can be read; the text says which part is wrong."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a WAV file declares. `data_bytes` is None where the writer left the length open."""

    channels: int
    rate_hz: int
    bits_per_sample: int
    is_pcm: bool
    data_start_bytes: int
    data_bytes: int | None

    @property
    def is_pcm16(self) -> bool:
        """Whether the samples are linear 16-bit PCM."""
        return self.is_pcm and self.bits_per_sample == 8 * PCM16_SAMPLE_BYTES

    def samples_in(self, wav: bytes) -> bytes:
        """The audio bytes of `wav`, the file this header was read from."""
        end = None if self.data_bytes is None else self.data_start_bytes + self.data_bytes
        return wav[self.data_start_bytes : end]


def is_wav(data: bytes) -> bool:
    """Whether `data` begins as a WAV file does."""
    return data.startswith(b"RIFF") and data[8:_RIFF_BYTES] == b"WAVE"


def read_wav_header(data: bytes) -> WavHeader:
    """The header at the start of `data`, which may be a whole file or only its first bytes.

    Raises:
        WavFormatError: no RIFF/WAVE mark, or no readable `fmt ` chunk before the `data` chunk.
    """
    if not is_wav(data):
        raise WavFormatError("not a WAV file: the RIFF/WAVE mark is missing")
    position = _RIFF_BYTES
    sample_format: tuple[int, int, int, int] | None = None
    while position + _CHUNK_HEAD.size <= len(data):
        name, length_bytes = _CHUNK_HEAD.unpack_from(data, position)
        position += _CHUNK_HEAD.size
        if name == b"data":
            if sample_format is None:
                raise WavFormatError("the WAV file has no format before its audio")
            code, channels, rate_hz, bits = sample_format
            return WavHeader(
                channels=channels,
                rate_hz=rate_hz,
                bits_per_sample=bits,
                is_pcm=code == _FORMAT_PCM,
                data_start_bytes=position,
                data_bytes=None if length_bytes in _UNKNOWN_LENGTHS_BYTES else length_bytes,
            )
        if name == b"fmt ":
            sample_format = _read_format(data, position, length_bytes)
        position += length_bytes + length_bytes % 2
    raise WavFormatError("the WAV file has no audio part")


def _read_format(data: bytes, position: int, length_bytes: int) -> tuple[int, int, int, int]:
    if length_bytes < _FORMAT.size or position + _FORMAT.size > len(data):
        raise WavFormatError("the format part of the WAV file is cut short")
    code, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(data, position)
    subformat_at = position + _SUBFORMAT_OFFSET_BYTES
    if code == _FORMAT_EXTENSIBLE and subformat_at + 2 <= min(len(data), position + length_bytes):
        (code,) = struct.unpack_from("<H", data, subformat_at)
    return code, channels, rate_hz, bits


def build_wav(pcm: bytes, rate_hz: int, channels: int = 1) -> bytes:
    """A whole WAV file around PCM16 samples (interleaved where `channels` is 2)."""
    frame_bytes = PCM16_SAMPLE_BYTES * channels
    form = _FORMAT.pack(_FORMAT_PCM, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 8 * PCM16_SAMPLE_BYTES)
    chunks = _CHUNK_HEAD.pack(b"fmt ", len(form)) + form + _CHUNK_HEAD.pack(b"data", len(pcm))
    riff = _CHUNK_HEAD.pack(b"RIFF", 4 + len(chunks) + len(pcm)) + b"WAVE"
    return b"".join((riff, chunks, pcm))
