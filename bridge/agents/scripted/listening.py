"""Cuts a customer's audio into utterances: what was said from one silence to the next, with soft edges kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from bridge.audio.vad import SpeechDetector, SpeechStarted
from telephony.protocols.events import PCM16_SAMPLE_BYTES

EAR_HZ: Final = 8_000
_BYTES_PER_MS: Final = EAR_HZ // 1000 * PCM16_SAMPLE_BYTES

# Kept from before the voice was noticed and after it ended, so that soft first and last sounds are not lost.
PRE_ROLL_MS: Final = 240
POST_ROLL_MS: Final = 250
MIN_UTTERANCE_MS: Final = 120
MAX_UTTERANCE_MS: Final = 15_000
HANG_OVER_MS: Final = 500
# A pause up to this long is still the same announcement of an answering machine.
ANNOUNCEMENT_PAUSE_MS: Final = 1_200


@dataclass(frozen=True, slots=True)
class Utterance:
    """PCM16 of one utterance with its edges; the times are those of the voice, in ms of audio heard."""

    pcm: bytes
    started_ms: int
    ended_ms: int

    @property
    def is_click(self) -> bool:
        """Whether it was too short to be a word."""
        return self.ended_ms - self.started_ms < MIN_UTTERANCE_MS


Heard: TypeAlias = SpeechStarted | Utterance


class Listener:
    """Is fed PCM16 at `EAR_HZ` in pieces of any length; keeps the last seconds of it."""

    def __init__(self) -> None:
        self._detector = SpeechDetector(EAR_HZ, hang_over_ms=HANG_OVER_MS)
        self._audio = bytearray()
        self._start_bytes = 0
        self._announced_from_ms = 0
        self._paused_ms: int | None = None

    @property
    def fed_ms(self) -> int:
        """How much audio has been judged."""
        return self._detector.fed_ms

    @property
    def is_speaking(self) -> bool:
        """Whether the customer speaks now."""
        return self._detector.is_speaking

    @property
    def speaking_ms(self) -> int:
        """How long the running utterance lasts so far, up to its last sound; 0 in silence."""
        return self._detector.speaking_ms

    @property
    def talking_ms(self) -> int:
        """How long the customer has been talking, short pauses included; 0 in silence."""
        return self.fed_ms - self._announced_from_ms if self.is_speaking else 0

    def feed(self, pcm: bytes) -> list[Heard]:
        """What began and what ended within this audio, in order."""
        self._keep(pcm)
        heard: list[Heard] = []
        for change in self._detector.feed(pcm):
            if isinstance(change, SpeechStarted):
                self._began(change.at_ms)
                heard.append(change)
            else:
                self._paused_ms = change.at_ms
                cut = self._between(change.started_ms - PRE_ROLL_MS, change.at_ms + POST_ROLL_MS)
                heard.append(Utterance(cut, change.started_ms, change.at_ms))
        return heard

    def _began(self, at_ms: int) -> None:
        if self._paused_ms is None or at_ms - self._paused_ms > ANNOUNCEMENT_PAUSE_MS:
            self._announced_from_ms = at_ms

    def _keep(self, pcm: bytes) -> None:
        self._audio += pcm
        surplus = len(self._audio) - MAX_UTTERANCE_MS * _BYTES_PER_MS
        # Cut in large steps: moving the rest for every frame would cost more than the memory is worth.
        if surplus > MAX_UTTERANCE_MS * _BYTES_PER_MS // 4:
            del self._audio[:surplus]
            self._start_bytes += surplus

    def _between(self, start_ms: int, end_ms: int) -> bytes:
        start = max(0, start_ms * _BYTES_PER_MS - self._start_bytes)
        return bytes(self._audio[start : max(start, end_ms * _BYTES_PER_MS - self._start_bytes)])
