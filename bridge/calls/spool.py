"""The journal's files: what live calls have said, on disk whatever becomes of the database or of this process.

One file per call, one record per line, each line with its own checksum. The first line names the process that writes
the file. That process holds a lock on a file of its own for as long as it lives, so that nobody needs a clock, a
process id or the database to know whether a journal has lost its writer.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

logger = logging.getLogger(__name__)

Record: TypeAlias = Mapping[str, Any]

SUFFIX: Final = ".jsonl"
LOCK_SUFFIX: Final = ".lock"
OWNER_KEY: Final = "owner"
# A file whose first line cannot be read may be in the making: it is taken for a dead writer's only after this long.
NAMELESS_AFTER_S: Final = 60.0
_CHECKSUM_CHARS: Final = 8


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The journal of a call whose process is dead. `skipped_bytes` could not be read."""

    path: Path
    call_id: UUID
    records: tuple[Record, ...]
    skipped_bytes: int


def encode(record: Record) -> bytes:
    """One line: the checksum in hex, a blank, the record as JSON."""
    body = json.dumps(record, separators=(",", ":"), allow_nan=False).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode(raw: bytes) -> tuple[list[dict[str, Any]], int]:
    """The records of a file in their order, and how many bytes were skipped because they are no whole records."""
    records, skipped_bytes = [], 0
    for line in raw.splitlines(keepends=True):
        record = _decode_line(line)
        if record is not None:
            records.append(record)
        elif line != b"\n":
            skipped_bytes += len(line)
    return records, skipped_bytes


class Spool:
    """The journals below one directory, written by the process `owner`. Every method works on the disk at once."""

    def __init__(self, directory: Path, owner: str) -> None:
        self._directory = directory
        self._owner = owner
        self._lock: int | None = None

    def append(self, lines: Mapping[UUID, Iterable[Record]]) -> None:
        """Write records behind those of their calls; on the disk when this returns.

        Raises:
            OSError: the disk is full or refuses. What it took may be torn; readers skip that.
        """
        self._take_lock()
        for call_id, records in lines.items():
            with open(self._path(call_id), "ab", opener=_private) as file:
                # After a torn line a record must not become a part of it.
                start = encode({OWNER_KEY: self._owner}) if file.tell() == 0 else b"\n"
                file.write(start + b"".join(encode(record) for record in records))
                file.flush()
                os.fsync(file.fileno())

    def remove(self, path_or_call: Path | UUID) -> None:
        """Delete a journal; one that is gone already is fine."""
        path = path_or_call if isinstance(path_or_call, Path) else self._path(path_or_call)
        path.unlink(missing_ok=True)

    def abandoned(self, limit: int) -> list[Abandoned]:
        """At most `limit` journals whose writers are dead, the oldest first."""
        found: list[Abandoned] = []
        is_dead: dict[str, bool] = {self._owner: False}
        for path in sorted(self._directory.glob(f"*{SUFFIX}"), key=_age_key):
            left = self._read(path, is_dead)
            if left is not None:
                found.append(left)
            if len(found) >= limit:
                return found
        self._remove_unused_locks()
        return found

    def size_bytes(self) -> int:
        """What all journals of this directory take."""
        return sum(path.stat().st_size for path in self._directory.glob(f"*{SUFFIX}") if path.exists())

    def release(self) -> None:
        """Stop being the living writer of what was left behind."""
        if self._lock is not None:
            self._lock_path(self._owner).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _read(self, path: Path, is_dead: dict[str, bool]) -> Abandoned | None:
        try:
            call_id = UUID(path.stem)
            owner, changed_s = _owner_of(path), path.stat().st_mtime
            if not owner and time.time() - changed_s < NAMELESS_AFTER_S:
                return None
            if owner not in is_dead:
                is_dead[owner] = self._has_died(owner)
            if not is_dead[owner]:
                return None
            records, skipped_bytes = decode(path.read_bytes())
        except (ValueError, FileNotFoundError):
            return None
        said = tuple(record for record in records if OWNER_KEY not in record)
        return Abandoned(path, call_id, said, skipped_bytes)

    def _has_died(self, owner: str) -> bool:
        path = self._lock_path(owner)
        if not owner or not path.exists():
            return True
        with _try_lock(path) as is_mine:
            return is_mine

    def _remove_unused_locks(self) -> None:
        """Forget the dead: after this nothing names them any more."""
        for path in self._directory.glob(f"*{LOCK_SUFFIX}"):
            if path.stem != self._owner:
                with _try_lock(path) as is_mine:
                    if is_mine:
                        path.unlink(missing_ok=True)

    def _take_lock(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while self._lock is None:
            path = self._lock_path(self._owner)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                is_still_named = path.stat().st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                is_still_named = False
            if is_still_named:
                self._lock = descriptor
            else:
                # Somebody who was clearing up took it for a dead process's between our opening and locking it.
                os.close(descriptor)

    def _path(self, call_id: UUID) -> Path:
        return self._directory / f"{call_id}{SUFFIX}"

    def _lock_path(self, owner: str) -> Path:
        return self._directory / f"{owner}{LOCK_SUFFIX}"


def _owner_of(path: Path) -> str:
    """The process that writes this file; empty where its first line cannot be read."""
    with path.open("rb") as file:
        record = _decode_line(file.readline())
    return str(record.get(OWNER_KEY, "")) if record else ""


def _decode_line(line: bytes) -> dict[str, Any] | None:
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or len(checksum) != _CHECKSUM_CHARS:
        return None
    try:
        record = json.loads(body) if int(checksum, 16) == zlib.crc32(body) else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Whether nobody holds the lock of this file; while the block runs nobody else can."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _age_key(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
