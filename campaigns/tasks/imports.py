"""Imports in the background. A message is only a hint: the job's row says what remains to be done."""

from __future__ import annotations

from datetime import timedelta

import structlog
from celery import shared_task
from django.db import DataError
from django.utils import timezone

from campaigns.models import ImportJob
from campaigns.queries.imports import import_progress, waiting_imports
from campaigns.services import imports

# Well below the soft time limit of tasks: a large file is read in several tasks, and others get their turn between.
SLICE = timedelta(seconds=20)

log = structlog.get_logger(__name__)


@shared_task
def run_import(*, job_id: int) -> None:
    """Read one slice of the file; enqueue the next while there is more."""
    started_at = timezone.now()
    try:
        job = imports.run_import(job_id, clock=timezone.now, stop_at=started_at + SLICE)
    except ImportJob.DoesNotExist:
        log.info("import_gone", job_id=job_id)
        return
    except DataError:
        # The same rows would be refused again; an error of the connection is left to resume_imports instead.
        log.exception("import_refused_by_database", job_id=job_id)
        reason = "The database refused a value in this file. The log has the details; report this as a bug."
        imports.fail_import(job_id, code="database_refused", reason=reason, now=timezone.now())
        return
    progress = import_progress(job)
    log.info("import_slice", job_id=job_id, state=progress.state, progress=round(progress.progress, 3))
    if not progress.is_over and (job.lease_until is None or job.lease_until <= timezone.now()):
        run_import.delay(job_id=job_id)


@shared_task
def resume_imports() -> None:
    """Go on with imports whose worker died or whose message was lost, and drop files nobody needs."""
    now = timezone.now()
    for job_id in waiting_imports(now):
        run_import.delay(job_id=job_id)
    imports.discard_leftovers(now=now)
