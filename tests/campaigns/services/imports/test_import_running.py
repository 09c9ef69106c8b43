"""Running an import to its end: what lands on the list, what is rejected, and what a crash costs."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.enums import ImportState
from campaigns.errors import ImportRefused
from campaigns.models import Customer, CustomerList, ImportJob, ImportReject, ListEntry
from campaigns.queries.imports import import_progress, waiting_imports
from campaigns.services.imports import create_import, running
from campaigns.services.imports.upload import upload_path

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def customers() -> CustomerList:
    return CustomerList.objects.create(name="March")


def clock() -> datetime:
    return NOW


def queue(customers: CustomerList, content: str | bytes, **kwargs) -> ImportJob:
    data = content.encode() if isinstance(content, str) else content
    return create_import(list_id=customers.pk, file=io.BytesIO(data), file_name="a.csv", user=None, now=NOW, **kwargs)


def load(customers: CustomerList, content: str | bytes, **kwargs) -> ImportJob:
    return running.run_import(queue(customers, content, **kwargs).pk, clock=clock)


def counts(job: ImportJob) -> tuple[int | None, int, int, int]:
    return job.rows_total, job.rows_accepted, job.rows_duplicate, job.rows_rejected


def entries(customers: CustomerList) -> dict[str, tuple[str, dict[str, str]]]:
    rows = ListEntry.objects.filter(list=customers).select_related("customer")
    return {entry.customer.phone_number: (entry.customer.name, entry.attributes) for entry in rows}


def rejects(job: ImportJob) -> list[tuple[int, str, str]]:
    return list(job.rejects.values_list("row_number", "column", "code"))


def test_good_rows_become_customers_on_the_list(customers):
    job = load(customers, "Số điện thoại;Họ tên;Gói\n0912345678;Trần An;Vàng\n0987654321;;\n")
    assert (job.state, counts(job)) == (ImportState.DONE, (2, 2, 0, 0))
    assert entries(customers) == {
        "+84912345678": ("Trần An", {"Goi": "Vàng"}),
        "+84987654321": ("", {"Goi": ""}),
    }
    customers.refresh_from_db()
    assert customers.columns == ["Goi"]
    assert Customer.objects.get(phone_number="+84912345678").attributes == {"Goi": "Vàng"}
    assert (job.started_at, job.finished_at, job.lease_until is not None) == (NOW, NOW, True)
    assert not upload_path(job).exists()


def test_bad_rows_are_rejected_one_by_one_and_the_good_ones_load(customers):
    job = load(
        customers,
        "phone,name,plan\n"
        "0912345678,An,a\n"
        "8.4912E+10,Binh,b\n"
        "\n"
        ",Chi,c\n"
        "0987654321,Dung\n"
        '0987654322,"a "quoted" word",e\n'
        "0987654323,Em,f\n"
        "0987654324,Em,f," + "x" * 70_000 + "\n"
        '0987654325,"two\nlines",g\n',
    )
    assert counts(job) == (8, 3, 0, 5)
    assert [(row, code) for row, _, code in rejects(job)] == [
        (2, ImportReject.objects.get(job=job, row_number=2).code),
        (4, ImportReject.objects.get(job=job, row_number=4).code),
        (5, "column_count"),
        (6, "bad_quotes"),
        (8, "row_too_long"),
    ]
    assert [column for _, column, _ in rejects(job)] == ["phone", "phone", "", "", ""]
    assert job.rejects.get(row_number=5).raw == ["0987654321", "Dung"]
    assert job.rejects.get(row_number=6).raw == ['0987654322,"a "quoted" word",e']
    assert entries(customers)["+84987654325"] == ("two\nlines", {"plan": "g"})


def test_a_number_twice_in_a_file_is_one_entry_and_the_first_wins(customers, monkeypatch):
    monkeypatch.setattr(running, "BLOCK_ROWS", 2)
    job = load(customers, "phone,name\n0912345678,First\n912345678,Same block\n0987654321,B\n+84912345678,Later\n")
    assert counts(job) == (4, 2, 2, 0)
    assert entries(customers)["+84912345678"] == ("First", {})


def test_the_same_file_again_adds_nothing_and_updates_attributes(customers):
    first = load(customers, "phone,name,plan\n0912345678,An,gold\n0987654321,Binh,gold\n")
    again = load(customers, "phone,name,plan,city\n0912345678,,silver,Hue\n0987654322,Chi,gold,\n")
    assert (counts(first), counts(again)) == ((2, 2, 0, 0), (2, 1, 1, 0))
    assert entries(customers) == {
        "+84912345678": ("An", {"plan": "silver", "city": "Hue"}),
        "+84987654321": ("Binh", {"plan": "gold"}),
        "+84987654322": ("Chi", {"plan": "gold", "city": ""}),
    }
    assert first.entries.count() == 2
    customers.refresh_from_db()
    assert customers.columns == ["plan", "city"]


def test_a_customer_on_another_list_keeps_what_that_list_says(customers):
    other = CustomerList.objects.create(name="April")
    load(other, "phone,plan\n0912345678,gold\n")
    load(customers, "phone,city\n0912345678,Hue\n")
    assert (entries(other), entries(customers)) == (
        {"+84912345678": ("", {"plan": "gold"})},
        {"+84912345678": ("", {"city": "Hue"})},
    )
    assert Customer.objects.get().attributes == {"plan": "gold", "city": "Hue"}


def test_awkward_text_arrives_unchanged(customers):
    awkward = 'tab\there "quoted" back\\slash\nline \\n \\. 名前 🙂'
    cell = awkward.replace('"', '""')
    load(customers, f'phone,name,note\n0912345678,"{cell}","{cell}"\n')
    assert entries(customers) == {"+84912345678": (awkward, {"note": awkward})}


@pytest.mark.parametrize(
    "content",
    [
        'phone,name\n0912345678,An\n0912345679,"Binh\n0912345670,Chi\n0912345671,Dung\n',
        'phone,name\n0912345678,An\n0912345679,"Binh\n0912345670,"Chi"\n0912345671,Dung\n',
        'phone,name\n0912345678,An\n0912345679,"Binh\n' + "0912345670,Chi\n" * 50_000,
        'phone,name\n0912345678,An\n0912345679,"Binh',
    ],
)
def test_an_unclosed_quote_refuses_the_file_and_names_the_row(customers, content):
    job = load(customers, content)
    assert (job.state, job.error_code) == (ImportState.FAILED, "unclosed_quote")
    assert job.error.startswith("Row 2 ")
    assert entries(customers) == {}
    assert not upload_path(job).exists()


def test_a_file_of_blank_rows_is_empty(customers):
    job = load(customers, "phone,name\n,\n\n , \n")
    assert (job.state, job.error_code) == (ImportState.FAILED, "empty_file")


def test_a_row_of_a_hundred_megabytes_is_one_reject(customers):
    job = load(customers, b"phone,name\n0912345678,An\n" + b"x" * 100_000_000 + b"\n0987654321,Binh\n")
    assert (counts(job), rejects(job)) == ((3, 2, 0, 1), [(2, "", "row_too_long")])


class Died(BaseException):
    """The process is killed here."""


def dies_after(calls: int) -> Callable[[], datetime]:
    left = iter(range(calls))

    def tick() -> datetime:
        if next(left, None) is None:
            raise Died
        return NOW

    return tick


def many_rows(total: int) -> Iterator[str]:
    yield "phone,name,n\n"
    for number in range(total):
        yield f"09{number % (total * 3 // 4):08d},Name {number},{number}\n" if number % 10 else f"bad,x,{number}\n"


@pytest.mark.parametrize("calls", [2, 3, 6, 9, 11])
def test_an_import_that_dies_goes_on_where_it_was(customers, monkeypatch, calls):
    monkeypatch.setattr(running, "BLOCK_ROWS", 20)
    content = "".join(many_rows(200))
    whole = CustomerList.objects.create(name="In one go")
    expected = load(whole, content)
    job = queue(customers, content)
    with pytest.raises(Died):
        running.run_import(job.pk, clock=dies_after(calls))
    job.refresh_from_db()
    assert job.state == ImportState.RUNNING
    assert running.run_import(job.pk, clock=clock).state == ImportState.RUNNING  # the dead run's lease still holds
    later = NOW + running.LEASE + timedelta(seconds=1)
    assert waiting_imports(later) == [job.pk]
    job = running.run_import(job.pk, clock=lambda: later)
    assert (job.state, counts(job)) == (ImportState.DONE, counts(expected))
    assert rejects(job) == rejects(expected)
    assert {phone: entry[1] for phone, entry in entries(customers).items()} == {
        phone: entry[1] for phone, entry in entries(whole).items()
    }


def test_a_run_that_lost_its_lease_writes_nothing_more(customers, monkeypatch):
    monkeypatch.setattr(running, "BLOCK_ROWS", 20)
    job = queue(customers, "".join(many_rows(100)))
    later = NOW + running.LEASE + timedelta(seconds=1)

    def overtaken(seen: ImportJob) -> None:
        if seen.rows_done == 20:
            running.run_import(job.pk, clock=lambda: later)

    done = running.run_import(job.pk, clock=clock, on_progress=overtaken)
    assert (done.state, done.rows_total) == (ImportState.DONE, 100)
    assert done.rows_accepted + done.rows_duplicate + done.rows_rejected == 100


def test_an_import_can_be_run_in_slices(customers, monkeypatch):
    monkeypatch.setattr(running, "BLOCK_ROWS", 20)
    job = queue(customers, "".join(many_rows(100)))
    fractions = []
    while job.state in (ImportState.QUEUED, ImportState.RUNNING):
        job = running.run_import(job.pk, clock=clock, stop_at=NOW)
        fractions.append(import_progress(job).progress)
    assert fractions == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0][: len(fractions)]
    assert len(fractions) >= 5


def test_a_finished_import_is_left_alone(customers):
    job = load(customers, "phone\n0912345678\n")
    again = running.run_import(job.pk, clock=lambda: NOW + timedelta(days=1))
    assert (again.state, again.finished_at, again.rows_accepted) == (ImportState.DONE, NOW, 1)


def test_an_upload_that_is_gone_fails_the_job(customers):
    job = queue(customers, "phone\n0912345678\n")
    upload_path(job).unlink()
    job = running.run_import(job.pk, clock=clock)
    assert (job.state, job.error_code) == (ImportState.FAILED, "file_missing")


def test_memory_does_not_grow_with_the_file(customers, monkeypatch):
    monkeypatch.setattr(running, "BLOCK_ROWS", 1000)
    peaks = []
    for total in (20_000, 50_000):
        job = queue(customers, "".join(many_rows(total)))
        tracemalloc.start()
        running.run_import(job.pk, clock=clock)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(1, 7))
def test_any_bytes_after_a_header_are_counted_or_refused(customers, monkeypatch, body, block_rows):
    monkeypatch.setattr(running, "BLOCK_ROWS", block_rows)
    job = refusal = None
    try:
        job = load(customers, b"phone,name\n0912345678,An\n" + body)
    except ImportRefused as error:
        refusal = error.code
    if job is None:
        assert refusal in {"nul_byte", "bad_encoding"}
    elif job.state == ImportState.FAILED:
        assert job.error_code == "unclosed_quote"
    else:
        assert job.rows_total == job.rows_accepted + job.rows_duplicate + job.rows_rejected
