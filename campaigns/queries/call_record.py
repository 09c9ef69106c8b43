"""A call that ended, with its turns, as the analysis and the files need it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from campaigns.models import Call, TranscriptTurn
from campaigns.policies.analysis import Analysis, CallFacts, SpokenTurn, analyze


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call, its turns in the order of speaking, and what they amount to."""

    call: Call
    turns: tuple[TranscriptTurn, ...]
    duration_ms: int
    analysis: Analysis


def call_record(call_id: UUID) -> CallRecord:
    """The record of one call; the length of a call still going on counts as 0.

    Raises:
        Call.DoesNotExist: there is no such call.
    """
    call = Call.objects.select_related("agent", "attempt__campaign", "attempt__trunk").get(pk=call_id)
    turns = tuple(call.turns.all())
    duration_ms = round((call.ended_at - call.started_at).total_seconds() * 1000) if call.ended_at else 0
    facts = CallFacts(
        duration_ms=duration_ms,
        ended_by=call.ended_by,
        disposition=call.disposition,
        transferred_to=call.transferred_to,
        answers=[answer for answer in call.answers if isinstance(answer, dict)],
    )
    return CallRecord(call, turns, duration_ms, analyze((_spoken(turn) for turn in turns), facts))


def _spoken(turn: TranscriptTurn) -> SpokenTurn:
    return SpokenTurn(
        seq=turn.seq,
        speaker=turn.speaker,
        text=turn.text,
        start_ms=turn.start_ms,
        end_ms=turn.end_ms,
        heard_text=turn.heard_text,
        is_interrupted=turn.is_interrupted,
    )
