"""What the desk writes of a call, as the journal keeps it, and how a journal becomes rows again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from types import NoneType
from typing import Final, TypeAlias
from uuid import UUID

from bridge.agents.base import Speaker
from bridge.calls.spool import Record
from bridge.session import Action, AddToDnc, PrepareTransfer, ScheduleCallback
from campaigns.errors import CallRequestRefused
from campaigns.services.call_requests import add_to_dnc, prepare_transfer, schedule_callback
from campaigns.services.calls import CallEnd, TurnDraft, finish_call, record_findings, record_turns

logger = logging.getLogger(__name__)

TURN: Final = "turn"
FINDINGS: Final = "findings"
DNC: Final = "dnc"
CALLBACK: Final = "callback"
END: Final = "end"
# A version that knew other fields wrote it.
_UNREADABLE: Final = (KeyError, TypeError, ValueError)

Answers: TypeAlias = list[dict[str, object]]
Types: TypeAlias = type | tuple[type, ...]

# Of another version they may be of other types, which the database would not take.
_TURN_TYPES: Final[Mapping[str, Types]] = {
    "seq": int,
    "speaker": str,
    "item_id": str,
    "text": str,
    "heard_text": str,
    "start_ms": int,
    "end_ms": int,
    "is_interrupted": bool,
    "confidence": (int, float, NoneType),
}
_END_TYPES: Final[Mapping[str, Types]] = {
    "ended_by": str,
    "disposition": str,
    "answers": list,
    "transferred_to": str,
    "recording_path": str,
    "metrics": dict,
    "is_agent_broken": bool,
}


def turn_record(turn: TurnDraft) -> Record:
    """A turn as it was told last."""
    return {"kind": TURN, **asdict(turn)}


def findings_record(answers: Answers, disposition: str) -> Record:
    """All that the agent has learned so far."""
    return {"kind": FINDINGS, "answers": answers, "disposition": disposition}


def end_record(end: CallEnd, at: datetime) -> Record:
    """How and when the call ended."""
    return {"kind": END, "at": at.isoformat(), "end": asdict(end)}


def request_record(action: Action, at: datetime) -> Record | None:
    """What the customer asked for; None of what is of no use after the call."""
    match action:
        case AddToDnc(reason=reason):
            return {"kind": DNC, "at": at.isoformat(), "reason": reason}
        case ScheduleCallback(at=callback_at, note=note):
            return {"kind": CALLBACK, "at": at.isoformat(), "callback_at": callback_at.isoformat(), "note": note}
        case PrepareTransfer():
            return None


def do_request(call_id: UUID, action: Action, now: datetime) -> None:
    """Do what the customer asked for; committed on return.

    Raises:
        CallRequestRefused: it cannot be done; the text is for the agent.
        Call.DoesNotExist: there is no such call.
    """
    match action:
        case AddToDnc(reason=reason):
            add_to_dnc(call_id=call_id, reason=reason, now=now)
        case ScheduleCallback(at=at, note=note):
            schedule_callback(call_id=call_id, at=at, note=note, now=now)
        case PrepareTransfer(targets=targets):
            prepare_transfer(call_id=call_id, target=targets[0].number, now=now)


def do_request_late(call_id: UUID, action: Action, now: datetime) -> None:
    """Do what could not be done when it was asked for; what is refused by now is dropped.

    Raises:
        Call.DoesNotExist: there is no such call.
    """
    try:
        do_request(call_id, action, now)
    except CallRequestRefused as refused:
        logger.warning("request refused", extra={"call_id": str(call_id), "code": refused.code})


def replay(call_id: UUID, records: Iterable[Record], *, now: datetime) -> None:
    """Write what a journal tells into the database. What is there already stays; doing so twice changes nothing.

    Raises:
        Call.DoesNotExist: the call was erased.
    """
    turns: dict[int, TurnDraft] = {}
    findings: Record | None = None
    requests: list[tuple[Action, datetime]] = []
    end: tuple[CallEnd, datetime] | None = None
    for record in records:
        try:
            match record["kind"]:
                case "turn":
                    turn = _turn_of(record)
                    turns[turn.seq] = turn
                case "findings":
                    findings = {"answers": list(record["answers"]), "disposition": str(record["disposition"])}
                case "end":
                    end = _end_of(record["end"]), datetime.fromisoformat(record["at"])
                case _:
                    requests.append((_request_of(record), datetime.fromisoformat(record["at"])))
        except _UNREADABLE as error:
            logger.warning("journal record not understood: %s", repr(error), extra={"call_id": str(call_id)})
    record_turns({call_id: list(turns.values())})
    if findings is not None:
        record_findings(call_id=call_id, **findings, now=now)
    for action, at in requests:
        do_request_late(call_id, action, at)
    if end is not None:
        finish_call(call_id=call_id, end=end[0], now=end[1])


def _turn_of(record: Record) -> TurnDraft:
    turn = TurnDraft(**_typed({name: value for name, value in record.items() if name != "kind"}, _TURN_TYPES))
    Speaker(turn.speaker)
    return turn


def _end_of(told: Record) -> CallEnd:
    return CallEnd(**_typed(told, _END_TYPES))


def _typed(values: Record, types: Mapping[str, Types]) -> Record:
    """The values, each of the type that its name has.

    Raises:
        TypeError: one is of another.
    """
    for name, value in values.items():
        if name in types and not isinstance(value, types[name]):
            raise TypeError(name)
    return values


def _request_of(record: Record) -> Action:
    if record["kind"] == DNC:
        return AddToDnc(str(record["reason"]))
    if record["kind"] == CALLBACK:
        return ScheduleCallback(datetime.fromisoformat(record["callback_at"]), str(record["note"]))
    raise ValueError(record["kind"])
