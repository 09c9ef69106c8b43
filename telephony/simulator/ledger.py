"""The truth about every call really placed: kept in memory for `GET /sim/ledger`, appended to a file line by line.

Each line is written by one `write` to a file opened for appending, so what happened before a kill -9 is in it. Nothing
secret is: a URL shows its host and a digest, and a parameter that repeats a part of the URL shows a digest.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

MAX_CALLS_KEPT = 20_000
MAX_EVENTS_PER_CALL = 2_000
_DIGEST_CHARS = 12
# Shorter texts are found in any URL by chance.
_MIN_SECRET_CHARS = 8


class Happened(StrEnum):
    """The events of the ledger."""

    REFUSED = "refused"
    PLACED = "placed"
    REPLIED = "replied"
    RINGING = "ringing"
    ANSWERED = "answered"
    CONNECTED = "connected"
    CONNECT_FAILED = "connect_failed"
    HEARD_ITEM = "heard_item"
    SAID = "said"
    ACTION_IGNORED = "action_ignored"
    TRANSFER = "transfer"
    HANGUP = "hangup"
    SENT_FAULT = "sent_fault"
    CLOSED = "closed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: epoch ms for people, the machine's monotonic seconds to compare processes."""

    epoch_ms: int
    monotonic_s: float


@dataclass(slots=True)
class CallRecord:
    """What is known of one call. `url` and `parameter` are already redacted."""

    call_id: str
    destination: str
    behaviour: str
    app: str
    channel: str
    url: str
    url_sha256: str
    token_sha256: str
    parameter: Mapping[str, str]
    placed_at_ms: int
    events: list[dict[str, Any]] = field(default_factory=list)
    ended_by: str = ""
    has_connected: bool = False
    heard_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        """The record as `GET /sim/ledger` shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Ledger:
    """Records what happens. `path` is the JSONL file, None for memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._calls: dict[str, CallRecord] = {}
        self._refusals: deque[dict[str, Any]] = deque(maxlen=MAX_CALLS_KEPT)
        self._open: set[str] = set()
        self._open_by_destination: Counter[str] = Counter()
        self._file = None if path is None else os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self.calls_placed = 0
        self.max_simultaneous = 0
        self.max_simultaneous_per_destination = 0

    @property
    def open_calls(self) -> int:
        """How many calls are placed and not ended."""
        return len(self._open)

    def place(self, record: CallRecord, now: Moment) -> None:
        """A call was really placed."""
        while len(self._calls) >= MAX_CALLS_KEPT:
            del self._calls[next(iter(self._calls))]
        self._calls[record.call_id] = record
        self._open.add(record.call_id)
        self._open_by_destination[record.destination] += 1
        self.calls_placed += 1
        self.max_simultaneous = max(self.max_simultaneous, len(self._open))
        self.max_simultaneous_per_destination = max(
            self.max_simultaneous_per_destination, self._open_by_destination[record.destination]
        )
        facts = {name: value for name, value in record.as_json().items() if name in _PLACED_FACTS}
        self.record(record.call_id, Happened.PLACED, now, **facts)

    def refuse(self, now: Moment, **facts: Any) -> None:
        """A request was answered without placing a call."""
        line = _line(Happened.REFUSED, now, facts)
        self._refusals.append(line)
        self._append(line)

    def record(self, call_id: str, event: Happened, now: Moment, **facts: Any) -> None:
        """Something happened on a call."""
        line = _line(event, now, facts)
        record = self._calls.get(call_id)
        if record is not None:
            if len(record.events) < MAX_EVENTS_PER_CALL:
                record.events.append(line)
            record.has_connected = record.has_connected or event is Happened.CONNECTED
            if event is Happened.HEARD_ITEM:
                record.heard_ms += facts["heard_ms"]
        self._append({"call_id": call_id, **line})

    def end(self, call_id: str, ended_by: str, now: Moment, **facts: Any) -> None:
        """The call is over."""
        record = self._calls.get(call_id)
        if record is not None:
            record.ended_by = ended_by
            self._open_by_destination[record.destination] -= 1
        self._open.discard(call_id)
        self.record(call_id, Happened.ENDED, now, ended_by=ended_by, **facts)

    def call(self, call_id: str) -> CallRecord | None:
        """What is known of a call; None where it was never placed, or forgotten."""
        return self._calls.get(call_id)

    def last_call_id(self) -> str | None:
        """The call placed last; None before the first."""
        return next(reversed(self._calls), None)

    def as_json(self) -> dict[str, Any]:
        """Everything, for `GET /sim/ledger`."""
        return {
            "calls": [record.as_json() for record in self._calls.values()],
            "refusals": list(self._refusals),
            "calls_placed": self.calls_placed,
            "open_calls": self.open_calls,
            "max_simultaneous": self.max_simultaneous,
            "max_simultaneous_per_destination": self.max_simultaneous_per_destination,
        }

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            os.write(self._file, orjson.dumps(line) + b"\n")


_PLACED_FACTS = frozenset(
    {"destination", "behaviour", "app", "channel", "url", "url_sha256", "token_sha256", "parameter"}
)


def redacted_url(url: str) -> str:
    """The URL's scheme and host, and a digest of the rest."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}/{short_digest(url)}"


def url_digest(url: str) -> str:
    """SHA-256, in hex, of the whole URL as it was given."""
    return sha256(url.encode()).hexdigest()


def token_digest(url: str) -> str:
    """SHA-256, in hex, of the last part of the URL's path: where a bot's URL carries its token."""
    return sha256(urlsplit(url).path.rstrip("/").rpartition("/")[2].encode()).hexdigest()


def redacted_parameter(parameter: Mapping[str, str], url: str) -> dict[str, str]:
    """The parameters, with a digest in place of every value that the URL holds too."""
    return {
        key: short_digest(value) if len(value) >= _MIN_SECRET_CHARS and value in url else value
        for key, value in parameter.items()
    }


def short_digest(text: str) -> str:
    """The beginning of a text's SHA-256, marked as such."""
    return f"sha256:{sha256(text.encode()).hexdigest()[:_DIGEST_CHARS]}"


def _line(event: Happened, now: Moment, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"event": event.value, "at_ms": now.epoch_ms, "monotonic_s": round(now.monotonic_s, 4), **facts}
