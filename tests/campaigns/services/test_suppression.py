"""The do-not-call list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import ContactState, SuppressionSource, WebhookEvent
from campaigns.models import OutboxEvent, SuppressedNumber
from campaigns.queries.calling_rules import is_suppressed
from campaigns.services.suppression import suppress
from tests.factories import NOW, make_campaign, make_contact

pytestmark = pytest.mark.django_db

NUMBER = "+84912345678"
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=9)


def add(**fields) -> SuppressedNumber:
    return suppress(NUMBER, **{"reason": "asked", "source": SuppressionSource.MANUAL, "now": NOW, **fields})


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(SOON, LATER, LATER), (LATER, SOON, LATER), (None, SOON, None), (SOON, None, None), (SOON, SOON, SOON)],
)
def test_the_stricter_expiry_stays(first, second, kept) -> None:
    add(expires_at=first)
    add(expires_at=second)
    assert SuppressedNumber.objects.get().expires_at == kept


def test_waiting_contacts_of_the_number_are_blocked_and_told() -> None:
    contact = make_contact()
    again = make_contact(make_campaign(), customer=contact.customer)
    done = make_contact(make_campaign(), customer=contact.customer, state=ContactState.DONE)
    other = make_contact()
    suppress(contact.phone_number, reason="asked", source=SuppressionSource.API, now=NOW)
    states = []
    for each in (contact, again, done, other):
        each.refresh_from_db()
        states.append((each.state, each.state_reason))
    assert states == [("blocked", "suppressed"), ("blocked", "suppressed"), ("done", ""), ("pending", "")]
    events = OutboxEvent.objects.filter(type=WebhookEvent.CONTACT_FINISHED)
    assert sorted(events.values_list("subject", flat=True)) == sorted([str(contact.pk), str(again.pk)])


def test_an_expired_entry_blocks_nobody() -> None:
    contact = make_contact()
    suppress(contact.phone_number, reason="", source=SuppressionSource.IMPORT, now=NOW, expires_at=NOW)
    contact.refresh_from_db()
    assert contact.state == ContactState.PENDING
    assert is_suppressed(contact.phone_number, NOW) is False
    assert is_suppressed(contact.phone_number, NOW - timedelta(seconds=1)) is True
