"""Taking a file in: what is refused at once, and what is stored."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.enums import ImportState
from campaigns.errors import ImportRefused
from campaigns.models import CustomerList, ImportJob
from campaigns.services.imports import create_import, discard_leftovers
from campaigns.services.imports.upload import CHUNK_BYTES, upload_path

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
GOOD = b"phone,name,plan\n0912345678,An,gold\n"


@pytest.fixture
def customers() -> CustomerList:
    return CustomerList.objects.create(name="March")


def take(customers: CustomerList, content: bytes, **kwargs) -> ImportJob:
    options = {"file_name": "march.csv", "user": None, "now": NOW} | kwargs
    return create_import(list_id=customers.pk, file=io.BytesIO(content), **options)


def stored(job: ImportJob) -> bytes:
    return upload_path(job).read_bytes()


def test_an_upload_waits_as_a_queued_job(customers, admin_user):
    job = take(customers, GOOD, user=admin_user, mapping={"plan": "tariff"}, default_region="us")
    assert (job.state, job.rows_total, job.rows_done) == (ImportState.QUEUED, None, 0)
    assert (job.size_bytes, job.sha256) == (len(GOOD), hashlib.sha256(GOOD).hexdigest())
    assert (job.created_at, job.created_by, job.default_region) == (NOW, admin_user, "US")
    assert job.dialect["attributes"] == {"plan": "tariff"}
    assert stored(job)[job.bytes_done :] == b"0912345678,An,gold\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (GOOD, "utf-8"),
        (b"\xef\xbb\xbf" + GOOD, "utf-8"),
        (b"\xff\xfe" + GOOD.decode().encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), "utf-16-be"),
        (GOOD.replace(b"\n", b"\r\n"), "utf-8"),
        (GOOD.replace(b"\n", b"\r"), "utf-8"),
        (GOOD.replace(b"\n", b"\r\n", 1), "utf-8"),
    ],
)
def test_every_way_of_writing_a_file_is_stored_alike(customers, content, encoding):
    job = take(customers, content)
    assert (stored(job), job.dialect["encoding"]) == (GOOD, encoding)


def test_windows_1258_is_told_from_its_tones(customers):
    content = "sdt;ten\n0912345678;Trâ\u0300n Văn Du\u0303ng\n".encode("cp1258")
    job = take(customers, content)
    assert job.dialect["encoding"] == "cp1258"
    assert "Trâ\u0300n Văn Du\u0303ng" in stored(job).decode()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\n \n", "empty_file"),
        (b"phone,name\n", "empty_file"),
        (b"PK\x03\x04" + b"x" * 100, "not_csv"),
        (b"%PDF-1.4\n", "not_csv"),
        (b"MZ\x90\x00\x03\x00", "not_csv"),
        (b"phone\n09123\x0045678\n", "nul_byte"),
        (b"\xff\xfep\x00h\x00o\x00n\x00e\x00\n\x00\x00\x00", "nul_byte"),
        ("phone\n1\n".encode("utf-16-le"), "nul_byte"),
        (b"phone,name\n1,\xf0\xfd\xf5\n", "bad_encoding"),
        ("phone,name\n1,Trần\n".encode() + b"2,Jos\xe9\n", "bad_encoding"),
        (b"\xef\xbb\xbfphone,name\n1,\xe9\n", "bad_encoding"),
        (b"\xff\xfep\x00h\x00o\x00n\x00e\x00\n\x00\x00\xd8", "bad_encoding"),
        (b"phone,name\n1,\xe1\xba", "bad_encoding"),
        (b"phone,phone\n1,2\n", "duplicate_header"),
        (b"phone,,x\n1,2,3\n", "empty_header"),
        (b"name,city\nAn,Hue\n", "no_phone_column"),
        (b"phone," + b",".join(b"c%d" % n for n in range(5000)) + b"\n1\n", "too_many_columns"),
        (b"x" * (1 << 20), "row_too_long"),
        (b'"phone,name\n1,2\n', "bad_header"),
    ],
)
def test_what_is_no_customer_list_is_refused_and_not_kept(customers, data_dir, content, code):
    with pytest.raises(ImportRefused) as refused:
        take(customers, content)
    assert refused.value.code == code
    assert list((data_dir / "uploads").iterdir()) == []
    assert not ImportJob.objects.exists()


def test_a_bad_byte_is_named_by_its_offset(customers):
    content = "phone,name\n1,Trần\n".encode() + b"2,Jos\xe9\n"
    with pytest.raises(ImportRefused, match=rf"offset {content.index(bytes([0xE9, 0x0A]))} "):
        take(customers, content)


def test_a_bad_byte_after_the_first_chunk_is_named_by_its_offset(customers):
    content = b"phone,name\n" + b"1,\xc3\xa9\n" * CHUNK_BYTES
    content += b"\xff\n"
    with pytest.raises(ImportRefused, match=f"offset {len(content) - 2} "):
        take(customers, content)


class Endless(io.BytesIO):
    """An upload that never ends; remembers how much of it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.bytes_read += size or 0
        return b"0912345678\n" * ((size or 0) // 11)


def test_an_upload_over_the_limit_is_refused_while_it_arrives(customers, settings, data_dir):
    settings.IMPORT_MAX_BYTES = 1_000_000
    file = Endless()
    with pytest.raises(ImportRefused) as refused:
        create_import(list_id=customers.pk, file=file, file_name="x.csv", user=None, now=NOW)
    assert refused.value.code == "file_too_large"
    assert file.bytes_read < settings.IMPORT_MAX_BYTES + 2 * CHUNK_BYTES
    assert list((data_dir / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("file_name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\lists\\a.csv", "a.csv"),
        ("a\0b.csv", "ab.csv"),
        ("x" * 300, "x" * 200),
        ("", "upload.csv"),
    ],
)
def test_the_uploads_name_is_only_shown(customers, data_dir, file_name, shown):
    job = take(customers, GOOD, file_name=file_name)
    assert job.file_name == shown
    assert [path.name for path in (data_dir / "uploads").iterdir()] == [job.path]


def test_leftovers_are_dropped_after_a_day_but_open_uploads_stay(customers, data_dir):
    job = take(customers, GOOD)
    leftover = data_dir / "uploads" / "old.csv"
    leftover.write_bytes(b"x")
    written_at = datetime.fromtimestamp(leftover.stat().st_mtime, tz=UTC)
    assert discard_leftovers(now=written_at) == 0
    assert discard_leftovers(now=written_at.replace(year=written_at.year + 1)) == 1
    assert [path.name for path in Path(data_dir / "uploads").iterdir()] == [job.path]
