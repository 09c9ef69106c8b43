"""A call as one line of time: dialing, speech, interruptions, its end, and the work after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from campaigns.models import Call, TranscriptTurn


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened. `ends_at` is None for what has no length."""

    at: datetime
    kind: str
    text: str
    ends_at: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict)


def timeline(call: Call) -> tuple[TimelineEntry, ...]:
    """Everything known of the call, in the order it happened."""
    entries = [*_dialing(call), *_conversation(call)]
    return tuple(sorted(entries, key=lambda entry: entry.at))


def _dialing(call: Call) -> Iterator[TimelineEntry]:
    if call.attempt is None:
        return
    for row in call.attempt.log.all():
        details = {"from": row.from_state, "to": row.to_state, "reason": row.reason}
        yield TimelineEntry(row.at, f"attempt.{row.to_state}", row.reason, details=details)


def _conversation(call: Call) -> Iterator[TimelineEntry]:
    yield TimelineEntry(call.started_at, "call.started", call.protocol)
    for turn in call.turns.all():
        yield _speech(call.started_at, turn)
        if turn.is_interrupted:
            end = call.started_at + timedelta(milliseconds=turn.end_ms)
            yield TimelineEntry(end, "interruption", "The customer spoke over the agent.", details={"seq": turn.seq})
    if call.ended_at is not None:
        yield TimelineEntry(call.ended_at, "call.ended", call.ended_by, details={"disposition": call.disposition})


def _speech(started_at: datetime, turn: TranscriptTurn) -> TimelineEntry:
    return TimelineEntry(
        started_at + timedelta(milliseconds=turn.start_ms),
        f"speech.{turn.speaker}",
        turn.heard_text if turn.is_interrupted else turn.text,
        ends_at=started_at + timedelta(milliseconds=turn.end_ms),
        details={"seq": turn.seq},
    )
