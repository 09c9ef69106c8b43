"""Taking an import back."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from campaigns.errors import ImportRefused
from campaigns.models import Agent, Campaign, Contact, Customer, CustomerList, ImportJob, ListEntry, Trunk
from campaigns.services.imports import Undone, create_import, run_import, undo_import, undoing

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def customers() -> CustomerList:
    return CustomerList.objects.create(name="March")


def queue(customers: CustomerList, *phones: str) -> ImportJob:
    file = io.BytesIO(("phone\n" + "\n".join(phones) + "\n").encode())
    return create_import(list_id=customers.pk, file=file, file_name="a.csv", user=None, now=NOW)


def load(customers: CustomerList, *phones: str) -> ImportJob:
    return run_import(queue(customers, *phones).pk, clock=lambda: NOW)


def on_list(customers: CustomerList) -> set[str]:
    return set(ListEntry.objects.filter(list=customers).values_list("customer__phone_number", flat=True))


def test_only_what_the_import_added_goes(customers, monkeypatch):
    monkeypatch.setattr(undoing, "UNDO_BATCH", 1)
    load(customers, "0912345678")
    second = load(customers, "0912345678", "0912345679", "0912345670")
    assert undo_import(second.pk, now=NOW) == Undone(removed=2, kept=0)
    assert on_list(customers) == {"+84912345678"}
    assert Customer.objects.count() == 3
    second.refresh_from_db()
    assert second.undone_at == NOW


def test_what_a_campaign_depends_on_stays(customers):
    job = load(customers, "0912345678", "0912345679")
    campaign = Campaign.objects.create(
        name="Spring",
        agent=Agent.objects.create(name="Survey"),
        trunk=Trunk.objects.create(name="Main", base_url="https://psr.example.com"),
    )
    campaign.customer_lists.set([customers])
    called = Customer.objects.get(phone_number="+84912345678")
    Contact.objects.create(campaign=campaign, customer=called, phone_number=called.phone_number, next_attempt_at=NOW)
    assert undo_import(job.pk, now=NOW) == Undone(removed=1, kept=1)
    assert on_list(customers) == {"+84912345678"}


def test_undoing_twice_is_harmless_and_the_file_can_come_again(customers):
    job = load(customers, "0912345678")
    assert [undo_import(job.pk, now=NOW).removed for _ in range(2)] == [1, 0]
    again = load(customers, "0912345678")
    assert (again.rows_accepted, on_list(customers)) == (1, {"+84912345678"})


def test_an_import_that_still_runs_is_not_undone(customers):
    job = queue(customers, "0912345678")
    with pytest.raises(ImportRefused) as refused:
        undo_import(job.pk, now=NOW)
    assert refused.value.code == "import_running"
