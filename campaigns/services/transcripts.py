"""The two files a call leaves: its transcript and its call data. docs/reference/files.md describes every field.

A file is made from the database alone and has the same name each time, so making it again rewrites it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from campaigns.enums import SpeakerKind
from campaigns.models import TranscriptTurn
from campaigns.policies.analysis import QuestionAnswer
from campaigns.policies.file_names import call_file_name, transcript_file_name
from campaigns.queries.call_record import CallRecord, call_record
from campaigns.services.durable_files import write_durably

SCHEMA_VERSION = 1
# The field's words for the two sides. Source: protocols.md B.6.
_FIELD_SPEAKER: Mapping[str, str] = {SpeakerKind.CUSTOMER: "user", SpeakerKind.AGENT: "assistant"}


def write_transcript_file(call_id: UUID) -> Path:
    """Write `transcripts/call_<id>_<ms>_transcript.json` below DATA_DIR; its absolute path.

    Raises:
        OSError: the disk is full or refuses.
    """
    record = call_record(call_id)
    name = transcript_file_name(record.call.id, record.call.started_at)
    return _write(Path(settings.DATA_DIR) / "transcripts" / name, transcript_document(record))


def write_call_file(call_id: UUID) -> Path:
    """Write `calls/call_<id>_<ms>.json` below DATA_DIR; its absolute path.

    Raises:
        OSError: the disk is full or refuses.
    """
    record = call_record(call_id)
    name = call_file_name(record.call.id, record.call.started_at)
    return _write(Path(settings.DATA_DIR) / "calls" / name, call_document(record))


def transcript_document(record: CallRecord) -> dict[str, Any]:
    """What stands in the transcript file."""
    call, analysis = record.call, record.analysis
    conversation = [_conversation_entry(turn, call.started_at) for turn in record.turns]
    return {
        "schema_version": SCHEMA_VERSION,
        "call_id": str(call.id),
        "vendor_call_id": call.vendor_call_id,
        "timestamp": _iso(call.ended_at),
        "call_start_time": _iso(call.started_at),
        "call_end_time": _iso(call.ended_at),
        "call_duration": record.duration_ms,
        "conversation": conversation,
        "simple_transcripts": [f"{entry['speaker']}: {entry['text']}" for entry in conversation],
        "extracted_data": analysis.extracted,
        "analytics": {
            **analysis.metrics,
            "summary": analysis.summary,
            "disposition": analysis.disposition,
            "question_answers": [_question(pair) for pair in analysis.question_answers],
        },
    }


def call_document(record: CallRecord) -> dict[str, Any]:
    """What stands in the call-data file."""
    call, analysis, attempt = record.call, record.analysis, record.call.attempt
    drop_off = analysis.drop_off
    return {
        "schema_version": SCHEMA_VERSION,
        "id": f"bot_{call.id}",
        "call_id": str(call.id),
        "call_ref_id": call.vendor_call_id,
        "call_vendor": call.protocol,
        "campaign": attempt.campaign.name if attempt else None,
        "attempt_id": str(attempt.id) if attempt else None,
        "phone_number": attempt.phone_number if attempt else call.customer_number or None,
        "agent": {"name": call.agent.name, "kind": call.agent.kind, "version": call.agent_version},
        "parameters": call.parameters,
        "recording_url": f"/api/v1/calls/{call.id}/recording/",
        "start_time": _iso(call.started_at),
        "end_time": _iso(call.ended_at),
        "duration": round(record.duration_ms / 1000, 3),
        "ended_by": call.ended_by,
        "disposition": call.disposition,
        "transferred_to": call.transferred_to,
        "dropoff": {"time": _at(call.started_at, drop_off.asked_at_ms), "action": drop_off.key or drop_off.question}
        if drop_off
        else None,
        "response_data": _response_data(record),
        "summary": analysis.summary,
        "bridge_metrics": call.metrics,
    }


def _conversation_entry(turn: TranscriptTurn, started_at: datetime) -> dict[str, Any]:
    text = turn.heard_text if turn.is_interrupted else turn.text
    return {
        "timestamp": _at(started_at, turn.start_ms),
        "start_ms": turn.start_ms,
        "end_ms": turn.end_ms,
        "speaker": _FIELD_SPEAKER[turn.speaker],
        "text": text,
        "full_text": turn.text,
        "confidence": turn.confidence,
        "event_type": "interrupted" if turn.is_interrupted else "speech",
    }


def _question(pair: QuestionAnswer) -> dict[str, Any]:
    return {
        "question": pair.question,
        "asked_at_ms": pair.asked_at_ms,
        "times_asked": pair.times_asked,
        "answer": pair.answer,
        "answered_at_ms": pair.answered_at_ms,
        "key": pair.key,
        "value": pair.value,
    }


def _response_data(record: CallRecord) -> list[dict[str, Any]]:
    """One entry per question put, and per answer the agent recorded without one."""
    started_at = record.call.started_at
    entries = [
        {
            "key_label": pair.key or None,
            "key_value": pair.value,
            "question": pair.question,
            "key_response": pair.answer,
            "attempts": pair.times_asked,
            "asked_at": _at(started_at, pair.asked_at_ms),
            "answered_at": None if pair.answered_at_ms is None else _at(started_at, pair.answered_at_ms),
            "remarks": "answered" if pair.answer else "not_available",
        }
        for pair in record.analysis.question_answers
    ]
    named = {pair.key for pair in record.analysis.question_answers}
    entries += [
        {
            "key_label": key,
            "key_value": value,
            "question": None,
            "key_response": "",
            "attempts": 0,
            "asked_at": None,
            "answered_at": None,
            "remarks": "recorded",
        }
        for key, value in record.analysis.extracted.items()
        if key not in named
    ]
    return entries


def _at(started_at: datetime, offset_ms: int) -> str:
    return (started_at + timedelta(milliseconds=offset_ms)).isoformat()


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    write_durably(path, _pieces(document))
    return path


def _pieces(document: Mapping[str, Any]) -> Iterator[str]:
    yield from json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).iterencode(document)
    yield "\n"
