"""What an agent asks for by a tool call, read from arguments that nobody has checked yet. Pure.

What is wrong with a call is said in words the agent can act on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from bridge.agents.base import ToolCall
from bridge.session.contracts import AddToDnc, ScheduleCallback

MAX_KEY_CHARS: Final = 100
MAX_QUESTION_CHARS: Final = 500
MAX_VALUE_CHARS: Final = 2_000
MAX_DISPOSITION_CHARS: Final = 40
MAX_NOTE_CHARS: Final = 500
MAX_CALLBACK_AHEAD: Final = timedelta(days=60)
# An agent in a loop must not keep the platform busy (Source: reliability U10).
MAX_CALLS_PER_MINUTE: Final = 20
MINUTE_MS: Final = 60_000
# Answered calls that are remembered, so that a repeated message is not done, nor answered, twice.
MAX_REMEMBERED_IDS: Final = 256


class BadToolCall(ValueError):
    """A tool call that cannot be done; the text is for the agent."""


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """Keep what the customer answered."""

    key: str
    question: str
    value: str


@dataclass(frozen=True, slots=True)
class SetDisposition:
    """Keep what the conversation has achieved."""

    disposition: str


Request: TypeAlias = RecordAnswer | SetDisposition | AddToDnc | ScheduleCallback


def read_tool_call(tool_call: ToolCall, now: datetime) -> Request:
    """What is asked for; `now` is aware.

    Raises:
        BadToolCall: there is no such tool, or its arguments cannot be used.
    """
    arguments = tool_call.arguments
    match tool_call.name:
        case "record_answer":
            return RecordAnswer(
                _needed(arguments, "key", MAX_KEY_CHARS),
                _text(arguments, "question", MAX_QUESTION_CHARS),
                _text(arguments, "value", MAX_VALUE_CHARS),
            )
        case "set_disposition":
            return SetDisposition(_needed(arguments, "disposition", MAX_DISPOSITION_CHARS))
        case "add_to_dnc":
            return AddToDnc(_text(arguments, "reason", MAX_NOTE_CHARS))
        case "schedule_callback":
            return ScheduleCallback(_moment(arguments, "at", now), _text(arguments, "note", MAX_NOTE_CHARS))
        case _:
            raise BadToolCall("there is no such tool")


class ToolBudget:
    """How many calls a minute one call's agent may make."""

    def __init__(self) -> None:
        self._at_ms: deque[float] = deque(maxlen=MAX_CALLS_PER_MINUTE)

    def takes(self, now_ms: float) -> bool:
        """Count a call; False where there were too many within the last minute."""
        if len(self._at_ms) == MAX_CALLS_PER_MINUTE and now_ms - self._at_ms[0] < MINUTE_MS:
            return False
        self._at_ms.append(now_ms)
        return True


class SeenIds:
    """The last ids of tool calls, to know a repeated one."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def is_new(self, tool_call_id: str) -> bool:
        """Remember an id; False for one that is remembered already. A call without an id is always new."""
        if not tool_call_id:
            return True
        if tool_call_id in self._ids:
            return False
        if len(self._ids) >= MAX_REMEMBERED_IDS:
            del self._ids[next(iter(self._ids))]
        self._ids[tool_call_id] = None
        return True


def _needed(arguments: Mapping[str, Any], name: str, max_chars: int) -> str:
    text = _text(arguments, name, max_chars)
    if not text:
        raise BadToolCall(f"{name}: is missing")
    return text


def _text(arguments: Mapping[str, Any], name: str, max_chars: int) -> str:
    value = arguments.get(name)
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise BadToolCall(f"{name}: must be text")
    # What no database takes: NUL, and halves of surrogate pairs.
    text = str(value).replace("\0", "").encode(errors="replace").decode().strip()
    if len(text) > max_chars:
        raise BadToolCall(f"{name}: at most {max_chars} characters")
    return text


def _moment(arguments: Mapping[str, Any], name: str, now: datetime) -> datetime:
    text = arguments.get(name)
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise BadToolCall(f"{name}: write date, time and offset in ISO 8601, like 2026-03-31T15:00:00+07:00")
    if not now < at <= now + MAX_CALLBACK_AHEAD:
        now_text = now.astimezone(at.tzinfo).isoformat(timespec="minutes")
        raise BadToolCall(f"{name}: must lie within {MAX_CALLBACK_AHEAD.days} days from now, which is {now_text}")
    return at
