"""`manage.py import_customers`: what it prints, and what it leaves when it refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Customer, CustomerList, ListEntry

pytestmark = pytest.mark.django_db


def run(path: Path, *arguments: str) -> str:
    out = io.StringIO()
    call_command("import_customers", str(path), "--list", "March", *arguments, stdout=out)
    return out.getvalue()


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(content, encoding="utf-8")
    return path


def test_the_list_is_made_and_filled(tmp_path):
    path = written(tmp_path, "phone,name\n0912345678,An\n912345679,Binh\n0912345678,Again\nabc,Chi\n,Dung\n")
    lines = run(path).splitlines()
    assert lines[0] == "5 rows: 2 accepted, 1 duplicate, 2 rejected (1 numbers repaired)."
    assert [line[:14] for line in lines[1:]] == ["  row 4: phone", "  row 5: phone"]
    assert ListEntry.objects.filter(list__name="March").count() == 2


def test_a_list_that_exists_is_added_to(tmp_path):
    for phone in ("0912345678", "0912345679"):
        run(written(tmp_path, f"phone\n{phone}\n"))
    assert (CustomerList.objects.count(), ListEntry.objects.count()) == (1, 2)


def test_the_region_is_the_given_one(tmp_path, settings):
    settings.ALLOWED_COUNTRIES = ["VN", "US"]
    run(written(tmp_path, "phone\n(650) 253-0000\n"), "--region", "US")
    assert Customer.objects.get().phone_number == "+16502530000"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "The file is empty"),
        ("name\nAn\n", "None of the columns"),
        ('phone,name\n0912345678,"An\n', "Row 1 opens a quoted cell"),
    ],
)
def test_a_refused_file_is_an_error_with_the_reason_and_leaves_no_list(tmp_path, content, reason):
    with pytest.raises(CommandError, match=reason):
        run(written(tmp_path, content))
    assert not CustomerList.objects.exists()


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(CommandError, match=r"nowhere\.csv"):
        run(tmp_path / "nowhere.csv")
