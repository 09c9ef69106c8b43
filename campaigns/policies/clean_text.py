"""Text that came from a recogniser, a switch or a stranger's server, made fit to be stored and sent on.

PostgreSQL refuses NUL in text and in JSON, UTF-8 has no lone surrogates, and other control characters break logs and
receivers. Everything else a person may have said stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

MAX_JSON_DEPTH = 8
MAX_JSON_ITEMS = 500
MAX_JSON_TEXT_CHARS = 4_000


def clean_text(text: str, *, max_chars: int) -> str:
    """The text without control characters (except tab and newline) and lone surrogates, cut to `max_chars`."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n"))
    return _SURROGATE.sub(REPLACEMENT, text)[:max_chars]


def clean_json(value: Any, *, _depth: int = 0) -> Any:
    """The value as plain JSON with every text cleaned, cut in depth, in number of items and in length of texts.

    What JSON cannot say (not-a-number, a date, an object) becomes its text; below the deepest level stands null.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Beyond 2**53 most readers of JSON would silently round.
        return value if abs(value) <= 2**53 else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if _depth >= MAX_JSON_DEPTH:
        return None
    if isinstance(value, Mapping):
        items = list(value.items())[:MAX_JSON_ITEMS]
        return {clean_text(str(key), max_chars=200): clean_json(item, _depth=_depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [clean_json(item, _depth=_depth + 1) for item in value[:MAX_JSON_ITEMS]]
    return clean_text(str(value), max_chars=MAX_JSON_TEXT_CHARS)
