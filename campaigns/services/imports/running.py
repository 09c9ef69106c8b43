"""Running an import: block by block, each block one transaction with its place in the file.

A process that dies loses the block it was in and nothing else: the next run goes on at `bytes_done`. Only one run at a
time may write: it holds a lease, and every block checks that the place is still the one it left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from campaigns.enums import ImportState
from campaigns.errors import ImportRefused
from campaigns.models import CustomerList, ImportJob, ImportReject
from campaigns.policies.csv_dialect import CsvDialect
from campaigns.policies.import_rows import MAX_CELL_CHARS, Columns, CustomerRow, RowReader, read_columns
from campaigns.services.imports.loading import load_rows
from campaigns.services.imports.reading import Block, count_rows, read_blocks
from campaigns.services.imports.upload import upload_path

BLOCK_ROWS = 10_000
LEASE = timedelta(seconds=60)
MAX_RAW_CELLS = 128

Clock = Callable[[], datetime]
Progress = Callable[[ImportJob], None]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A block with its good rows and its bad ones told apart."""

    block: Block
    rows: list[CustomerRow]
    rejects: list[ImportReject]


class LeaseLostError(Exception):
    """Another run has taken the import over; this one must write nothing more."""


def run_import(
    job_id: int, *, clock: Clock, on_progress: Progress | None = None, stop_at: datetime | None = None
) -> ImportJob:
    """Read the file on from where it was left, to its end or until `stop_at`, and return the job as it then stands.

    A file that turns out to be no customer list makes the job FAILED with a reason, before any row was loaded. A job
    that is finished, or that another run holds, is returned as it is.
    """
    if not _take(job_id, now=clock()):
        return ImportJob.objects.get(pk=job_id)
    job = ImportJob.objects.select_related("list").get(pk=job_id)
    try:
        _check_whole_file(job)
        _load(job, clock=clock, on_progress=on_progress, stop_at=stop_at)
    except ImportRefused as refusal:
        fail_import(job_id, code=refusal.code, reason=refusal.detail, now=clock())
    except FileNotFoundError:
        fail_import(job_id, code="file_missing", reason="The uploaded file is gone. Upload it again.", now=clock())
    except LeaseLostError:
        pass
    job.refresh_from_db()
    if on_progress:
        on_progress(job)
    return job


def fail_import(job_id: int, *, code: str, reason: str, now: datetime) -> None:
    """End a job that cannot succeed, and delete its upload."""
    open_states = (ImportState.QUEUED, ImportState.RUNNING)
    changed = ImportJob.objects.filter(pk=job_id, state__in=open_states).update(
        state=ImportState.FAILED, error_code=code, error=reason, finished_at=now, lease_until=None
    )
    if changed:
        upload_path(ImportJob.objects.get(pk=job_id)).unlink(missing_ok=True)


def _take(job_id: int, *, now: datetime) -> bool:
    """Take the lease of a job that is queued, or running with nobody on it."""
    is_free = Q(state=ImportState.QUEUED) | Q(state=ImportState.RUNNING, lease_until__lt=now)
    taken = ImportJob.objects.filter(is_free, pk=job_id).update(state=ImportState.RUNNING, lease_until=now + LEASE)
    ImportJob.objects.filter(pk=job_id, started_at=None).exclude(state=ImportState.QUEUED).update(started_at=now)
    return bool(taken)


def _dialect(job: ImportJob) -> tuple[CsvDialect, Columns]:
    stored = job.dialect
    header = tuple(stored["header"])
    dialect = CsvDialect(stored["encoding"], stored["delimiter"], header, stored["data_offset"])
    return dialect, read_columns(header, job.mapping)


def _check_whole_file(job: ImportJob) -> None:
    """Read the file once before its first row is loaded: a file that will be refused must change nothing."""
    if job.rows_total is not None:
        return
    dialect, _ = _dialect(job)
    with upload_path(job).open("rb") as stored:
        job.rows_total = count_rows(stored, delimiter=dialect.delimiter, offset=dialect.data_offset)
    job.save(update_fields=["rows_total"])


def _load(job: ImportJob, *, clock: Clock, on_progress: Progress | None, stop_at: datetime | None) -> None:
    dialect, columns = _dialect(job)
    reader = RowReader(columns, default_region=job.default_region, countries=settings.ALLOWED_COUNTRIES)
    with upload_path(job).open("rb") as stored:
        blocks = read_blocks(
            stored,
            delimiter=dialect.delimiter,
            offset=job.bytes_done,
            row_number=job.rows_done,
            max_rows=BLOCK_ROWS,
        )
        for judged in _one_ahead(_judge(job.pk, block, reader) for block in blocks):
            now = clock()
            is_stopping = stop_at is not None and now >= stop_at and not judged.block.is_last
            _write_block(job, judged, columns, now=now, keeps_lease=not is_stopping)
            if on_progress:
                on_progress(job)
            if is_stopping:
                return
    upload_path(job).unlink(missing_ok=True)


def _one_ahead(judged: Iterator[_Judged]) -> Iterator[_Judged]:
    """The same blocks, each read and judged by a second thread while the database takes the one before it."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="import") as reading:
        coming = reading.submit(next, judged, None)
        while block := coming.result():
            coming = reading.submit(next, judged, None)
            yield block


def _write_block(job: ImportJob, judged: _Judged, columns: Columns, *, now: datetime, keeps_lease: bool) -> None:
    """Write one block and the place after it, in one transaction.

    Raises:
        LeaseLostError: the place is not where this run left it.
    """
    block, rows, rejects = judged.block, judged.rows, judged.rejects
    is_first_block = job.rows_done == 0
    repaired = sum(row.was_repaired for row in rows)
    with transaction.atomic():
        # Two imports into one list wait for each other here, so that "new on the list" is counted right.
        target = CustomerList.objects.select_for_update().get(pk=job.list_id)
        here = ImportJob.objects.select_for_update().filter(
            pk=job.pk, state=ImportState.RUNNING, rows_done=job.rows_done
        )
        if not here:
            raise LeaseLostError
        loaded = load_rows(rows, list_id=job.list_id, job_id=job.pk, now=now, is_first_block=is_first_block)
        ImportReject.objects.bulk_create(rejects, batch_size=500)
        here.update(
            rows_done=block.rows_end,
            bytes_done=block.offset_end,
            rows_accepted=F("rows_accepted") + loaded.accepted,
            rows_duplicate=F("rows_duplicate") + loaded.duplicate,
            rows_rejected=F("rows_rejected") + len(rejects),
            rows_repaired=F("rows_repaired") + repaired,
            lease_until=now + LEASE if keeps_lease else now - LEASE,
            **({"state": ImportState.DONE, "finished_at": now} if block.is_last else {}),
        )
        if is_first_block:
            _add_columns(target, columns)
    job.refresh_from_db()


def _judge(job_id: int, block: Block, reader: RowReader) -> _Judged:
    rows: list[CustomerRow] = []
    problems = list(block.problems)
    for row_number, cells in block.rows:
        row = reader.read(cells)
        if isinstance(row, CustomerRow):
            rows.append(row)
        elif row is not None:
            problems.append((row_number, row, cells))
    rejects = [
        ImportReject(
            job_id=job_id,
            row_number=row_number,
            column=problem.column[:200],
            code=problem.code,
            reason=problem.reason,
            raw=[cell.replace("\0", "")[:MAX_CELL_CHARS] for cell in cells[:MAX_RAW_CELLS]],
        )
        for row_number, problem, cells in sorted(problems, key=lambda problem: problem[0])
    ]
    return _Judged(block, rows, rejects)


def _add_columns(target: CustomerList, columns: Columns) -> None:
    """Let the list know the attributes this file brings, after those it knew."""
    known = list(target.columns)
    new = [name for name in columns.attribute_names if name not in known]
    if new:
        target.columns = known + new
        target.save(update_fields=["columns"])
