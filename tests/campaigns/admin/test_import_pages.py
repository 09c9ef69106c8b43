"""Uploading customers in the admin, from the form to the rejects."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.enums import ImportState
from campaigns.models import CustomerList, ImportJob, ListEntry
from campaigns.services.imports import run_import

GOOD = b"phone,name,plan\n0912345678,An,gold\n8.4912E+10,Binh,=1+1\n0987654321,Chi,gold\n"
UPLOAD = "admin:campaigns_customerlist_upload"


def clock() -> datetime:
    return datetime(2026, 3, 2, 9, tzinfo=UTC)


def upload(client, content: bytes, **fields):
    file = SimpleUploadedFile("march.csv", content, "text/csv")
    form = {"file": file, "customer_list": "", "new_list": "", "default_region": "VN"} | fields
    return client.post(reverse(UPLOAD), form)


def page(job: ImportJob) -> str:
    return reverse("admin:campaigns_importjob_change", args=[job.pk])


def test_the_form_offers_the_lists(admin_client, customers):
    answer = admin_client.get(reverse("admin:campaigns_customerlist_upload_into", args=[customers.pk]))
    assert answer.status_code == 200
    assert f'<option value="{customers.pk}" selected>March</option>' in answer.text


def test_a_file_goes_onto_a_new_list_and_its_page_follows_it(admin_client, admin_user):
    answer = upload(admin_client, GOOD, new_list="April")
    job = ImportJob.objects.get()
    assert (answer.status_code, answer.url) == (302, page(job))
    assert (job.list.name, job.state, job.created_by) == ("April", ImportState.QUEUED, admin_user)
    waiting = admin_client.get(page(job))
    assert f'data-import="/admin/campaigns/importjob/{job.pk}/progress.json" data-state="queued"' in waiting.text
    run_import(job.pk, clock=clock)
    progress = admin_client.get(reverse("admin:campaigns_importjob_progress", args=[job.pk])).json()
    assert progress == {
        "id": job.pk,
        "state": "done",
        "state_label": "Done",
        "is_over": True,
        "progress": 1.0,
        "rows_total": 3,
        "rows_accepted": 2,
        "rows_rejected": 1,
        "rows_duplicate": 0,
        "rows_repaired": 0,
        "error_code": "",
        "error": "",
    }
    done = admin_client.get(page(job))
    assert re.search(r"<caption[^>]*>Rejected row<", done.text)
    assert "Undo this import" in done.text


def test_the_rejects_are_a_csv_that_runs_no_formula(admin_client):
    upload(admin_client, GOOD, new_list="April")
    job = run_import(ImportJob.objects.get().pk, clock=clock)
    answer = admin_client.get(reverse("admin:campaigns_importjob_rejects", args=[job.pk]))
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    header, row = csv.reader(io.StringIO(text))
    assert header == ["row_number", "column", "code", "reason", "phone", "name", "plan"]
    assert [*row[:3], *row[4:]] == ["2", "phone", "phone_scientific", "8.4912E+10", "Binh", "'=1+1"]
    assert answer["Content-Disposition"] == f'attachment; filename="import-{job.pk}-rejects.csv"'


def test_undoing_is_confirmed_first_and_takes_the_customers_off(admin_client):
    upload(admin_client, GOOD, new_list="April")
    job = run_import(ImportJob.objects.get().pk, clock=clock)
    undo = reverse("admin:campaigns_importjob_undo", args=[job.pk])
    asked = admin_client.get(undo)
    assert "takes the 2 customers it added off the list" in asked.text
    assert ListEntry.objects.count() == 2
    answer = admin_client.post(undo, follow=True)
    assert "2 customers were taken off the list." in answer.text
    assert not ListEntry.objects.exists()
    assert "Undo this import" not in answer.text


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04....", "not_csv"),
        (b"", "empty_file"),
        (b"name,city\nAn,Hue\n", "no_phone_column"),
        (b"phone\n09\x00\n", "nul_byte"),
    ],
)
def test_a_refused_file_says_why_and_leaves_no_list(admin_client, content, code):
    answer = upload(admin_client, content, new_list="April")
    assert answer.status_code == 422
    assert f'data-code="{code}"' in answer.text
    assert not CustomerList.objects.exists()


def test_a_file_over_the_limit_is_refused(admin_client, settings):
    settings.IMPORT_MAX_BYTES = 10
    answer = upload(admin_client, GOOD, new_list="April")
    assert (answer.status_code, 'data-code="file_too_large"' in answer.text) == (422, True)


@pytest.mark.parametrize("fields", [{}, {"new_list": "March"}, {"new_list": "April", "default_region": "Vietnam"}])
def test_a_form_that_does_not_say_where_to_is_asked_again(admin_client, customers, fields):
    answer = upload(admin_client, GOOD, **fields)
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert not ImportJob.objects.exists()


def test_uploading_needs_the_permission(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    assert client.get(reverse(UPLOAD)).status_code == 403
    assert upload(client, GOOD, new_list="April").status_code == 403
