"""The tools a model is offered, and what its calls of them become.

Arguments are the model's words and judged like a stranger's input: what does not fit is answered with what is wrong and
never done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from bridge.agents.base import EndCall, ToolCall, Transfer
from telephony.protocols.events import TransferTarget

TOOL_NAMES: Final = (
    "end_call",
    "transfer",
    "record_answer",
    "set_disposition",
    "add_to_dnc",
    "schedule_callback",
)
MAX_ARGUMENTS_CHARS: Final = 16_384
MAX_VALUE_CHARS: Final = 1_000

Wish: TypeAlias = EndCall | Transfer | ToolCall
Json: TypeAlias = dict[str, Any]


class BadArguments(ValueError):
    """A tool was called in a way that cannot be obeyed; the text is for the model."""


@dataclass(frozen=True, slots=True)
class ToolBox:
    """The tools of one conversation: those the agent may use, with the values that are allowed in this call."""

    names: tuple[str, ...] = TOOL_NAMES
    dispositions: tuple[str, ...] = ()
    transfer_targets: tuple[TransferTarget, ...] = ()

    @property
    def usable(self) -> tuple[str, ...]:
        """The tools to offer; without anyone to transfer to there is no transfer."""
        return tuple(name for name in self.names if name != "transfer" or self.transfer_targets)

    def schemas(self) -> list[Json]:
        """The tools as JSON schemas for the model."""
        return [_tool(name, self._properties(name)) for name in self.usable]

    def wish(self, call_id: str, name: str, arguments: str) -> Wish:
        """What a call of a tool asks for.

        Raises:
            BadArguments: it cannot be obeyed.
        """
        if name not in self.usable:
            raise BadArguments(f"there is no tool {name[:60]!r}")
        values = _values(arguments)
        missing = [each for each in _REQUIRED[name] if not values.get(each)]
        if missing:
            raise BadArguments(f"give {' and '.join(missing)} as text")
        if name == "end_call":
            return EndCall(values.get("reason") or "completed", call_id)
        if name == "transfer":
            return Transfer((self._target(values["target"]),), call_id)
        if name == "set_disposition" and self.dispositions and values["disposition"] not in self.dispositions:
            raise BadArguments(f"disposition must be one of {', '.join(self.dispositions)}")
        return ToolCall(call_id, name, {each: values.get(each, "") for each in _DESCRIPTIONS[name][1]})

    def _target(self, wanted: str) -> TransferTarget:
        """The one meant. Somebody not on the list is passed on as he is: the session refuses him, and notes it."""
        for target in self.transfer_targets:
            if wanted in (target.name, target.number):
                return target
        return TransferTarget(wanted[:60])

    def _properties(self, name: str) -> Json:
        properties: dict[str, Json] = {
            each: {"type": "string", "description": text} for each, text in _DESCRIPTIONS[name][1].items()
        }
        choices = {
            "transfer": ("target", tuple(target.name or target.number for target in self.transfer_targets)),
            "set_disposition": ("disposition", self.dispositions),
        }.get(name)
        if choices and choices[1]:
            properties[choices[0]]["enum"] = list(dict.fromkeys(choices[1]))
        return properties


_DESCRIPTIONS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "end_call": (
        "Hang up. Say goodbye first, in the same turn, and call this only when the conversation is over.",
        {"reason": "Why the conversation is over, in a few words."},
    ),
    "transfer": (
        "Hand the customer to a person. Say first that you will connect them.",
        {"target": "Who is to take the call."},
    ),
    "record_answer": (
        "Keep an answer of the customer. Call it once for every question that was answered.",
        {
            "key": "A short name of the question in lower case, the same in every call.",
            "question": "The question as you asked it.",
            "value": "The answer, short.",
        },
    ),
    "set_disposition": (
        "Keep what the conversation has achieved.",
        {"disposition": "The result in one or two words."},
    ),
    "add_to_dnc": (
        "The customer does not want to be called again. Call this at once, then confirm it and say goodbye.",
        {"reason": "What the customer said."},
    ),
    "schedule_callback": (
        "The customer wants to be called at another time.",
        {
            "at": "When, in ISO 8601 with the offset from UTC, for example 2026-01-31T15:00:00+07:00.",
            "note": "What to know for that call.",
        },
    ),
}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "end_call": (),
    "transfer": ("target",),
    "record_answer": ("key", "value"),
    "set_disposition": ("disposition",),
    "add_to_dnc": (),
    "schedule_callback": ("at",),
}


def _tool(name: str, properties: Json) -> Json:
    return {
        "type": "function",
        "name": name,
        "description": _DESCRIPTIONS[name][0],
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(_REQUIRED[name]),
            "additionalProperties": False,
        },
    }


def _values(arguments: str) -> dict[str, str]:
    """The arguments that are texts, shortened; a number or a truth is taken as its text."""
    if len(arguments) > MAX_ARGUMENTS_CHARS:
        raise BadArguments("the arguments are too long")
    try:
        values = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        raise BadArguments("the arguments are not JSON") from error
    if not isinstance(values, dict):
        raise BadArguments("the arguments are not a JSON object")
    return {name: _said(value) for name, value in values.items() if isinstance(value, str | int | float)}


def _said(value: str | float) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return "".join(mark if mark.isprintable() else " " for mark in text).strip()[:MAX_VALUE_CHARS]
