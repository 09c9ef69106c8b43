"""The journal of markers: a line on this machine's disk for every request that is about to be sent to a switch.

The database can be set back to before a call was made: by a failover to a server that had not been sent the last
commits, or by a backup. Nothing in it then says so. These lines do; `services.set_back` compares the two. They hold ids
and a digest, and neither a number nor a name. One file a day, which is deleted after `KEPT_DAYS`.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zlib import crc32

from django.conf import settings

# An older backup than this is not told from the present by the journal.
KEPT_DAYS: Final = 14
# Longer than any line: the last lines of a file are found in its last bytes.
LINE_MAX_BYTES: Final = 400
OPEN_DAYS: Final = 2
SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker as it was committed: enough to write its attempt again."""

    attempt_id: UUID
    contact_id: int
    number: int
    token_digest: str
    at: datetime


class _DayFile:
    """One day's file, open for appending. Lines that are written while another's wait for the disk share the next."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._write_lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._written = self._synced = self._lost = 0

    def append(self, line: bytes) -> None:
        """Write a line and wait until it is on the disk."""
        with self._write_lock:
            # One write: lines of several processes do not mix.
            if os.write(self._descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, "The line was not written whole.")
            self._written += 1
            mine = self._written
        with self._sync_lock:
            if self._lost >= mine:
                # The system forgets what it could not write: another try would say that all is well.
                raise OSError(errno.EIO, "The disk failed while the line was on its way.")
            if self._synced >= mine:
                return
            latest = self._written
            try:
                os.fsync(self._descriptor)
            except OSError:
                # Whatever came meanwhile may have been on its way too.
                self._lost = self._written
                raise
            self._synced = latest

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)


_lock = threading.Lock()
_current: list[_DayFile] = []


def note_marker(marker: Marker) -> None:
    """Bring a line to the disk; it is there on return.

    Raises:
        OSError: the disk is full or refuses.
    """
    _day_file(marker.at.astimezone(UTC).date()).append(_line(marker))


def latest_markers(count: int) -> list[Marker]:
    """The last lines, the newest last. Reads a few kilobytes, however much was dialed.

    Raises:
        OSError: the journal is there and cannot be read.
    """
    found: list[Marker] = []
    for path in reversed(_files()):
        with path.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - (count - len(found)) * LINE_MAX_BYTES))
            lines = file.read().splitlines()
        markers = [marker for line in lines if (marker := _read(line)) is not None]
        found = [*markers[len(found) - count :], *found]
        if len(found) >= count:
            break
    return found


def markers_since(at: datetime | None) -> Iterator[Marker]:
    """Every line since then, the oldest first; None: all that are kept.

    Raises:
        OSError: the journal is there and cannot be read.
    """
    first_day = f"{at.astimezone(UTC):%Y-%m-%d}" if at is not None else ""
    for path in _files():
        # A line is in the file of its own day.
        if path.stem < first_day:
            continue
        with path.open("rb") as file:
            for line in file:
                marker = _read(line)
                if marker is not None and (at is None or marker.at > at):
                    yield marker


def _day_file(day: date) -> _DayFile:
    directory = Path(settings.DATA_DIR) / "dialed"
    path = directory / f"{day:%Y-%m-%d}{SUFFIX}"
    with _lock:
        # Around midnight threads ask for both days in turn: closing either would take it from under somebody's hands.
        for file in _current:
            if file.path == path:
                return file
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = _DayFile(path)
        _current.append(opened)
        # The one before may still be waited for; the one before that is not.
        if len(_current) > OPEN_DAYS:
            _current.pop(0).close()
        _tidy(directory, day)
        return opened


def _files() -> list[Path]:
    directory = Path(settings.DATA_DIR) / "dialed"
    return sorted(directory.glob(f"*{SUFFIX}")) if directory.exists() else []


def _tidy(directory: Path, today: date) -> None:
    """Let the new name survive a power cut, and the oldest files go."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    oldest = f"{today - timedelta(days=KEPT_DAYS):%Y-%m-%d}"
    for old in _files():
        if old.stem < oldest:
            old.unlink(missing_ok=True)


def _line(marker: Marker) -> bytes:
    fields = {
        "a": marker.attempt_id.hex,
        "c": marker.contact_id,
        "n": marker.number,
        "d": marker.token_digest,
        "t": marker.at.isoformat(),
    }
    text = json.dumps(fields, separators=(",", ":"))
    # The line begins with its end of line: after one that was torn, this one is whole.
    return f"\n{crc32(text.encode()):08x} {text}".encode()


def _read(line: bytes) -> Marker | None:
    """The marker of a line; None of one that is torn, which costs nothing but itself."""
    checksum, _, text = line.strip().partition(b" ")
    if checksum != f"{crc32(text):08x}".encode():
        return None
    fields: dict[str, Any] = json.loads(text)
    return Marker(UUID(fields["a"]), fields["c"], fields["n"], fields["d"], datetime.fromisoformat(fields["t"]))
