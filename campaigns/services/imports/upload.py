"""Taking in an upload: streamed to a file of our naming, judged, and stored as UTF-8 with LF line ends.

The limit holds while the bytes arrive, so no file over it ever lies on the disk. What can be refused by looking at the
file's beginning, its encoding and its header is refused here, before a person waits for a background task.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from django.conf import settings

from campaigns.errors import ImportRefused
from campaigns.models import CustomerList, ImportJob
from campaigns.policies.csv_dialect import (
    MAX_ROW_BYTES,
    CsvDialect,
    bad_encoding,
    bom_of,
    legacy_encoding,
    read_dialect,
    refuse_binary,
)
from campaigns.policies.import_rows import Columns, is_phone_column, read_columns
from campaigns.queries.imports import open_upload_names

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

CHUNK_BYTES = 262_144
HEAD_BYTES = 2 * MAX_ROW_BYTES
LEGACY_SAMPLE_BYTES = 1_048_576
MAX_FILE_NAME_CHARS = 200
LEFTOVER_AGE_S = 86_400


@dataclass(frozen=True, slots=True)
class _Received:
    """What was learned about a file while it arrived."""

    size_bytes: int
    sha256: str
    head: bytes
    has_cr: bool
    first_non_ascii: int | None
    not_utf8_at: int | None
    nul_at: int | None


def uploads_dir() -> Path:
    """Where uploads lie; made when missing."""
    directory = Path(settings.DATA_DIR) / "uploads"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def upload_path(job: ImportJob) -> Path:
    """The stored copy of a job's file."""
    return uploads_dir() / job.path


def create_import(
    *,
    list_id: int,
    file: IO[bytes],
    file_name: str,
    user: AbstractBaseUser | None,
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    default_region: str | None = None,
) -> ImportJob:
    """A queued job for an uploaded file; nothing is on the list yet.

    `mapping` is column name → field (`phone_number`, `name`, `timezone`, an attribute's name, or "" to leave out).
    `file_name` is only shown, never used as a path. `default_region` None means DEFAULT_REGION.

    Raises:
        ImportRefused: the file as a whole cannot be a customer list; `code` says why. Nothing is kept of it.
        CustomerList.DoesNotExist
    """
    target = CustomerList.objects.get(pk=list_id)
    path = uploads_dir() / f"{uuid.uuid4().hex}.csv"
    with _removed_on_error(path):
        received = _receive(file, path)
        encoding = _normalise(path, received)
        dialect, columns = examine(path, encoding=encoding, mapping=mapping)
        return ImportJob.objects.create(
            list=target,
            file_name=Path(file_name.replace("\0", "").replace("\\", "/")).name[:MAX_FILE_NAME_CHARS] or "upload.csv",
            path=path.name,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            mapping=dict(mapping or {}),
            default_region=(default_region or settings.DEFAULT_REGION).upper(),
            dialect={
                "encoding": dialect.encoding,
                "delimiter": dialect.delimiter,
                "header": list(columns.header),
                "attributes": {columns.header[position]: name for position, name in columns.attributes},
                "data_offset": dialect.data_offset,
            },
            bytes_done=dialect.data_offset,
            created_by_id=user.pk if user else None,
            created_at=now,
        )


def examine(path: Path, *, encoding: str, mapping: Mapping[str, str] | None) -> tuple[CsvDialect, Columns]:
    """How a stored copy is to be read, and what its columns mean.

    Raises:
        ImportRefused
    """
    with path.open("rb") as stored:
        head = stored.read(HEAD_BYTES)
        is_whole = not stored.read(1)
    given = mapping or {}
    dialect = read_dialect(
        head,
        encoding=encoding,
        is_whole=is_whole,
        is_phone_column=lambda name: name.strip() in given or is_phone_column(name),
    )
    return dialect, read_columns(dialect.header, given)


def discard_leftovers(*, now: datetime) -> int:
    """Delete stored uploads that no unfinished import needs, a day after they came; how many there were."""
    needed = open_upload_names()
    oldest = now.timestamp() - LEFTOVER_AGE_S
    leftovers = [path for path in uploads_dir().iterdir() if path.name not in needed and path.stat().st_mtime < oldest]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


@contextmanager
def _removed_on_error(path: Path) -> Iterator[None]:
    """Leave no file behind when the upload is not taken."""
    is_taken = False
    try:
        yield
        is_taken = True
    finally:
        path.with_suffix(".raw").unlink(missing_ok=True)
        if not is_taken:
            path.unlink(missing_ok=True)


def _receive(file: IO[bytes], path: Path) -> _Received:
    """Stream an upload to `path`.

    Raises:
        ImportRefused: `file_too_large`, as soon as the limit is passed; or what its first bytes give away.
    """
    limit = settings.IMPORT_MAX_BYTES
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, head = 0, b""
    first_non_ascii = not_utf8_at = nul_at = None
    has_cr = False
    with path.open("xb") as stored:
        while chunk := file.read(CHUNK_BYTES):
            if size + len(chunk) > limit:
                raise ImportRefused(
                    "file_too_large", f"The file is larger than {limit:,} bytes. Split it and upload the parts."
                )
            if not size:
                head = chunk[:4096]
                refuse_binary(head)
            if nul_at is None and b"\0" in chunk:
                nul_at = size + chunk.index(b"\0")
            if first_non_ascii is None and not chunk.isascii():
                first_non_ascii = size + next(at for at, byte in enumerate(chunk) if byte > 0x7F)
            if not_utf8_at is None:
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    not_utf8_at = size - pending + error.start
            has_cr = has_cr or b"\r" in chunk
            digest.update(chunk)
            stored.write(chunk)
            size += len(chunk)
    if not_utf8_at is None and decoder.getstate()[0]:
        not_utf8_at = size - len(decoder.getstate()[0])
    refuse_binary(head)
    return _Received(size, digest.hexdigest(), head, has_cr, first_non_ascii, not_utf8_at, nul_at)


def _normalise(path: Path, received: _Received) -> str:
    """Rewrite the stored copy as UTF-8 without BOM and with LF, where it is not that already; the original encoding.

    Raises:
        ImportRefused: `bad_encoding` or `nul_byte`, naming the offset.
    """
    bom, encoding = bom_of(received.head) or (b"", "")
    if not encoding.startswith("utf-16") and received.nul_at is not None:
        raise ImportRefused(
            "nul_byte",
            f"The file holds a NUL byte at offset {received.nul_at}. Save it as “CSV UTF-8” and upload it again.",
        )
    if not encoding:
        encoding = "utf-8" if received.not_utf8_at is None else _legacy(path, received)
    elif encoding == "utf-8" and received.not_utf8_at is not None:
        raise bad_encoding(received.not_utf8_at)
    if bom or received.has_cr or encoding != "utf-8":
        _rewrite(path, skip_bytes=len(bom), encoding=encoding)
    return encoding


def _legacy(path: Path, received: _Received) -> str:
    start, failed_at = received.first_non_ascii, received.not_utf8_at
    if start is None or failed_at is None or start != failed_at:
        # UTF-8 text went before: the file mixes encodings, and no single one can be right.
        raise bad_encoding(failed_at or 0)
    with path.open("rb") as stored:
        stored.seek(max(start - 1, 0))  # a Vietnamese tone is a mark after its vowel
        return legacy_encoding(stored.read(LEGACY_SAMPLE_BYTES), offset=failed_at)


def _rewrite(path: Path, *, skip_bytes: int, encoding: str) -> None:
    raw = path.with_suffix(".raw")
    path.rename(raw)
    bytes_decoder = codecs.getincrementaldecoder(encoding)()
    decoder = io.IncrementalNewlineDecoder(bytes_decoder, translate=True)
    done = skip_bytes
    with raw.open("rb") as source, path.open("xb") as stored:
        source.seek(skip_bytes)
        while True:
            chunk = source.read(CHUNK_BYTES)
            pending = len(bytes_decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise bad_encoding(done - pending + error.start) from None
            if "\0" in text:
                raise ImportRefused("nul_byte", "The file holds NUL characters. Save it as “CSV UTF-8”.")
            stored.write(text.encode("utf-8"))
            done += len(chunk)
            if not chunk:
                break
    raw.unlink()
