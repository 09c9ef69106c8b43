"""The agent's voice, put together again from chunks of any rate and width, with or without a name. Pure.

A peer may name the utterance of each chunk (`item_id`) and mark the last one, or neither: then an utterance ends where
its audio pauses, and the rest of an interrupted one is everything up to that pause.
"""

from __future__ import annotations

import binascii
from typing import Final, TypeAlias

import numpy as np
import pybase64

from bridge.agents.base import Audio, AudioDone
from bridge.agents.livecall_grpc.config import AudioEncoding
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.audio.resample import SUPPORTED_RATES_HZ, Resampler
from telephony.protocols.events import PCM16_SAMPLE_BYTES

Spoken: TypeAlias = Audio | AudioDone

# Audio that stays away so long after all of it has been played has ended.
PAUSE_MS: Final = 500
# While the rest of an interrupted utterance is skipped, a chunk longer than this does not prolong the wait.
MAX_SKIP_CHUNK_MS: Final = 1_000
# Source: vendor page and its successors: 2 is bytes, 16 bits; proto3 leaves what is not set at 0.
SAMPLE_BYTES: Final = {0: 2, 1: 1, 2: 2, 8: 1, 16: 2}
MAX_ITEM_ID_CHARS: Final = 128
# Our names of utterances: of those the peer named, and of those it did not.
_NAMED: Final = "ai-"
_UNNAMED: Final = "ai#"
_BASE64_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
# Audio of so many bytes that is base64 letters by chance does not happen; silence is zeros, which are none.
_TELLING_BYTES: Final = 64


class UnusableAudio(Exception):
    """A chunk cannot be played; the text says why. `is_lasting` where no later chunk will be better."""

    def __init__(self, detail: str, *, is_lasting: bool) -> None:
        super().__init__(detail)
        self.is_lasting = is_lasting


class _Utterance:
    """One utterance on its way: its name, and what was carried over from chunk to chunk."""

    def __init__(self, item_id: str, rate_hz: int) -> None:
        self.item_id = item_id
        self.has_audio = False
        self.has_text = False
        self._rate_hz = rate_hz
        self._odd = b""
        self._resampler = Resampler(rate_hz, rate_hz)

    def convert(self, samples: bytes, from_hz: int) -> bytes:
        """PCM16 at the session's rate; the filter's tail of the rate before first, where the rate changes."""
        tail = b""
        if from_hz != self._resampler.from_hz:
            tail = self._resampler.flush()
            self._resampler = Resampler(from_hz, self._rate_hz)
        samples = self._odd + samples
        whole = len(samples) - len(samples) % PCM16_SAMPLE_BYTES
        self._odd = samples[whole:]
        return tail + self._resampler.process(samples[:whole])

    def end(self) -> list[Spoken]:
        """The tail inside the filter, and the end."""
        if not self.has_audio:
            return []
        tail = self._resampler.flush()
        return [*([Audio(self.item_id, tail)] if tail else []), AudioDone(self.item_id)]


class Voice:
    """The utterances of one call."""

    def __init__(self, encoding: AudioEncoding, rate_hz: int) -> None:
        self._encoding = encoding
        self._rate_hz = rate_hz
        self._open: _Utterance | None = None
        self._unnamed = 0
        self._is_skipping = False
        self._played_out_ms = 0.0
        self._has_looked = False
        self.skipped_ms = 0.0
        self.looks_like_base64 = False

    def chunk(self, chunk: pb.AudioChunk, now_ms: float) -> list[Spoken]:
        """The events of one chunk that came at `now_ms` of any clock.

        Raises:
            UnusableAudio: it cannot be played.
        """
        rate_hz = chunk.sample_rate or self._rate_hz
        if rate_hz not in SUPPORTED_RATES_HZ:
            raise UnusableAudio(f"audio at {rate_hz} Hz; send one of {SUPPORTED_RATES_HZ}", is_lasting=True)
        samples = self._samples(chunk)
        length_ms = len(samples) * 1000 / (PCM16_SAMPLE_BYTES * rate_hz)
        if self._is_skipping and not chunk.item_id:
            self.skipped_ms += length_ms
            self._played_out_ms = now_ms + min(length_ms, MAX_SKIP_CHUNK_MS)
            self._is_skipping = not chunk.is_last
            return []
        self._played_out_ms = max(self._played_out_ms, now_ms) + length_ms
        events = self._belonging_to(chunk.item_id)
        utterance = self._current()
        pcm = utterance.convert(samples, rate_hz)
        utterance.has_audio = utterance.has_audio or bool(samples)
        if pcm:
            events.append(Audio(utterance.item_id, pcm))
        if chunk.is_last:
            events += self.end()
        return events

    def end(self) -> list[Spoken]:
        """End the open utterance, if there is one."""
        utterance, self._open = self._open, None
        self._is_skipping = False
        return utterance.end() if utterance is not None else []

    def pause_ends_at_ms(self) -> float | None:
        """When the audio will have paused for so long that its utterance is over; None where none is open."""
        if self._is_skipping or (self._open is not None and self._open.has_audio):
            return self._played_out_ms + PAUSE_MS
        return None

    def stopped(self) -> None:
        """The peer took back what was not heard: what it says next is another utterance."""
        self._open = None
        self._is_skipping = False
        self._played_out_ms = 0.0

    def interrupted(self, item_id: str, now_ms: float) -> None:
        """The customer will not hear the rest of this utterance, which the peer may go on sending for a while."""
        if self._open is None or self._open.item_id != item_id:
            return
        self._is_skipping = item_id.startswith(_UNNAMED)
        self._open = None
        # What waited to be played was dropped: a pause counts from now on.
        self._played_out_ms = now_ms

    def words(self, text: str) -> tuple[str, str] | None:
        """The utterance that further words of the agent belong to, and the words as they follow those before.

        None while the rest of an interrupted utterance is skipped.
        """
        if self._is_skipping:
            return None
        utterance = self._current()
        joined = f" {text}" if utterance.has_text and not text[:1].isspace() else text
        utterance.has_text = True
        return utterance.item_id, joined

    def name_of(self, peer_item_id: str) -> str | None:
        """Our name of an utterance that the peer names; of the open one where it names none, None while skipping."""
        if peer_item_id:
            return _NAMED + peer_item_id[:MAX_ITEM_ID_CHARS]
        return None if self._is_skipping else self._current().item_id

    def _belonging_to(self, peer_item_id: str) -> list[Spoken]:
        """End the open utterance where the chunk belongs to another, and open that."""
        name = _NAMED + peer_item_id[:MAX_ITEM_ID_CHARS] if peer_item_id else ""
        if self._open is not None and (self._open.item_id == name if name else not peer_name_of(self._open.item_id)):
            return []
        events = self.end()
        if name:
            self._open = _Utterance(name, self._rate_hz)
        return events

    def _current(self) -> _Utterance:
        if self._open is None:
            self._unnamed += 1
            self._open = _Utterance(f"{_UNNAMED}{self._unnamed}", self._rate_hz)
        return self._open

    def _samples(self, chunk: pb.AudioChunk) -> bytes:
        """PCM16 mono of a chunk, whatever it was written in."""
        if chunk.num_channels not in (0, 1):
            raise UnusableAudio(f"audio of {chunk.num_channels} channels; send one", is_lasting=True)
        width = SAMPLE_BYTES.get(chunk.sample_width)
        if width is None:
            raise UnusableAudio(f"samples of width {chunk.sample_width}; send 16-bit PCM", is_lasting=True)
        content = chunk.audio_content
        if self._encoding is AudioEncoding.BASE64_TEXT:
            try:
                content = pybase64.b64decode(content, validate=True)
            except (binascii.Error, ValueError) as error:
                raise UnusableAudio("audio that is no base64", is_lasting=False) from error
        elif not self._has_looked and len(content) >= _TELLING_BYTES:
            self._has_looked = True
            self.looks_like_base64 = len(content) % 4 == 0 and _BASE64_ALPHABET.issuperset(content)
        return content if width == PCM16_SAMPLE_BYTES else _from_8_bit(content)


def peer_name_of(item_id: str) -> str:
    """The peer's own name of an utterance, empty where it gave none."""
    return item_id.removeprefix(_NAMED) if item_id.startswith(_NAMED) else ""


def _from_8_bit(content: bytes) -> bytes:
    """PCM16 of 8-bit linear samples, which are unsigned (Source: RIFF WAVE, PCM)."""
    samples = (np.frombuffer(content, np.uint8).astype(np.int16) - 128) << 8
    return samples.astype("<i2").tobytes()
