"""Prepared querysets: the same rows as the queryset itself, for other values, in every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.models import BigIntegerField, CharField, DateTimeField, Subquery, UUIDField
from django.test.utils import CaptureQueriesContext

from campaigns.enums import Outcome
from campaigns.models import CallAttempt, Contact
from campaigns.queries.prepared import Given, Prepared
from tests.factories import NOW, make_attempt, make_contact

pytestmark = pytest.mark.django_db


def test_instances_come_with_their_related_ones() -> None:
    one, other = make_attempt(), make_attempt()
    prepared = Prepared(
        lambda: CallAttempt.objects.filter(pk=Given("pk", UUIDField())).select_related("contact__campaign")
    )
    for attempt in (one, other, one):
        with CaptureQueriesContext(connection) as queries:
            (found,) = prepared.ask(pk=attempt.pk)
            assert (found, found.contact, found.contact.campaign) == (
                attempt,
                attempt.contact,
                attempt.contact.campaign,
            )
        assert len(queries) == 1


def test_values_are_stored_and_read_as_their_field_says() -> None:
    attempt = make_attempt(outcome=Outcome.BUSY, dispatched_at=NOW)
    prepared = Prepared(
        lambda: CallAttempt.objects.filter(dispatched_at__gt=Given("since", DateTimeField())).values_list(
            "pk", "dispatched_at"
        )
    )
    assert prepared.ask(since=NOW - timedelta(microseconds=1)) == [(attempt.pk, NOW)]
    assert prepared.ask(since=NOW) == []


def test_a_value_may_stand_in_several_places_and_in_a_subquery() -> None:
    contact = make_contact()
    make_attempt(contact, at=NOW)

    def build():
        number = Given("number", CharField())
        latest = CallAttempt.objects.filter(phone_number=number).order_by("-claimed_at").values("claimed_at")[:1]
        return Contact.objects.filter(phone_number=number, pk=Given("pk", BigIntegerField())).values(
            "pk", at=Subquery(latest)
        )

    prepared = Prepared(build)
    assert prepared.first(number=contact.phone_number, pk=contact.pk) == {"pk": contact.pk, "at": NOW}
    assert prepared.first(number="+84900000000", pk=contact.pk) is None


def test_a_missing_value_is_an_error() -> None:
    prepared = Prepared(lambda: Contact.objects.filter(pk=Given("pk", BigIntegerField())))
    with pytest.raises(KeyError):
        prepared.ask()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="threads share one in-memory database")
@pytest.mark.django_db(transaction=True)
def test_threads_share_it() -> None:
    contacts = [make_contact() for _ in range(4)]
    prepared = Prepared(lambda: Contact.objects.filter(pk=Given("pk", BigIntegerField())))

    def ask(contact: Contact) -> list[bool]:
        try:
            return [prepared.ask(pk=contact.pk) == [contact] for _ in range(20)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert all(all(found) for found in threads.map(ask, contacts))
