"""Audio as LiveCall's messages carry it, with its format next to it or left to be assumed."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import orjson
import pybase64

from telephony.errors import RemoteProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES, AudioReceived, Ignored, VendorEvent
from telephony.protocols.familiar import MAX_SHAPES, FamiliarText
from telephony.protocols.pcm_payload import FrameAligner, decode_base64

# Source: vendor-docs/livecall-gateway, "Audio Output": the client is sent 8 kHz.
OUT_RATE_HZ: Final = 8000
IN_RATES_HZ: Final = (8000, 16_000, 24_000, 48_000)
CLOSE_UNSUPPORTED_AUDIO: Final = 4415

# What the vendor's gateway assumes where a `play_audio` does not say (protocols C.2).
_DEFAULT_FORMAT: Final = MappingProxyType({"sample_rate": 16_000, "sample_width": 16, "num_channels": 1})
# The page's example says 16, meaning bits; its clients also say 2, meaning bytes.
_SAMPLE_WIDTHS: Final = frozenset({16, PCM16_SAMPLE_BYTES})
_CHANNELS: Final = frozenset({1, 2})
_MAX_UNALIGNED_S: Final = 5


class ClientAudio:
    """What a client streams, as events with whole mono samples; the format may change from message to message."""

    def __init__(self) -> None:
        self._format: _Format | None = None
        self._familiar: FamiliarText | None = None
        self._shapes_left = MAX_SHAPES

    def receive(self, audio: dict[str, Any]) -> list[VendorEvent]:
        """The events for one `play_audio`.

        Raises:
            RemoteProtocolError: no audio, or a format that nobody here understands, which ends the call.
        """
        # Whatever was remembered was of the format so far.
        self._familiar = None
        content = audio.get("audio_content")
        if not isinstance(content, str):
            raise RemoteProtocolError("no_payload", "play_audio must have an audio_content that is a string")
        rate_hz, channels = _format_of(audio)
        if self._format is None or (self._format.rate_hz, self._format.channels) != (rate_hz, channels):
            self._format = _Format(rate_hz, channels)
        return self._format.receive(decode_base64(content))

    def receive_familiar(self, message: str) -> list[VendorEvent] | None:
        """The events for a message that is like the remembered one but for its audio; None: read it in full."""
        if self._familiar is None or self._format is None:
            return None
        values = self._familiar.values_in(message)
        if values is None:
            return None
        try:
            piece = pybase64.b64decode(values[0], validate=True)
        except ValueError:
            return None
        return self._format.receive(piece)

    def remember(self, message: str, events: list[VendorEvent]) -> None:
        """The next messages may be like this one, which was read in full, where it held audio and nothing else."""
        if self._shapes_left and len(events) == 1 and isinstance(events[0], AudioReceived):
            self._shapes_left -= 1
            self._familiar = FamiliarText.of(message, ("audio_content",))


@dataclass(slots=True)
class _Format:
    """One format of a client's audio, with what is left of its last piece."""

    rate_hz: int
    channels: int
    aligner: FrameAligner = field(init=False)

    def __post_init__(self) -> None:
        frame_bytes = self.channels * PCM16_SAMPLE_BYTES
        self.aligner = FrameAligner(frame_bytes, reset_after_bytes=_MAX_UNALIGNED_S * self.rate_hz * frame_bytes)

    def receive(self, piece: bytes) -> list[VendorEvent]:
        """The events for one decoded payload: whole samples, two channels mixed into one."""
        if not piece:
            return [Ignored("empty_audio")]
        frames = self.aligner.push(piece)
        events: list[VendorEvent] = []
        if frames:
            events.append(AudioReceived(_mixed(frames) if self.channels > 1 else frames, self.rate_hz))
        if self.aligner.reset_if_lost():
            events.append(Ignored("audio_realigned"))
        return events


def _mixed(interleaved: bytes) -> bytes:
    """Both channels at half their loudness, as one."""
    frames = np.frombuffer(interleaved, "<i2").reshape(-1, 2)
    mono: bytes = (frames.sum(axis=1, dtype=np.int32) >> 1).astype("<i2").tobytes()
    return mono


def _format_of(audio: dict[str, Any]) -> tuple[int, int]:
    """Rate in Hz and channels of a `play_audio`. What it says of its duration is not asked: the bytes tell.

    Raises:
        RemoteProtocolError: audio that we do not understand, which ends the call.
    """
    rate_hz, width, channels = (audio.get(name, default) for name, default in _DEFAULT_FORMAT.items())
    # True equals 1 and lists are in no set: the types must be right before the values can be.
    is_told = all(isinstance(number, int | float) and number is not True for number in (rate_hz, width, channels))
    if is_told and rate_hz in IN_RATES_HZ and width in _SAMPLE_WIDTHS and channels in _CHANNELS:
        return int(rate_hz), int(channels)
    raise RemoteProtocolError(
        "unsupported_audio",
        f"audio must be 16 bit, mono or stereo, at one of {IN_RATES_HZ} Hz",
        close_code=CLOSE_UNSUPPORTED_AUDIO,
    )


def audio_output(pcm: bytes, *, tells_format: bool) -> str:
    """The gateway's message that plays audio, 8 kHz mono; with its format next to it for clients that read that."""
    if tells_format:
        return orjson.dumps({"audio_output": described(pcm, OUT_RATE_HZ, channels=1)}).decode()
    return f'{{"audio_output":{{"audio_content":"{pybase64.b64encode_as_string(pcm)}"}}}}'


def described(pcm: bytes, rate_hz: int, channels: int) -> dict[str, Any]:
    """Audio with its format next to it; the width counts bytes, the duration seconds."""
    return {
        "sample_rate": rate_hz,
        "sample_width": PCM16_SAMPLE_BYTES,
        "num_channels": channels,
        "duration": len(pcm) / (rate_hz * channels * PCM16_SAMPLE_BYTES),
        "audio_content": pybase64.b64encode_as_string(pcm),
    }
