"""When does the customer speak: WebRTC's voice detector, frame by frame, with onset and hang-over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import webrtcvad

from telephony.protocols.events import PCM16_SAMPLE_BYTES

# Source: py-webrtcvad README: frames of 10, 20 or 30 ms at 8, 16, 32 or 48 kHz; modes 0 (lenient) to 3 (strict).
FRAME_MS: Final = 20
RATES_HZ: Final = (8_000, 16_000, 48_000)
STRICT_MODE: Final = 3


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at `at_ms` of the audio fed so far; told once it lasted the onset."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Speech that began at `started_ms` ended at `at_ms`; told once the hang-over passed in silence."""

    started_ms: int
    at_ms: int


SpeechChange: TypeAlias = SpeechStarted | SpeechStopped


class SpeechDetector:
    """Turns PCM16 mono into speech starts and stops.

    `onset_ms` of voiced frames (gaps of up to `onset_gap_ms` are forgiven) make a start, so that a click does not;
    `hang_over_ms` of silence make a stop, so that a breath does not.
    """

    def __init__(
        self,
        rate_hz: int,
        *,
        onset_ms: int = 60,
        onset_gap_ms: int = 40,
        hang_over_ms: int = 500,
        mode: int = STRICT_MODE,
    ) -> None:
        if rate_hz not in RATES_HZ:
            raise ValueError(f"the voice detector does not work at {rate_hz} Hz; resample to one of {RATES_HZ}")
        self._vad: Any = webrtcvad.Vad(mode)  # type: ignore[no-untyped-call]  # it ships no types
        self._rate_hz = rate_hz
        self._frame_bytes = FRAME_MS * rate_hz // 1000 * PCM16_SAMPLE_BYTES
        self._onset_ms = onset_ms
        self._onset_gap_ms = onset_gap_ms
        self._hang_over_ms = hang_over_ms
        self._carry = b""
        self._fed_ms = 0
        self._voiced_ms = 0
        self._silent_ms = 0
        self._candidate_ms = 0
        self._is_speaking = False

    @property
    def fed_ms(self) -> int:
        """How much audio has been judged, in ms."""
        return self._fed_ms

    @property
    def is_speaking(self) -> bool:
        """Whether a start was told and its stop was not."""
        return self._is_speaking

    @property
    def speaking_ms(self) -> int:
        """How long the running speech lasts so far, up to its last voiced frame; 0 in silence."""
        return self._fed_ms - self._silent_ms - self._candidate_ms if self._is_speaking else 0

    def feed(self, pcm: bytes) -> list[SpeechChange]:
        """The changes within this audio, in order; a part of a frame waits for the next call."""
        if len(pcm) == self._frame_bytes and not self._carry:
            # Nearly always it is one frame.
            change = self._judge(self._vad.is_speech(pcm, self._rate_hz))
            return [] if change is None else [change]
        changes: list[SpeechChange] = []
        data = self._carry + pcm if self._carry else pcm
        whole = len(data) - len(data) % self._frame_bytes
        for start in range(0, whole, self._frame_bytes):
            change = self._judge(self._vad.is_speech(data[start : start + self._frame_bytes], self._rate_hz))
            if change is not None:
                changes.append(change)
        self._carry = data[whole:]
        return changes

    def _judge(self, is_voiced: bool) -> SpeechChange | None:
        self._fed_ms += FRAME_MS
        self._silent_ms = 0 if is_voiced else self._silent_ms + FRAME_MS
        if self._is_speaking:
            return self._stop() if self._silent_ms >= self._hang_over_ms else None
        if is_voiced:
            if self._voiced_ms == 0:
                self._candidate_ms = self._fed_ms - FRAME_MS
            self._voiced_ms += FRAME_MS
        elif self._silent_ms > self._onset_gap_ms:
            self._voiced_ms = 0
        if self._voiced_ms < self._onset_ms:
            return None
        self._is_speaking = True
        return SpeechStarted(self._candidate_ms)

    def _stop(self) -> SpeechStopped:
        self._is_speaking = False
        self._voiced_ms = 0
        return SpeechStopped(self._candidate_ms, self._fed_ms - self._silent_ms)
