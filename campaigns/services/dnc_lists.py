"""Imported do-not-call lists: a new file is read beside the one in force and takes its place in one step.

Until the last line of the new version has been read the old one holds, whatever becomes of the process, the file or the
machine. A block is some lines and the place in the file, in one transaction: a killed import goes on where it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from campaigns.enums import DncVersionState
from campaigns.errors import ImportRefused
from campaigns.models import DncList, DncNumber, DncVersion
from campaigns.policies.dnc_lines import MAX_LINE_BYTES, REJECTED_SHARE_MAX, NoNumber, read_line

CHUNK_BYTES = 262_144
BLOCK_LINES = 10_000
INSERT_ROWS = 5_000
DROP_ROWS = 20_000
FILE_NAME_MAX_CHARS = 200


def receive_version(
    list_id: int, *, file: IO[bytes], file_name: str, as_of: datetime, user: User | None, now: datetime
) -> DncVersion:
    """A new version that waits to be read; nothing changes before `load_block` has come to its end.

    `as_of` is when the list's keeper made it. `file_name` is only shown, never used as a path.

    Raises:
        ImportRefused: the file is too large or empty, or is said to be of the future; nothing is kept of it.
        DncList.DoesNotExist
    """
    target = DncList.objects.get(pk=list_id)
    if as_of > now:
        raise ImportRefused("bad_as_of", "A list cannot be of a moment that has not come yet.")
    path = _directory() / f"{uuid.uuid4().hex}.txt"
    is_kept = False
    try:
        size_bytes = _store(file, path)
        version = DncVersion.objects.create(
            list=target,
            file_name=Path(file_name.replace("\0", "").replace("\\", "/")).name[:FILE_NAME_MAX_CHARS] or "list.txt",
            path=path.name,
            as_of=as_of,
            size_bytes=size_bytes,
            created_by=user,
            created_at=now,
        )
        is_kept = True
    finally:
        if not is_kept:
            path.unlink(missing_ok=True)
    return version


def load_block(version_id: int, *, now: datetime, lines: int = BLOCK_LINES) -> bool:
    """Read the next lines of a version; at the end of its file let it take the old one's place. False when it is over.

    Where another process is reading the version just now, this one leaves it to it.
    """
    with transaction.atomic():
        loading = DncVersion.objects.filter(pk=version_id, state=DncVersionState.LOADING).select_related("list")
        version = loading.select_for_update(of=("self",), skip_locked=True).first()
        if version is None:
            return False
        try:
            block, offset = _read(_directory() / version.path, version.bytes_done, lines)
        except OSError:
            _fail(version, "The uploaded file is gone. Upload it again.")
            return False
        if not block:
            _publish(version, now)
            return False
        read = [read_line(line, version.list.region or settings.DEFAULT_REGION) for line in block]
        numbers = {number for number in read if isinstance(number, str)}
        DncNumber.objects.bulk_create(
            (DncNumber(phone_number=number, version=version) for number in sorted(numbers)),
            batch_size=INSERT_ROWS,
            ignore_conflicts=True,
        )
        version.bytes_done = offset
        version.numbers += len(numbers)
        version.rejected += read.count(NoNumber.UNREADABLE)
        version.save(update_fields=["bytes_done", "numbers", "rejected"])
    return True


def drop_unused(*, rows: int = DROP_ROWS) -> int:
    """Delete up to `rows` numbers of versions that are not in force any more; how many there were."""
    unused = DncNumber.objects.filter(version__state__in=(DncVersionState.REPLACED, DncVersionState.FAILED))
    ids = list(unused.order_by("pk").values_list("pk", flat=True)[:rows])
    if ids:
        # A range, not a list of ids: SQLite takes only so many parameters.
        unused.filter(pk__gte=ids[0], pk__lte=ids[-1]).delete()
    return len(ids)


def _publish(version: DncVersion, now: datetime) -> None:
    """Put a version that was read to its end into force, unless it cannot be what it should be."""
    target = DncList.objects.select_for_update(of=("self",)).select_related("current").get(pk=version.list_id)
    numbers = version.entries.count()
    seen = version.numbers + version.rejected
    if not numbers:
        _fail(version, "The file holds no phone number. The list in force stays.")
    elif version.rejected > REJECTED_SHARE_MAX * seen:
        _fail(version, f"{version.rejected:,} of {seen:,} lines are no phone number. The list in force stays.")
    elif target.current is not None and target.current.as_of > version.as_of:
        _fail(version, "The list in force is newer than this file, and stays.")
    else:
        if target.current is not None:
            DncVersion.objects.filter(pk=target.current.pk).update(state=DncVersionState.REPLACED)
        DncList.objects.filter(pk=target.pk).update(current=version)
        version.state, version.published_at, version.numbers = DncVersionState.CURRENT, now, numbers
        version.save(update_fields=["state", "published_at", "numbers"])
        _forget_file(version)


def _fail(version: DncVersion, error: str) -> None:
    version.state, version.error = DncVersionState.FAILED, error
    version.save(update_fields=["state", "error"])
    _forget_file(version)


def _forget_file(version: DncVersion) -> None:
    path = _directory() / version.path
    transaction.on_commit(lambda: path.unlink(missing_ok=True))


def _directory() -> Path:
    directory = Path(settings.DATA_DIR) / "dnc_lists"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _store(file: IO[bytes], path: Path) -> int:
    size = 0
    with path.open("xb") as stored:
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            if size > settings.IMPORT_MAX_BYTES:
                limit = f"{settings.IMPORT_MAX_BYTES:,} bytes"
                raise ImportRefused("file_too_large", f"The file is larger than {limit}.")
            stored.write(chunk)
    if not size:
        raise ImportRefused("empty_file", "The file is empty.")
    return size


def _read(path: Path, offset: int, lines: int) -> tuple[Sequence[bytes], int]:
    """Up to `lines` lines from an offset on, and the offset after them; a line too long for a number comes in parts."""
    with path.open("rb") as stored:
        stored.seek(offset)
        block: list[bytes] = []
        while len(block) < lines and (line := stored.readline(MAX_LINE_BYTES)):
            block.append(line)
        return block, stored.tell()
