"""The transcript as it grows: who said what when, and how much of the agent's words was heard. Pure.

Agents tell words late, twice and out of order: an item's last final words stand, under the number it got first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.agents.base import Said, Speaker, Transcript
from bridge.playout import Cut, Heard
from bridge.session.contracts import Turn

# The bridge's own prompts: they stand in the transcript, but no agent said them.
OWN_ITEM_PREFIX = "bridge-"
# Utterances whose words may still arrive after their audio was over, and turns of the customer that may be told again.
MAX_OPEN_UTTERANCES = 64
# What a conversation that is taken up again is told of the one before.
MAX_HISTORY_TURNS = 40
MAX_HISTORY_CHARS = 4_000


def heard_text(text: str, heard_ms: float, total_ms: float) -> str:
    """The words of `text` that fit into `heard_ms` of `total_ms`, by their share of the letters.

    A word that was only begun does not count as heard.
    """
    if total_ms <= 0:
        return ""
    letters = int(len(text) * heard_ms / total_ms)
    if letters >= len(text):
        return text
    if not text[letters].isspace():
        while letters > 0 and not text[letters - 1].isspace():
            letters -= 1
    return text[:letters].rstrip()


@dataclass(slots=True)
class _Utterance:
    item_id: str
    text: str = ""
    is_final: bool = False
    seq: int | None = None
    start_ms: float | None = None
    end_ms: float | None = None
    total_ms: float = 0.0
    heard_ms: float = 0.0
    is_interrupted: bool = False


class TurnBook:
    """Numbers turns in the order they were heard, and tells each as soon as its words are known."""

    def __init__(self, tell: Callable[[Turn], None]) -> None:
        self._tell = tell
        self._next_seq = 0
        self._utterances: dict[str, _Utterance] = {}
        self._customer_seqs: dict[str, int] = {}
        self._last: dict[int, Turn] = {}

    @property
    def is_agents_turn(self) -> bool:
        """Whether the last word is the customer's."""
        return bool(self._last) and self._last[max(self._last)].speaker is Speaker.CUSTOMER

    def history(self) -> tuple[Said, ...]:
        """The last of what was said and heard, oldest first. Words that are being spoken count as heard."""
        said: list[Said] = []
        chars = 0
        for _, turn in sorted(self._last.items(), reverse=True):
            text = turn.text if turn.end_ms is None else turn.heard_text
            chars += len(text)
            if chars > MAX_HISTORY_CHARS:
                break
            if text:
                said.append(Said(turn.speaker, text))
        return tuple(reversed(said))

    def customer_said(self, words: Transcript, offset_ms: float, now_ms: float, prefix: str = "") -> None:
        """Words of the customer, or of whom else a listener hears.

        `offset_ms` turns ms of the audio into ms of the call, `prefix` completes the item.
        """
        if not words.is_final or not words.text:
            return
        start_ms = now_ms if words.start_ms is None else words.start_ms + offset_ms
        end_ms = now_ms if words.end_ms is None else words.end_ms + offset_ms
        self._note(
            Turn(
                seq=self._customer_seq(prefix + words.item_id if words.item_id else ""),
                speaker=words.speaker,
                item_id=prefix + words.item_id if words.item_id else "",
                text=words.text,
                heard_text=words.text,
                start_ms=max(0, round(start_ms)),
                end_ms=max(0, round(end_ms)),
                confidence=words.confidence,
            )
        )

    def agent_said(self, words: Transcript, prefix: str = "") -> None:
        """Words of the agent, a part that follows the parts before or the final whole; `prefix` completes the item."""
        utterance = self._utterance(prefix + words.item_id)
        if words.is_final:
            utterance.text, utterance.is_final = words.text, True
            self._tell_utterance(utterance)
        elif not utterance.is_final:
            utterance.text += words.text

    def agent_started(self, item_id: str, start_ms: float) -> None:
        """The first audio of an utterance left for the customer, who hears it from `start_ms` on."""
        utterance = self._utterance(item_id)
        if utterance.seq is None:
            utterance.seq = self._take_seq()
            utterance.start_ms = start_ms
            self._tell_utterance(utterance)

    def agent_heard(self, heard: Heard) -> None:
        """An utterance was heard to its end."""
        utterance = self._utterance(heard.item_id)
        if utterance.seq is None:
            return
        utterance.end_ms = heard.end_ms
        utterance.total_ms = utterance.heard_ms = heard.end_ms - heard.start_ms
        self._tell_utterance(utterance)

    def agent_cut(self, cut: Cut, now_ms: float) -> None:
        """An utterance was interrupted; one of which nothing was sent never becomes a turn.

        A cut told again says better how much was heard, not when.
        """
        utterance = self._utterance(cut.item_id)
        if utterance.seq is None:
            del self._utterances[cut.item_id]
            return
        if not utterance.is_interrupted:
            utterance.end_ms = now_ms
        utterance.total_ms, utterance.heard_ms, utterance.is_interrupted = cut.received_ms, cut.heard_ms, True
        self._tell_utterance(utterance)

    def _tell_utterance(self, utterance: _Utterance) -> None:
        if utterance.seq is None or utterance.start_ms is None or not utterance.text:
            return
        is_over = utterance.end_ms is not None
        self._note(
            Turn(
                seq=utterance.seq,
                speaker=Speaker.AGENT,
                item_id=utterance.item_id,
                text=utterance.text,
                heard_text=heard_text(utterance.text, utterance.heard_ms, utterance.total_ms) if is_over else "",
                start_ms=max(0, round(utterance.start_ms)),
                end_ms=None if utterance.end_ms is None else max(round(utterance.start_ms), round(utterance.end_ms)),
                is_interrupted=utterance.is_interrupted,
            )
        )

    def _utterance(self, item_id: str) -> _Utterance:
        utterance = self._utterances.get(item_id)
        if utterance is None:
            if len(self._utterances) >= MAX_OPEN_UTTERANCES:
                del self._utterances[next(iter(self._utterances))]
            utterance = self._utterances[item_id] = _Utterance(item_id)
        return utterance

    def _note(self, turn: Turn) -> None:
        if not turn.item_id.startswith(OWN_ITEM_PREFIX):
            self._last[turn.seq] = turn
        if len(self._last) > MAX_HISTORY_TURNS:
            del self._last[min(self._last)]
        self._tell(turn)

    def _customer_seq(self, item_id: str) -> int:
        """The number this item has, or a new one; words without an item are always new."""
        if not item_id:
            return self._take_seq()
        if item_id not in self._customer_seqs:
            if len(self._customer_seqs) >= MAX_OPEN_UTTERANCES:
                del self._customer_seqs[next(iter(self._customer_seqs))]
            self._customer_seqs[item_id] = self._take_seq()
        return self._customer_seqs[item_id]

    def _take_seq(self) -> int:
        self._next_seq += 1
        return self._next_seq
