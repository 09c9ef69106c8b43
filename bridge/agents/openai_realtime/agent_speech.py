"""What the model says, item by item: its audio as it comes, its words, and what of it is no longer wanted. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from bridge.agents.base import AgentEvent, Audio, AudioDone, Speaker, Transcript
from bridge.agents.openai_realtime import events

MAX_ITEMS: Final = 64
MAX_DROPPED_RESPONSES: Final = 32


@dataclass(slots=True)
class SpokenItem:
    """One item of the model's speech. `received_bytes` counts its own audio only."""

    response_id: str
    received_bytes: int = 0
    carried: bytes = b""
    has_all_audio: bool = False
    has_all_words: bool = False


class AgentSpeech:
    """The model's side of one conversation. `sample_bytes` is 2 for PCM16, 1 for G.711."""

    def __init__(self, sample_bytes: int) -> None:
        self._sample_bytes = sample_bytes
        self._items: dict[str, SpokenItem] = {}
        self._dropped: deque[str] = deque(maxlen=MAX_DROPPED_RESPONSES)
        self._taken: deque[str] = deque(maxlen=MAX_ITEMS)
        # Items that only began when nothing more of their response was wanted, with that response.
        self._unwanted: dict[str, str] = {}

    def audio(self, event: events.AudioDelta) -> list[Audio]:
        """More audio; a sample that is cut in two waits for its other half."""
        item = self._item(event.response_id, event.item_id)
        if item is None:
            is_new = event.item_id not in self._items and event.item_id not in self._taken
            if is_new and len(self._unwanted) < MAX_ITEMS:
                self._unwanted[event.item_id] = event.response_id
            return []
        audio = item.carried + event.audio if item.carried else event.audio
        if over := len(audio) % self._sample_bytes:
            audio, item.carried = audio[:-over], audio[-over:]
        else:
            item.carried = b""
        item.received_bytes += len(audio)
        return [Audio(event.item_id, audio)] if audio else []

    def words(self, event: events.WordsDelta | events.WordsFinished) -> list[AgentEvent]:
        """More words, or all of them; after all of them nothing more is taken."""
        item = self._item(event.response_id, event.item_id)
        if item is None or item.has_all_words:
            return []
        item.has_all_words = isinstance(event, events.WordsFinished)
        if not event.text:
            return []
        return [Transcript(Speaker.AGENT, event.item_id, event.text, is_final=item.has_all_words)]

    def audio_finished(self, item_id: str) -> list[AgentEvent]:
        """No more audio of this item."""
        item = self._items.get(item_id)
        if item is None or item.has_all_audio:
            return []
        item.has_all_audio = True
        return [AudioDone(item_id)]

    def response_finished(self, response_id: str) -> list[AgentEvent]:
        """No more audio of any item of this response."""
        item_ids = [item_id for item_id, item in self._items.items() if item.response_id == response_id]
        return [event for item_id in item_ids for event in self.audio_finished(item_id)]

    def take_unwanted(self, response_id: str) -> list[str]:
        """Items of a response that nobody heard anything of, because they began after it was dropped."""
        item_ids = [item_id for item_id, of in self._unwanted.items() if of == response_id]
        self._unwanted = {item_id: of for item_id, of in self._unwanted.items() if of != response_id}
        return item_ids

    def drop(self, response_id: str) -> None:
        """Nothing more of this response is wanted."""
        self._dropped.append(response_id)

    def is_dropped(self, response_id: str) -> bool:
        """Whether nothing more of this response is wanted."""
        return response_id in self._dropped

    def take(self, item_id: str) -> SpokenItem | None:
        """An item that was heard to its end or cut, and is forgotten; None where it is not known."""
        self._taken.append(item_id)
        return self._items.pop(item_id, None)

    def _item(self, response_id: str, item_id: str) -> SpokenItem | None:
        if response_id in self._dropped:
            return None
        item = self._items.get(item_id)
        if item is None:
            if len(self._items) >= MAX_ITEMS:
                del self._items[next(iter(self._items))]
            item = self._items[item_id] = SpokenItem(response_id)
        return item
