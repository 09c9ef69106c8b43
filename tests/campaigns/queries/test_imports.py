"""How far imports are, and what they did not take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.enums import ImportState
from campaigns.models import CustomerList, ImportJob, ImportReject
from campaigns.queries.imports import import_progress, open_upload_names, reject_rows, waiting_imports

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def job(**fields) -> ImportJob:
    target, _ = CustomerList.objects.get_or_create(name="March")
    return ImportJob.objects.create(list=target, file_name="a.csv", **fields)


@pytest.mark.parametrize(
    ("fields", "progress"),
    [
        ({}, 0.0),
        ({"state": ImportState.RUNNING, "rows_total": None, "rows_accepted": 5}, 0.0),
        ({"state": ImportState.RUNNING, "rows_total": 10, "rows_accepted": 2, "rows_duplicate": 2}, 0.4),
        ({"state": ImportState.RUNNING, "rows_total": 10, "rows_rejected": 10}, 1.0),
        ({"state": ImportState.DONE}, 1.0),
        ({"state": ImportState.FAILED}, 0.0),
    ],
)
def test_progress_counts_rows_of_every_fate(fields, progress):
    assert import_progress(job(**fields)).progress == pytest.approx(progress)


@pytest.mark.parametrize("state", ImportState)
def test_an_import_is_over_when_it_is_done_or_failed(state):
    assert import_progress(job(state=state)).is_over == (state in (ImportState.DONE, ImportState.FAILED))


def test_rejects_come_in_order_and_run_no_formula():
    rejected = job(dialect={"header": ["phone", "=note"]})
    for row_number, raw in ((9, ["+84x", "@b"]), (2, ["-1", "\tc"])):
        ImportReject.objects.create(job=rejected, row_number=row_number, column="phone", code="c", reason="r", raw=raw)
    assert list(reject_rows(rejected.pk)) == [
        ["row_number", "column", "code", "reason", "phone", "'=note"],
        ["2", "phone", "c", "r", "'-1", "'\tc"],
        ["9", "phone", "c", "r", "'+84x", "'@b"],
    ]


def test_waiting_imports_are_those_nobody_works_on():
    queued = job()
    left = job(state=ImportState.RUNNING, lease_until=NOW - timedelta(seconds=1))
    job(state=ImportState.RUNNING, lease_until=NOW + timedelta(seconds=1))
    job(state=ImportState.FAILED)
    assert waiting_imports(NOW) == [queued.pk, left.pk]


def test_uploads_of_unfinished_imports_are_needed():
    for state, path in ((ImportState.QUEUED, "a"), (ImportState.RUNNING, "b"), (ImportState.DONE, "c")):
        job(state=state, path=path)
    assert open_upload_names() == {"a", "b"}
