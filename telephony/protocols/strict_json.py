"""One JSON object from one text frame, read strictly: what two readers could understand differently is refused."""

from __future__ import annotations

import json
from typing import Any

import orjson

from telephony.errors import RemoteProtocolError
from telephony.protocols.events import WireMessage

MAX_MESSAGE_CHARS = 256 * 1024
MAX_DEPTH = 32
_MAX_SHOWN_CHARS = 40
_NUMBERS = frozenset({int, float})


def read_json_object(message: WireMessage) -> dict[str, Any]:
    """The object in a text frame.

    Numbers that need more than 64 bits come back as floats.

    Raises:
        RemoteProtocolError: binary frame, too long, not JSON (NaN, Infinity, a byte order mark and lone surrogates
            are not), not an object, nested deeper than `MAX_DEPTH`, or a key given twice.
    """
    if not isinstance(message, str):
        raise RemoteProtocolError("binary_frame", "messages must be text frames")
    if len(message) > MAX_MESSAGE_CHARS:
        raise RemoteProtocolError("message_too_large", f"a message may have at most {MAX_MESSAGE_CHARS} characters")
    try:
        document = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        # The parser's own text can quote the message; the position alone is enough to find the fault.
        raise RemoteProtocolError("bad_json", f"not valid JSON at character {error.pos}") from None
    if not isinstance(document, dict):
        raise RemoteProtocolError("not_an_object", "a message must be a JSON object")
    strings = _count_strings(document)
    # orjson keeps the last of two equal keys and says nothing. Without escapes every string shows as exactly two
    # quotation marks, so counting them proves that none was lost; only a message that fails this is read again.
    if "\\" in message or message.count('"') != 2 * strings:
        _refuse_repeated_keys(message)
    return document


def shown(text: str) -> str:
    """`text` from a peer, short and printable."""
    return ascii(text[:_MAX_SHOWN_CHARS])[1:-1]


def _count_strings(node: dict[str, Any] | list[Any], depth: int = 1) -> int:
    """How many strings (keys and values) `node` holds; stops at the depth limit."""
    if depth > MAX_DEPTH:
        raise RemoteProtocolError("too_deep", f"a message may be nested at most {MAX_DEPTH} levels deep")
    if isinstance(node, dict):
        strings = len(node)
        children: Any = node.values()
    else:
        if _NUMBERS.issuperset(map(type, node)):
            # Audio as a list of samples; walking it would cost more than parsing it did.
            return 0
        strings = 0
        children = node
    for child in children:
        # The exact types are all that the parser makes; comparing them is several times faster than isinstance, and
        # this runs for every frame of every call.
        kind = type(child)
        if kind is str:
            strings += 1
        elif kind is dict or kind is list:
            strings += _count_strings(child, depth + 1)
    return strings


def _refuse_repeated_keys(message: str) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in pairs}) != len(pairs):
            raise RemoteProtocolError("repeated_key", "an object in the message has the same key twice")

    try:
        json.loads(message, object_pairs_hook=unique, parse_int=float)
    except (ValueError, RecursionError):
        # A branch that a repeated key hid from the first reading can be deeper than this reader can go.
        raise RemoteProtocolError("repeated_key", "the message hides data behind a repeated key") from None
