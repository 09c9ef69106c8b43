"""What the fields of the ucid dialect may hold: call ids, numbers, and the parameters of a call."""

from __future__ import annotations

import re
from typing import TypeGuard

import orjson

from telephony.errors import RemoteProtocolError
from telephony.protocols.events import WireMessage
from telephony.protocols.strict_json import read_json_object, shown

MAX_UCID_CHARS = 128
_MAX_NUMBER_CHARS = 32
_MAX_PARAMETERS = 64
_MAX_PARAMETER_CHARS = 1_000
_UCID = re.compile(rf"[A-Za-z0-9._:@+-]{{1,{MAX_UCID_CHARS}}}")
_DIALABLE = re.compile(r"\+?[0-9]{2,15}")


def is_ucid(text: object) -> TypeGuard[str]:
    """Whether this can be a call's ucid: short, and of characters that no log, path or message misreads."""
    return isinstance(text, str) and _UCID.fullmatch(text) is not None


def is_dialable(number: str) -> bool:
    """Whether a call can be handed to this number."""
    return _DIALABLE.fullmatch(number) is not None


def text_of(message: WireMessage) -> str:
    """The text of a frame; some implementations send JSON in binary frames."""
    if isinstance(message, str):
        return message
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError("bad_json", "a binary frame does not hold text") from None


def short_text(value: object) -> str:
    """A number or name as the vendor writes it; empty where it is none or too long to be one."""
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    return text.strip() if len(text) <= _MAX_NUMBER_CHARS and text.isprintable() else ""


def read_x_headers(value: object) -> dict[str, str] | None:
    """The parameters in `x_headers`, a JSON object written as a string; None where it is something else."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = read_json_object(value)
        except RemoteProtocolError:
            return None
    if not isinstance(value, dict) or len(value) > _MAX_PARAMETERS:
        return None
    return {
        # The database takes no NUL.
        shown(name): text[:_MAX_PARAMETER_CHARS].replace("\x00", "")
        for name, item in value.items()
        if (text := item if isinstance(item, str) else orjson.dumps(item).decode())
    }
