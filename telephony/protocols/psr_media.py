"""PSR's `media`, both ways: the message, which may come twice, and the action, whole WAV files cut to fit messages.

Source: vendor-docs/psr-1-introduction, vendor-docs/psr-2-actions.
"""

from __future__ import annotations

from typing import Final

import pybase64

from telephony.errors import LocalProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES, WireMessage
from telephony.protocols.repeats import Repeats
from telephony.protocols.wav import WavFormatError, build_wav, read_wav_header

# Source: vendor-docs/psr-1-introduction, "Format File": 16 bit, 8000 Hz.
RATE_HZ: Final = 8000
BYTES_PER_MS: Final = RATE_HZ * PCM16_SAMPLE_BYTES // 1000

MAX_ACTION_CHARS: Final = 64 * 1024
# Room for the JSON around a payload and for a WAV header inside it.
_PAYLOAD_ROOM_CHARS: Final = MAX_ACTION_CHARS - 256
MAX_PCM_BYTES: Final = _PAYLOAD_ROOM_CHARS // 4 * 3 // PCM16_SAMPLE_BYTES * PCM16_SAMPLE_BYTES
# Shorter pieces are alike by chance.
_TELLING_BYTES: Final = 5 * BYTES_PER_MS


class MediaRepeats:
    """Finds media messages that came twice.

    PSR's page does not say that a timestamp names one message, and pieces sent together may share it: only the audio
    tells them from a message that came twice. Silence is like other silence, and is never dropped. Nor is anything
    of a peer whose clock stands still.
    """

    def __init__(self) -> None:
        self._repeats = Repeats()
        self._first_timestamp: int | None = None

    def has(self, timestamp: object, audio: bytes) -> bool:
        """Whether the same audio of the same millisecond came a moment ago."""
        if not isinstance(timestamp, int) or len(audio) < _TELLING_BYTES or not audio.strip(b"\0"):
            return False
        if self._first_timestamp is None:
            self._first_timestamp = timestamp
        return timestamp != self._first_timestamp and self._repeats.has(hash((timestamp, audio)))


def file_action(pcm: bytes, *, is_sync: bool) -> str:
    """The action that plays PCM16 as a file, after what plays (`is_sync`) or instead of it."""
    payload = pybase64.b64encode_as_string(build_wav(pcm, RATE_HZ))
    return f'{{"event":"media","media":{{"payload":"{payload}","is_sync":{"true" if is_sync else "false"}}}}}'


def file_actions(wav: bytes, is_queued: bool) -> list[WireMessage]:
    """`wav` as files that each fit a message; those after the first wait for the one before.

    Raises:
        LocalProtocolError: not a mono PCM16 WAV at 8 kHz.
    """
    try:
        header = read_wav_header(wav)
    except WavFormatError as error:
        raise LocalProtocolError(f"the file to play cannot be read: {error}") from None
    if not (header.is_pcm16 and header.channels == 1 and header.rate_hz == RATE_HZ):
        raise LocalProtocolError(f"the file to play must be a mono PCM16 WAV at {RATE_HZ} Hz")
    pcm = header.samples_in(wav)
    if len(pcm) % PCM16_SAMPLE_BYTES:
        raise LocalProtocolError("the file to play ends in the middle of a sample")
    return [
        file_action(pcm[start : start + MAX_PCM_BYTES], is_sync=is_queued or start > 0)
        for start in range(0, len(pcm), MAX_PCM_BYTES)
    ]
