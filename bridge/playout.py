"""What the customer really hears of the agent: a paced queue and its clock.

The agent may speak faster than real time; the vendor plays in real time and mostly does not say how far it is. So audio
leaves here only a short lead ahead of what is heard, and the clock estimates the rest: a piece sent at `t` is
heard from `max(t + link, end of what was sent before)` on. What was not sent can be dropped the moment the customer
speaks.

Pure: the caller passes `now_ms`, any clock that never goes back. Positions are ms of the same clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from telephony.protocols.events import PCM16_SAMPLE_BYTES, Capabilities, PlayAudio

# Agent audio waiting to be sent. Half a minute covers any sentence; a faster agent waits (`has_room`).
MAX_QUEUED_MS: Final = 30_000
# A part of a chunk is sent once the vendor would otherwise run dry within this time.
UNDERRUN_GUARD_MS: Final = 60
# Clocks are floats: a timer that wakes this much early has still come.
CLOCK_TOLERANCE_MS: Final = 0.01
# Interrupted utterances whose late audio is still refused.
MAX_REMEMBERED_CUTS: Final = 32


@dataclass(frozen=True, slots=True)
class SentAudio:
    """One piece that left: the command for the vendor, and when it will be heard."""

    command: PlayAudio
    heard_from_ms: float


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance heard to its end."""

    item_id: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Cut:
    """An utterance that will not be heard to its end; `start_ms` is None where nothing of it was ever sent."""

    item_id: str
    heard_ms: int
    received_ms: int
    start_ms: float | None


@dataclass(frozen=True, slots=True)
class Interruption:
    """What an interruption cut, in the order of speaking, and whether the vendor must be told to flush."""

    cuts: tuple[Cut, ...]
    must_flush: bool


@dataclass(slots=True)
class _Segment:
    start_ms: float
    length_ms: float


@dataclass(slots=True)
class _Item:
    item_id: str
    waiting: bytearray = field(default_factory=bytearray)
    received_bytes: int = 0
    segments: list[_Segment] = field(default_factory=list)
    is_done: bool = False

    def sent_end_ms(self) -> float:
        last = self.segments[-1]
        return last.start_ms + last.length_ms

    def add_segment(self, start_ms: float, length_ms: float) -> None:
        """Add a segment, joined to the last where they touch, so that a long utterance stays a short list."""
        if self.segments and self.sent_end_ms() == start_ms:
            self.segments[-1].length_ms += length_ms
        else:
            self.segments.append(_Segment(start_ms, length_ms))

    def heard_ms(self, now_ms: float) -> float:
        return sum(min(max(now_ms - part.start_ms, 0.0), part.length_ms) for part in self.segments)


class Playout:
    """The queue and clock of one call. Utterances play in the order in which they were first enqueued."""

    def __init__(self, capabilities: Capabilities, *, margin_ms: int = 0) -> None:
        """`margin_ms` is taken off what an interruption reports as heard: better a word less than one too many."""
        self._bytes_per_ms = capabilities.out_rate_hz * PCM16_SAMPLE_BYTES / 1000
        self._chunk_bytes = capabilities.out_rate_hz * capabilities.chunk_ms // 1000 * PCM16_SAMPLE_BYTES
        self._lead_ms = capabilities.lead_ms
        self._link_ms = capabilities.link_ms
        self._has_flush = capabilities.has_flush
        self._margin_ms = margin_ms
        self._queue_end_ms = float("-inf")
        self._items: dict[str, _Item] = {}
        self._waiting_bytes = 0
        self._cut_ids: deque[str] = deque(maxlen=MAX_REMEMBERED_CUTS)

    def enqueue(self, item_id: str, pcm: bytes) -> None:
        """Queue PCM16 mono at the vendor's rate; audio of an interrupted utterance is dropped.

        A new utterance ends the one before it, so that an agent which forgets to say so holds nothing up.
        """
        if item_id in self._cut_ids:
            return
        item = self._items.get(item_id)
        if item is None:
            for earlier in self._items.values():
                earlier.is_done = True
            item = self._items[item_id] = _Item(item_id)
        item.waiting += pcm
        item.received_bytes += len(pcm)
        self._waiting_bytes += len(pcm)

    def finish(self, item_id: str) -> None:
        """No more audio will come for this utterance."""
        if item_id in self._items:
            self._items[item_id].is_done = True

    @property
    def queued_ms(self) -> float:
        """How much audio waits to be sent."""
        return self._waiting_bytes / self._bytes_per_ms

    @property
    def has_room(self) -> bool:
        """Whether the agent may speak on; False means: wait."""
        return self.queued_ms < MAX_QUEUED_MS

    def due(self, now_ms: float) -> list[SentAudio]:
        """The pieces to send now, at most `chunk_ms` each, which fill the lead and do not exceed it."""
        sent: list[SentAudio] = []
        while (item := self._next_item()) is not None:
            if self._lead_at(now_ms) > self._send_below_ms(item) + CLOCK_TOLERANCE_MS:
                break
            sent.append(self._send(item, now_ms))
        return sent

    def next_due_at_ms(self, now_ms: float) -> float | None:
        """When `due` will have something, if nothing else arrives; None while nothing waits."""
        item = self._next_item()
        if item is None:
            return None
        return max(now_ms, self._queue_end_ms - self._link_ms - self._send_below_ms(item))

    def heard_ms(self, item_id: str, now_ms: float) -> float:
        """How much of an utterance has been heard, never more than was received; 0 for one that is not known."""
        item = self._items.get(item_id)
        return 0.0 if item is None else min(item.heard_ms(now_ms), self._received_ms(item))

    def start_ms(self, item_id: str) -> float | None:
        """When an utterance is first heard; None while nothing of it was sent."""
        item = self._items.get(item_id)
        return item.segments[0].start_ms if item is not None and item.segments else None

    def current_item_id(self, now_ms: float) -> str | None:
        """The first utterance of which something is still unheard, None when all was heard."""
        for item in self._items.values():
            if item.waiting or not item.segments or item.sent_end_ms() > now_ms:
                return item.item_id
        return None

    def pop_heard(self, now_ms: float) -> list[Heard]:
        """The utterances heard to their end since the last call."""
        heard = []
        for item in list(self._items.values()):
            if not item.is_done or item.waiting or (item.segments and item.sent_end_ms() > now_ms):
                break
            del self._items[item.item_id]
            start_ms, end_ms = (item.segments[0].start_ms, item.sent_end_ms()) if item.segments else (now_ms, now_ms)
            heard.append(Heard(item.item_id, start_ms, end_ms))
        return heard

    def next_heard_at_ms(self) -> float | None:
        """When the first finished and completely sent utterance will have been heard."""
        item = next(iter(self._items.values()), None)
        if item is None or not item.is_done or item.waiting:
            return None
        return item.sent_end_ms() if item.segments else float("-inf")

    def interrupt(self, now_ms: float) -> Interruption | None:
        """Drop what was not sent, and what was not heard where the vendor can flush; None when all was heard.

        Without a flush the vendor still plays out the lead; the report counts what was heard when the customer spoke.
        """
        if self.current_item_id(now_ms) is None:
            return None
        cuts = []
        for item in self._items.values():
            heard_ms = max(0.0, self.heard_ms(item.item_id, now_ms) - self._margin_ms)
            if item.is_done and not item.waiting and item.segments and item.sent_end_ms() <= now_ms:
                continue
            cuts.append(Cut(item.item_id, int(heard_ms), int(self._received_ms(item)), self.start_ms(item.item_id)))
        was_ahead = self._queue_end_ms > now_ms
        for cut in cuts:
            del self._items[cut.item_id]
            self._cut_ids.append(cut.item_id)
        self._waiting_bytes = 0
        if self._has_flush and was_ahead:
            self._queue_end_ms = now_ms
        return Interruption(tuple(cuts), must_flush=self._has_flush and was_ahead)

    def is_drained(self, now_ms: float) -> bool:
        """Whether everything enqueued has been heard."""
        return self._waiting_bytes == 0 and self._queue_end_ms <= now_ms

    def drained_at_ms(self) -> float:
        """When everything that was sent will have been heard."""
        return self._queue_end_ms

    def _lead_at(self, now_ms: float) -> float:
        return max(0.0, self._queue_end_ms - self._link_ms - now_ms)

    def _next_item(self) -> _Item | None:
        return next((item for item in self._items.values() if item.waiting), None)

    def _send_below_ms(self, item: _Item) -> float:
        """The lead under which the next piece may leave: a whole one if it fits, a part before the line runs dry."""
        if not item.is_done and len(item.waiting) < self._chunk_bytes:
            return UNDERRUN_GUARD_MS
        piece_ms = min(len(item.waiting), self._chunk_bytes) / self._bytes_per_ms
        return max(self._lead_ms - piece_ms, UNDERRUN_GUARD_MS)

    def _send(self, item: _Item, now_ms: float) -> SentAudio:
        pcm = bytes(item.waiting[: self._chunk_bytes])
        del item.waiting[: len(pcm)]
        self._waiting_bytes -= len(pcm)
        length_ms = len(pcm) / self._bytes_per_ms
        start_ms = max(now_ms + self._link_ms, self._queue_end_ms)
        self._queue_end_ms = start_ms + length_ms
        item.add_segment(start_ms, length_ms)
        return SentAudio(PlayAudio(pcm, item.item_id), start_ms)

    def _received_ms(self, item: _Item) -> float:
        return item.received_bytes / self._bytes_per_ms
