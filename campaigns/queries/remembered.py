"""Counts over very many rows, used again for some seconds: whoever looks at a page asks for them every second.

Small counts are never remembered, so that what is shown of most campaigns is as of now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

Value = TypeVar("Value")

LARGE_ROWS: Final = 100_000
LASTS: Final = timedelta(seconds=10)
# Campaigns looked at side by side by one process.
KEPT: Final = 64


class Remembered(Generic[Value]):
    """The latest large results by key, in this process. Threads may share it."""

    def __init__(self, rows_of: Callable[[Value], int]) -> None:
        """`rows_of` says how many rows a result was counted over."""
        self._rows_of = rows_of
        self._lock = threading.Lock()
        self._found: dict[Hashable, tuple[datetime, Value]] = {}

    def get(self, key: Hashable, now: datetime, count: Callable[[], Value]) -> Value:
        """The result remembered for the key, or what `count` returns now."""
        with self._lock:
            at, value = self._found.get(key, (None, None))
        if at is not None and value is not None and timedelta(0) <= now - at < LASTS:
            return value
        value = count()
        with self._lock:
            self._found.pop(key, None)
            if self._rows_of(value) >= LARGE_ROWS:
                self._found[key] = (now, value)
                if len(self._found) > KEPT:
                    del self._found[next(iter(self._found))]
        return value
