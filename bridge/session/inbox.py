"""What waits for the agent: the customer's audio, keys, and news of its own speech. Bounded; old audio gives way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from telephony.protocols.events import PCM16_SAMPLE_BYTES

# Keys and notices are few; more than this at once is a peer pressing keys by machine.
MAX_NOTICES: Final = 200


class CustomerAudio(NamedTuple):
    """PCM16 mono at the vendor's rate; `ended_ms` is when it came, on the call's clock.

    `other` is the other leg's of the same time, where the vendor streams both.
    """

    pcm: bytes
    ended_ms: float
    other: bytes = b""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """One DTMF digit."""

    digit: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The customer spoke over an utterance after `heard_ms` of it."""

    item_id: str
    heard_ms: int


@dataclass(frozen=True, slots=True)
class PlayedOut:
    """An utterance was heard to its end."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What came of a tool call of the numbered conversation."""

    conversation: int
    tool_call_id: str
    result: Mapping[str, Any]


Notice: TypeAlias = KeyPressed | Interrupted | PlayedOut | ToolAnswered


class AgentInbox:
    """One call's queue towards its agent. Putting never waits: beyond `max_audio_ms` the oldest audio is dropped."""

    def __init__(self, rate_hz: int, max_audio_ms: int) -> None:
        self._bytes_per_ms = rate_hz * PCM16_SAMPLE_BYTES / 1000
        self._max_audio_bytes = int(max_audio_ms * self._bytes_per_ms)
        self._piece_bytes = 0
        self._audio_bytes = 0
        self._dropped_bytes = 0
        self._notices = 0
        self._entries: deque[CustomerAudio | Notice] = deque()
        self._has_entry = asyncio.Event()
        # Of whoever waits in `get` with nothing before the next audio.
        self._take_now: Callable[[CustomerAudio], bool] | None = None

    @property
    def dropped_ms(self) -> int:
        """How much audio gave way."""
        return int(self._dropped_bytes / self._bytes_per_ms)

    def give_pieces(self, piece_ms: int) -> None:
        """From now on `get` gives this much audio at once and waits for it; 0 gives it as it came."""
        self._piece_bytes = int(piece_ms * self._bytes_per_ms)

    def put_audio(self, audio: CustomerAudio) -> None:
        """Queue audio, dropping the oldest beyond the bound."""
        self._entries.append(audio)
        self._audio_bytes += len(audio.pcm)
        while self._audio_bytes > self._max_audio_bytes:
            self._drop_oldest_audio()
        if self._audio_bytes >= self._piece_bytes and not self._was_taken():
            self._rouse()

    def put(self, notice: Notice) -> bool:
        """Queue a notice; False where there are too many and it was dropped."""
        if self._notices >= MAX_NOTICES:
            return False
        self._notices += 1
        self._entries.append(notice)
        self._rouse()
        return True

    async def get(self, take_now: Callable[[CustomerAudio], bool] | None = None) -> CustomerAudio | Notice:
        """The oldest entry; waits for one, and for a whole piece of audio unless a notice waits behind it.

        Audio that comes during the wait goes to `take_now` instead, as long as that says that it took it: waking a task
        costs more than most of what is done with the audio.
        """
        while not self._entries or (not self._notices and self._audio_bytes < self._piece_bytes):
            self._has_entry.clear()
            self._take_now = take_now
            try:
                await self._has_entry.wait()
            finally:
                if self._take_now is take_now:
                    self._take_now = None
        entry = self._entries.popleft()
        if not isinstance(entry, CustomerAudio):
            self._notices -= 1
            return entry
        return self._whole_piece(entry)

    def start_over(self) -> None:
        """Forget all but the keys, where another conversation begins: old audio is not replayed to it."""
        self._dropped_bytes += self._audio_bytes
        self._audio_bytes = 0
        keys = [entry for entry in self._entries if isinstance(entry, KeyPressed)]
        self._notices = len(keys)
        self._entries = deque(keys)

    def _was_taken(self) -> bool:
        if self._take_now is None:
            return False
        first = self._entries.popleft()
        if isinstance(first, CustomerAudio):
            first = self._whole_piece(first)
            if self._take_now(first):
                return True
            self._audio_bytes += len(first.pcm)
        self._entries.appendleft(first)
        return False

    def _whole_piece(self, first: CustomerAudio) -> CustomerAudio:
        """The audio that begins with `first`, up to a whole piece."""
        if len(first.pcm) < self._piece_bytes:
            parts, length = [first], len(first.pcm)
            while length < self._piece_bytes and self._entries and isinstance(self._entries[0], CustomerAudio):
                following = self._entries[0]
                self._entries.popleft()
                parts.append(following)
                length += len(following.pcm)
            first = CustomerAudio(
                b"".join([part.pcm for part in parts]), parts[-1].ended_ms, b"".join([part.other for part in parts])
            )
        self._audio_bytes -= len(first.pcm)
        return first

    def _rouse(self) -> None:
        """Wake whoever waits; until it waits again nothing may overtake what it is woken for."""
        self._take_now = None
        self._has_entry.set()

    def _drop_oldest_audio(self) -> None:
        for index, entry in enumerate(self._entries):
            if isinstance(entry, CustomerAudio):
                del self._entries[index]
                self._audio_bytes -= len(entry.pcm)
                self._dropped_bytes += len(entry.pcm)
                return
