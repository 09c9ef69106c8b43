"""What the customer really hears of the agent: a paced queue and its clock.

The agent may speak faster than real time; the vendor plays in real time and mostly does not say how far it is. So audio
leaves here only a short lead ahead of what is heard, and the clock estimates the rest: a piece sent at `t` is
heard from `max(t + link, end of what was sent before)` on. What was not sent can be dropped the moment the customer
speaks.

Where the vendor does say how far it is, the clock is set by that (`bridge/playout_line.py`).

Pure: the caller passes `now_ms`, any clock that never goes back. Positions are ms of the same clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from bridge.playout_line import PlayoutLine
from telephony.protocols.events import (
    PCM16_SAMPLE_BYTES,
    Capabilities,
    EndUtterance,
    PlayAudio,
    PlaybackAcknowledged,
)

# Agent audio waiting to be sent. Half a minute covers any sentence; a faster agent waits (`has_room`).
MAX_QUEUED_MS: Final = 30_000
# A part of a chunk is sent once the vendor would otherwise run dry within this time.
UNDERRUN_GUARD_MS: Final = 60
# Clocks are floats: a timer that wakes this much early has still come.
CLOCK_TOLERANCE_MS: Final = 0.01
# Interrupted utterances whose late audio is still refused.
MAX_REMEMBERED_CUTS: Final = 32
# Utterances heard to their end, of which the vendor may still say so.
MAX_REMEMBERED_HEARD: Final = 8
# Between the playing of a mark and the arrival of a flush that was sent on its word: a usual network, there and back.
ROUND_TRIP_MS: Final = 60
# A mark that seems dropped so little before our estimate may have been played, and been under way when we flushed.
UNDER_WAY_MS: Final = 250
# How long after an interruption the vendor's word still corrects what was heard.
LATE_ACK_MS: Final = 500


class SentAudio(NamedTuple):
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
    """An utterance that is cut short; `start_ms` is None where nothing of it was ever sent.

    `heard_ms` counts what the vendor plays on where it cannot be told to stop.
    """

    item_id: str
    heard_ms: int
    received_ms: int
    start_ms: float | None


@dataclass(frozen=True, slots=True)
class Interruption:
    """What an interruption cut, in the order of speaking, and whether the vendor must be told to flush.

    `open_item_id` is the utterance of which something was sent but not its end, None where there is none.
    """

    cuts: tuple[Cut, ...]
    must_flush: bool
    open_item_id: str | None = None


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
    is_ended: bool = False

    @property
    def is_over(self) -> bool:
        """Whether all of it was sent, and its end told where there was anything."""
        return self.is_ended or (self.is_done and not self.waiting and not self.segments)

    @property
    def start_ms(self) -> float | None:
        return self.segments[0].start_ms if self.segments else None

    def sent_end_ms(self) -> float:
        last = self.segments[-1]
        return last.start_ms + last.length_ms

    def add_segment(self, start_ms: float, length_ms: float) -> None:
        """Add a segment, joined to the last where they touch, so that a long utterance stays a short list."""
        if self.segments and self.sent_end_ms() == start_ms:
            self.segments[-1].length_ms += length_ms
        else:
            self.segments.append(_Segment(start_ms, length_ms))

    def move(self, since_ms: float, by_ms: float) -> None:
        """What is heard from `since_ms` on is heard this much later, or earlier."""
        for part in self.segments:
            if part.start_ms >= since_ms:
                part.start_ms += by_ms

    def heard_ms(self, now_ms: float) -> float:
        return sum(min(max(now_ms - part.start_ms, 0.0), part.length_ms) for part in self.segments)

    def heard_at_ms(self, offset_ms: float) -> float:
        """When `offset_ms` of what was sent is heard; its end for an offset beyond it."""
        for part in self.segments:
            if offset_ms <= part.length_ms:
                return part.start_ms + offset_ms
            offset_ms -= part.length_ms
        return self.sent_end_ms()


@dataclass(slots=True)
class _CutItem:
    item: _Item
    cut: Cut
    at_ms: float
    heard_until_ms: float

    def correct(self, ack: PlaybackAcknowledged, now_ms: float) -> Cut | None:
        """The cut as the vendor's word shows it, None where it shows nothing new."""
        if not self.item.segments:
            return None
        heard_ms: float = self.cut.heard_ms
        if ack.was_played:
            late_ms = now_ms - self.item.heard_at_ms(ack.heard_ms)
            heard_ms = self.item.heard_ms(self.heard_until_ms - late_ms)
        elif heard_ms - ack.heard_ms > UNDER_WAY_MS:
            heard_ms = ack.heard_ms
        if int(heard_ms) == self.cut.heard_ms:
            return None
        self.cut = replace(self.cut, heard_ms=int(heard_ms))
        return self.cut


class Playout:
    """The queue and clock of one call. Utterances play in the order in which they were first enqueued."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._bytes_per_ms = capabilities.out_rate_hz * PCM16_SAMPLE_BYTES / 1000
        self._chunk_bytes = capabilities.out_rate_hz * capabilities.chunk_ms // 1000 * PCM16_SAMPLE_BYTES
        self._lead_ms = capabilities.lead_ms
        self._has_flush = capabilities.has_flush
        # How long after an interruption the vendor falls silent; never before its end where it cannot be told.
        flush_ms = float(ROUND_TRIP_MS if capabilities.has_playback_ack else 0)
        self._stops_after_ms = flush_ms if capabilities.has_flush else float("inf")
        self._line = PlayoutLine(capabilities.link_ms)
        self._items: dict[str, _Item] = {}
        self._waiting_bytes = 0
        self._cut: dict[str, _CutItem] = {}
        self._heard: deque[_Item] = deque(maxlen=MAX_REMEMBERED_HEARD if capabilities.has_playback_ack else 0)

    def enqueue(self, item_id: str, pcm: bytes) -> None:
        """Queue PCM16 mono at the vendor's rate; audio of an interrupted utterance is dropped.

        A new utterance ends the one before it, so that an agent which forgets to say so holds nothing up.
        """
        if item_id in self._cut:
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

    def due(self, now_ms: float) -> list[SentAudio | EndUtterance]:
        """The pieces to send now, at most `chunk_ms` each, which fill the lead and do not exceed it.

        After the last piece of a finished utterance comes its end.
        """
        sent: list[SentAudio | EndUtterance] = []
        for item in self._items.values():
            while item.waiting:
                if self._line.lead_ms(now_ms) > self._send_below_ms(item) + CLOCK_TOLERANCE_MS:
                    return sent
                sent.append(self._send(item, now_ms))
            if item.is_done and not item.is_ended:
                item.is_ended = True
                if item.segments:
                    sent.append(EndUtterance(item.item_id))
        return sent

    def next_due_at_ms(self, now_ms: float) -> float | None:
        """When `due` will have something, if nothing else arrives; None while nothing waits."""
        for item in self._items.values():
            if item.waiting:
                return self._line.lead_below_at_ms(self._send_below_ms(item), now_ms)
            if item.is_done and not item.is_ended:
                return now_ms
        return None

    def heard_ms(self, item_id: str, now_ms: float) -> float:
        """How much of an utterance has been heard, never more than was received; 0 for one that is not known."""
        item = self._items.get(item_id)
        return 0.0 if item is None else min(item.heard_ms(now_ms), self._received_ms(item))

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
            if not item.is_over or (item.segments and item.sent_end_ms() > now_ms):
                break
            del self._items[item.item_id]
            self._heard.append(item)
            start_ms, end_ms = (item.segments[0].start_ms, item.sent_end_ms()) if item.segments else (now_ms, now_ms)
            heard.append(Heard(item.item_id, start_ms, end_ms))
        return heard

    def next_heard_at_ms(self) -> float | None:
        """When the first finished and completely sent utterance will have been heard."""
        item = next(iter(self._items.values()), None)
        if item is None or not item.is_over:
            return None
        return item.sent_end_ms() if item.segments else float("-inf")

    def interrupt(self, now_ms: float, *, is_line_gone: bool = False) -> Interruption | None:
        """Drop what was not sent, and what was not heard where the vendor can flush; None when all was heard.

        Without a flush the vendor still plays out the lead, and that counts as heard; not where the line is gone.
        """
        if self.current_item_id(now_ms) is None:
            return None
        heard_until_ms = now_ms if is_line_gone else now_ms + self._stops_after_ms
        cuts = []
        open_item_id = None
        for item in list(self._items.values()):
            if item.is_done and not item.waiting and item.segments and item.sent_end_ms() <= now_ms:
                continue
            if item.segments and not item.is_ended:
                open_item_id = item.item_id
            cuts.append(self._cut_off(item, now_ms, heard_until_ms))
        self._waiting_bytes = 0
        must_flush = self._has_flush and self._line.end_ms > now_ms
        if must_flush:
            self._line.drop(now_ms)
        return Interruption(tuple(cuts), must_flush, open_item_id)

    def acknowledge(self, ack: PlaybackAcknowledged, now_ms: float) -> Cut | None:
        """Set the clock by what the vendor says was heard; the corrected cut where that changes a recent one.

        The vendor is believed within what can be: nothing is heard before it was sent.
        """
        cut = self._cut.get(ack.item_id)
        if cut is not None:
            return cut.correct(ack, now_ms) if now_ms - cut.at_ms <= LATE_ACK_MS else None
        item = self._items.get(ack.item_id) or next((each for each in self._heard if each.item_id == ack.item_id), None)
        if item is None or not item.segments or not ack.was_played:
            return None
        expected_ms = item.heard_at_ms(ack.heard_ms)
        since_ms = self._line.run_start_ms
        if expected_ms >= since_ms:
            moved_ms = self._line.move(now_ms - expected_ms)
            for each in (*self._heard, *self._items.values()):
                each.move(since_ms, moved_ms)
        return None

    def is_drained(self, now_ms: float) -> bool:
        """Whether everything enqueued has been heard."""
        return self._waiting_bytes == 0 and self._line.end_ms <= now_ms

    def drained_at_ms(self) -> float:
        """When everything that was sent will have been heard."""
        return self._line.end_ms

    def _send_below_ms(self, item: _Item) -> float:
        """The lead under which the next piece may leave: a whole one if it fits, a part before the line runs dry."""
        if not item.is_done and len(item.waiting) < self._chunk_bytes:
            return UNDERRUN_GUARD_MS
        piece_ms = min(len(item.waiting), self._chunk_bytes) / self._bytes_per_ms
        return max(self._lead_ms - piece_ms, UNDERRUN_GUARD_MS)

    def _send(self, item: _Item, now_ms: float) -> SentAudio:
        offset_ms = (item.received_bytes - len(item.waiting)) / self._bytes_per_ms
        pcm = bytes(item.waiting[: self._chunk_bytes])
        del item.waiting[: len(pcm)]
        self._waiting_bytes -= len(pcm)
        length_ms = len(pcm) / self._bytes_per_ms
        start_ms = self._line.add(length_ms, now_ms)
        item.add_segment(start_ms, length_ms)
        return SentAudio(PlayAudio(pcm, item.item_id, int(offset_ms)), start_ms)

    def _cut_off(self, item: _Item, now_ms: float, heard_until_ms: float) -> Cut:
        received_ms = int(self._received_ms(item))
        cut = Cut(item.item_id, int(self.heard_ms(item.item_id, heard_until_ms)), received_ms, item.start_ms)
        del self._items[item.item_id]
        item.waiting.clear()
        if len(self._cut) >= MAX_REMEMBERED_CUTS:
            del self._cut[next(iter(self._cut))]
        self._cut[item.item_id] = _CutItem(item, cut, now_ms, heard_until_ms)
        return cut

    def _received_ms(self, item: _Item) -> float:
        return item.received_bytes / self._bytes_per_ms
