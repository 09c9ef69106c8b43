"""Imports in the background: slices, lost messages, and what the database refuses."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError
from django.utils import timezone

from campaigns.enums import ImportState
from campaigns.models import CustomerList, ImportJob
from campaigns.services import imports
from campaigns.services.imports import running
from campaigns.tasks.imports import resume_imports, run_import

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def enqueued(monkeypatch) -> list[int]:
    """The jobs for which a message was sent."""
    sent: list[int] = []
    monkeypatch.setattr(run_import, "delay", lambda *, job_id: sent.append(job_id))
    return sent


def queue(rows: int = 3) -> ImportJob:
    target, _ = CustomerList.objects.get_or_create(name="March")
    content = "phone\n" + "".join(f"09{number:08d}\n" for number in range(rows))
    return imports.create_import(
        list_id=target.pk, file=io.BytesIO(content.encode()), file_name="a.csv", user=None, now=NOW
    )


def test_a_small_file_is_done_in_one_task(enqueued):
    job = queue()
    run_import(job_id=job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows_accepted, enqueued) == (ImportState.DONE, 3, [])


def test_a_large_file_takes_several_tasks(enqueued, monkeypatch):
    monkeypatch.setattr(running, "BLOCK_ROWS", 1)
    monkeypatch.setattr("campaigns.tasks.imports.SLICE", timedelta(0))
    job = queue()
    run_import(job_id=job.pk)
    assert enqueued == [job.pk]
    job.refresh_from_db()
    assert (job.state, job.rows_done) == (ImportState.RUNNING, 1)
    while len(enqueued) < 10 and ImportJob.objects.get().state != ImportState.DONE:
        run_import(job_id=job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows_accepted) == (ImportState.DONE, 3)


def test_a_job_that_is_gone_is_no_error(enqueued):
    run_import(job_id=99)
    assert enqueued == []


def test_resuming_finds_what_nobody_works_on(enqueued):
    waiting, left, held, done = queue(), queue(), queue(), queue()
    now = timezone.now()
    leases = {left: now - timedelta(seconds=1), held: now + timedelta(minutes=1)}
    for job, lease_until in leases.items():
        ImportJob.objects.filter(pk=job.pk).update(state=ImportState.RUNNING, lease_until=lease_until)
    ImportJob.objects.filter(pk=done.pk).update(state=ImportState.DONE)
    resume_imports()
    assert enqueued == [waiting.pk, left.pk]


def test_a_value_the_database_refuses_fails_the_job_instead_of_looping(enqueued, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise DataError("value out of range")

    job = queue()
    monkeypatch.setattr(running, "load_rows", refuse)
    run_import(job_id=job.pk)
    job.refresh_from_db()
    assert (job.state, job.error_code, enqueued) == (ImportState.FAILED, "database_refused", [])
