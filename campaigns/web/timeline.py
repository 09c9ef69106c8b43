"""A call's turns as a reader wants them: what was heard, what was not, and where everything stands in time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.enums import SpeakerKind
from campaigns.models import TranscriptTurn
from campaigns.web.charts import whole_ticks

MIN_WIDTH = 0.4  # percent; a short "yes" stays visible in a long call


@dataclass(frozen=True, slots=True)
class TurnView:
    """One turn to read. `unheard` is the end of the agent's text that the customer talked over."""

    seq: int
    speaker: str
    start_ms: int
    end_ms: int
    heard: str
    unheard: str
    is_interrupted: bool
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """One turn on its lane; `x` and `width` in percent of the call."""

    seq: int
    speaker: str
    x: float
    width: float
    is_interrupted: bool
    start_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Speech over the length of the call. `ticks` are (position in ms, x in percent)."""

    duration_ms: int
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[int, float], ...]


def turn_view(turn: TranscriptTurn) -> TurnView:
    """The turn with its text split into what was heard and what was not."""
    heard, unheard = split_heard(turn)
    return TurnView(
        seq=turn.seq,
        speaker=turn.speaker,
        start_ms=turn.start_ms,
        end_ms=turn.end_ms,
        heard=heard,
        unheard=unheard,
        is_interrupted=turn.is_interrupted,
        confidence=turn.confidence,
    )


def split_heard(turn: TranscriptTurn) -> tuple[str, str]:
    """(heard, unheard) parts of a turn's text. Only an agent's turn that was cut has an unheard part.

    Where the heard text is not how the text begins (an agent may report it in words of its own), it stands as
    reported and the whole text counts as unheard.
    """
    if turn.speaker == SpeakerKind.CUSTOMER or not turn.is_interrupted:
        return turn.text, ""
    heard = turn.heard_text.rstrip(" …")
    if turn.text.startswith(heard):
        return heard, turn.text[len(heard) :].lstrip()
    return turn.heard_text, turn.text


def timeline(turns: Sequence[TranscriptTurn], duration_ms: int) -> Timeline:
    """Lanes of speech; the call is at least as long as its last turn."""
    length_ms = max(duration_ms, *(turn.end_ms for turn in turns), 1) if turns else max(duration_ms, 1)
    bars = tuple(
        Bar(
            seq=turn.seq,
            speaker=turn.speaker,
            x=round(100 * turn.start_ms / length_ms, 3),
            width=round(max(100 * (turn.end_ms - turn.start_ms) / length_ms, MIN_WIDTH), 3),
            is_interrupted=turn.is_interrupted,
            start_ms=turn.start_ms,
            text=turn.text,
        )
        for turn in turns
    )
    ticks = tuple((at_ms, round(100 * at_ms / length_ms, 3)) for at_ms in whole_ticks(length_ms))
    return Timeline(duration_ms=length_ms, bars=bars, ticks=ticks)
