"""Reading imports: how far they are, and the rows they did not take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from campaigns.enums import ImportState
from campaigns.models import ImportJob, ImportReject
from campaigns.policies.csv_dialect import escape_row

REJECTS_HEADER = ("row_number", "column", "code", "reason")


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Where an import stands. `progress` runs from 0 to 1."""

    id: int
    state: ImportState
    progress: float
    rows_total: int | None
    rows_accepted: int
    rows_rejected: int
    rows_duplicate: int
    rows_repaired: int
    error_code: str
    error: str

    @property
    def is_over(self) -> bool:
        return self.state in (ImportState.DONE, ImportState.FAILED)


def import_progress(job: ImportJob) -> ImportProgress:
    """A job's counts as they are on the given instance."""
    return ImportProgress(
        id=job.pk,
        state=ImportState(job.state),
        progress=_fraction_done(job),
        rows_total=job.rows_total,
        rows_accepted=job.rows_accepted,
        rows_rejected=job.rows_rejected,
        rows_duplicate=job.rows_duplicate,
        rows_repaired=job.rows_repaired,
        error_code=job.error_code,
        error=job.error,
    )


def _fraction_done(job: ImportJob) -> float:
    if job.state == ImportState.DONE:
        return 1.0
    if not job.rows_total:
        return 0.0
    return min(1.0, (job.rows_accepted + job.rows_rejected + job.rows_duplicate) / job.rows_total)


def reject_rows(job_id: int) -> Iterator[list[str]]:
    """The rejects as rows of a CSV, header first: where, why, and the row's own cells under the file's own headers.

    Every cell is made safe for spreadsheets.
    """
    header = ImportJob.objects.values_list("dialect", flat=True).get(pk=job_id).get("header", [])
    yield escape_row([*REJECTS_HEADER, *header])
    rejects = ImportReject.objects.filter(job_id=job_id).order_by("row_number")
    for reject in rejects.iterator(chunk_size=2000):
        yield escape_row([reject.row_number, reject.column, reject.code, reject.reason, *reject.raw])


def waiting_imports(now: datetime) -> list[int]:
    """Jobs nobody works on: queued, or running with an expired lease; oldest first."""
    queued = ImportJob.objects.filter(state=ImportState.QUEUED)
    left = ImportJob.objects.filter(state=ImportState.RUNNING, lease_until__lt=now)
    return list((queued | left).order_by("pk").values_list("pk", flat=True)[:100])


def open_upload_names() -> frozenset[str]:
    """The stored files that unfinished imports still need."""
    open_states = (ImportState.QUEUED, ImportState.RUNNING)
    return frozenset(ImportJob.objects.filter(state__in=open_states).values_list("path", flat=True))
