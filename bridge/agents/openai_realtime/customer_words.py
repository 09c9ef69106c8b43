"""What the customer said, in the order it was said. Pure.

The transcription runs beside the conversation: words may come after the answer to them, twice, or out of order. Each
item is told once, after the items before it in the server's own chain; one that waits for words that never come is told
after a while all the same. Time is ms of the customer's audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from bridge.agents.base import Speaker, Transcript

# How long words wait for those of an earlier item.
HOLD_MS: Final = 5_000
MAX_ITEMS: Final = 256


T = TypeVar("T")


@dataclass(slots=True)
class _Item:
    start_ms: int | None = None
    end_ms: int | None = None
    is_announced: bool = False
    has_words: bool = False
    text: str = ""
    came_at_ms: float = 0.0


class CustomerWords:
    """The customer's side of one conversation."""

    def __init__(self) -> None:
        self._previous: dict[str, str] = {}
        self._untold: dict[str, _Item] = {}
        self._told: dict[str, None] = {}

    def started(self, item_id: str, at_ms: int) -> None:
        """The customer began to say what will be this item."""
        if (item := self._item(item_id)) is not None:
            item.start_ms = at_ms

    def stopped(self, item_id: str, at_ms: int) -> None:
        """The customer ceased to speak."""
        if (item := self._item(item_id)) is not None:
            item.end_ms = at_ms

    def announced(self, item_id: str, previous_item_id: str, *, has_speech: bool) -> list[Transcript]:
        """An item, the customer's speech or any other, has its place in the conversation; what may be told now."""
        _bounded(self._previous, MAX_ITEMS)
        if previous_item_id != item_id:
            self._previous.setdefault(item_id, previous_item_id)
        if has_speech and (item := self._item(item_id)) is not None:
            item.is_announced = True
        return self._tell()

    def transcribed(self, item_id: str, text: str | None, now_ms: float) -> list[Transcript]:
        """The words of an item, None where there are none to be had; what may be told now. The first words stand."""
        item = self._item(item_id)
        if item is not None and not item.has_words:
            item.has_words, item.text, item.came_at_ms = True, (text or "").strip(), now_ms
        return self._tell()

    def overdue(self, now_ms: float) -> list[Transcript]:
        """What has waited too long for earlier words."""
        return self._take([key for key, item in self._untold.items() if item.came_at_ms + HOLD_MS <= now_ms])

    def rest(self) -> list[Transcript]:
        """All that waits: nothing more will come."""
        return self._take(list(self._untold))

    def _item(self, item_id: str) -> _Item | None:
        """The item, None once it was told."""
        if item_id in self._told:
            return None
        _bounded(self._untold, MAX_ITEMS)
        return self._untold.setdefault(item_id, _Item())

    def _tell(self) -> list[Transcript]:
        told: list[Transcript] = []
        while ready := [key for key, item in self._untold.items() if item.has_words and self._is_next(key, item)]:
            told += self._take(ready[:1])
        return told

    def _is_next(self, item_id: str, item: _Item) -> bool:
        if not item.is_announced:
            return False
        seen = {item_id}
        earlier = self._previous.get(item_id, "")
        while earlier and earlier not in seen:
            if earlier in self._untold:
                return False
            seen.add(earlier)
            earlier = self._previous.get(earlier, "")
        return True

    def _take(self, item_ids: list[str]) -> list[Transcript]:
        told = []
        for item_id in item_ids:
            if not self._untold[item_id].has_words:
                continue
            item = self._untold.pop(item_id)
            _bounded(self._told, MAX_ITEMS)
            self._told[item_id] = None
            if item.text:
                told.append(
                    Transcript(Speaker.CUSTOMER, item_id, item.text, start_ms=item.start_ms, end_ms=item.end_ms)
                )
        return told


def _bounded(entries: dict[str, T], limit: int) -> None:
    """Forget the oldest entry of a full table."""
    if len(entries) >= limit:
        del entries[next(iter(entries))]
