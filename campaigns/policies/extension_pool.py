"""The extensions of a campaign with `dial`: how they are written, which is rung next, and why none is. Pure.

The switch rings the extension first and the customer once it answers (Source: vendor-docs/psr-3-create-stream, `app`),
so a call needs an extension that nobody talks on, as it needs a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from campaigns.enums import App

# Source: vendor-docs/psr-3-create-stream, `extension`; its form is in reliability C.3.
EXTENSION: Final = re.compile(r"[0-9]{2,6}")
EXTENSIONS_MAX: Final = 100
# Whoever was not rung for so long has been idle for long enough; beyond it their order in the list decides.
IDLE_LOOKBACK: Final = timedelta(hours=4)

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExtensionUse:
    """What the extensions of a trunk do: those in an open call, and when the last call of others ended, if lately."""

    busy: frozenset[str] = frozenset()
    freed_at: Mapping[str, datetime] = field(default_factory=dict)


def read_extensions(value: Any) -> list[str]:
    """The extensions in their order, each once.

    Raises:
        ValueError: it is no list of extensions, or too long a one; the text says what to change.
    """
    if not isinstance(value, list) or len(value) > EXTENSIONS_MAX:
        raise ValueError(f"Write a list of at most {EXTENSIONS_MAX} extensions.")
    for entry in value:
        if not isinstance(entry, str) or not EXTENSION.fullmatch(entry):
            raise ValueError(f"“{str(entry)[:20]}” is no extension; write 2 to 6 digits.")
    return list(dict.fromkeys(value))


def free_extensions(pool: Iterable[str], use: ExtensionUse) -> list[str]:
    """Those that nobody talks on, the longest idle first."""
    return sorted(
        (extension for extension in pool if extension not in use.busy),
        key=lambda extension: use.freed_at.get(extension, _LONG_AGO),
    )


def none_free(pool: Sequence[str], use: ExtensionUse) -> str:
    """Why no extension can be rung; empty where one can."""
    if not pool:
        return "The campaign names no extension."
    if any(extension not in use.busy for extension in pool):
        return ""
    if len(pool) == 1:
        return f"Extension {pool[0]} is talking; it is free when its call ends."
    return f"All {len(pool)} extensions are talking; the next is free when a call ends."


def lines_of(app: str, max_concurrent_calls: int, extensions: Sequence[str]) -> int:
    """How many calls a campaign can hold at once: with `dial` no more than it has extensions."""
    return min(max_concurrent_calls, len(extensions)) if app == App.DIAL else max_concurrent_calls
