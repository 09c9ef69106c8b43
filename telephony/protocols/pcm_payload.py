"""PCM16 as it travels inside messages: base64 text, in pieces that need not end on a sample."""

from __future__ import annotations

import binascii

import numpy as np
import pybase64

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import PCM16_SAMPLE_BYTES, AudioReceived, Channel, Ignored, Side, VendorEvent
from telephony.protocols.wav import WavFormatError, is_wav, read_wav_header

_MAX_UNALIGNED_S = 5
_URL_SAFE_TO_STANDARD = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """The bytes of strict base64, repaired once where only the URL-safe alphabet or the padding differ.

    Raises:
        RemoteProtocolError: anything else, whitespace included.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    body = text.translate(_URL_SAFE_TO_STANDARD).rstrip("=")
    try:
        return pybase64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RemoteProtocolError("bad_base64", "the payload is not base64") from None


class FrameAligner:
    """Turns pieces of any length into whole frames of `frame_bytes`, carrying what is left to the next piece."""

    __slots__ = ("_carry", "_frame_bytes", "_reset_after_bytes", "_unaligned_bytes")

    def __init__(self, frame_bytes: int, reset_after_bytes: int) -> None:
        """`reset_after_bytes`: how much may pass with a remainder always left before the remainder is dropped."""
        self._frame_bytes = frame_bytes
        self._reset_after_bytes = reset_after_bytes
        self._carry = b""
        self._unaligned_bytes = 0

    def takes_whole(self, piece: bytes) -> bool:
        """Whether `push` would give back this piece as it is, and nothing is odd about it."""
        return not self._carry and not self._unaligned_bytes and len(piece) % self._frame_bytes == 0 and piece != b""

    def push(self, piece: bytes) -> bytes:
        """The whole frames that `piece` completes; empty where there is none yet."""
        data = self._carry + piece if self._carry else piece
        remainder_bytes = len(data) % self._frame_bytes
        if not remainder_bytes:
            self._carry = b""
            self._unaligned_bytes = 0
            return data
        self._carry = data[-remainder_bytes:]
        self._unaligned_bytes += len(piece)
        return data[:-remainder_bytes]

    def restart(self) -> None:
        """Forget the remainder: the next piece begins on a frame."""
        self._carry = b""
        self._unaligned_bytes = 0

    def reset_if_lost(self) -> bool:
        """Drop the remainder if the stream has not been aligned for too long; whether it was dropped.

        A peer that cuts its stream anywhere is aligned again and again. One that never is has lost a byte, and
        everything since is noise: starting over at the next piece is the only way back to speech.
        """
        if self._unaligned_bytes < self._reset_after_bytes:
            return False
        self.restart()
        return True


def split_stereo(interleaved: bytes) -> tuple[bytes, bytes]:
    """The left and the right samples of interleaved two-channel PCM16 (whole frames)."""
    samples = np.frombuffer(interleaved, np.uint16)
    return samples[::2].tobytes(), samples[1::2].tobytes()


def mix_down(interleaved: bytes) -> bytes:
    """One channel from interleaved two-channel PCM16 (whole frames): the mean of both."""
    samples = np.frombuffer(interleaved, "<i2").astype(np.int32)
    return ((samples[::2] + samples[1::2]) >> 1).astype("<i2").tobytes()


def join_stereo(left: bytes, right: bytes) -> bytes:
    """Interleaved two-channel PCM16 from two equally long mono channels.

    Raises:
        LocalProtocolError: they are not equally long, or end inside a sample.
    """
    if len(left) != len(right) or len(left) % PCM16_SAMPLE_BYTES:
        raise LocalProtocolError("both channels must hold the same whole number of samples")
    return np.column_stack((np.frombuffer(left, np.uint16), np.frombuffer(right, np.uint16))).tobytes()


class LegAudio:
    """The audio a vendor streams from one or both legs of a call, as events with whole samples."""

    def __init__(self, channel: Channel, customer_side: Side, rate_hz: int) -> None:
        self.channel = channel
        self._customer_side = customer_side
        self._rate_hz = rate_hz
        self._channels = 2 if channel is Channel.STEREO else 1
        frame_bytes = self._channels * PCM16_SAMPLE_BYTES
        self._aligner = FrameAligner(frame_bytes, reset_after_bytes=_MAX_UNALIGNED_S * rate_hz * frame_bytes)

    def receive(self, audio: bytes) -> list[VendorEvent]:
        """The events for one decoded payload: raw samples, or a WAV file of the same format.

        Raises:
            RemoteProtocolError: a WAV file of another format.
        """
        if is_wav(audio):
            audio = self._unwrapped(audio)
        elif self._channels == 1 and self._aligner.takes_whole(audio):
            # Nearly always it is this.
            return [AudioReceived(audio, self._rate_hz)]
        frames = self._aligner.push(audio)
        events: list[VendorEvent] = []
        if frames:
            events.append(self._heard(frames))
        if self._aligner.reset_if_lost():
            events.append(Ignored("audio_realigned"))
        return events

    def _heard(self, frames: bytes) -> AudioReceived:
        if self._channels == 1:
            return AudioReceived(frames, self._rate_hz)
        left, right = split_stereo(frames)
        if self._customer_side is Side.LEFT:
            return AudioReceived(left, self._rate_hz, other=right)
        return AudioReceived(right, self._rate_hz, other=left)

    def _unwrapped(self, wav: bytes) -> bytes:
        try:
            header = read_wav_header(wav)
        except WavFormatError as error:
            raise RemoteProtocolError("bad_audio_format", str(error)) from None
        if not (header.is_pcm16 and header.rate_hz == self._rate_hz and header.channels == self._channels):
            wanted = f"PCM16, {self._rate_hz} Hz, {self._channels} channel(s)"
            raise RemoteProtocolError("bad_audio_format", f"a WAV payload must be {wanted}")
        # A file begins on a sample of its own, whatever was left of the piece before it.
        self._aligner.restart()
        return header.samples_in(wav)
