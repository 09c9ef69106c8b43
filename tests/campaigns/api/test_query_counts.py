"""A list costs as many queries with many rows as with one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import (
    BlackoutDate,
    DialingStop,
    DncList,
    DncVersion,
    ImportJob,
    OutboxEvent,
    SuppressedNumber,
    WebhookDelivery,
    WebhookDeliveryAttempt,
    WebhookEndpoint,
)
from tests.factories import (
    NOW,
    make_agent,
    make_attempt,
    make_call,
    make_campaign,
    make_contact,
    make_customer,
    make_list,
    make_trunk,
)


def make_delivery(serial: int) -> None:
    endpoint, _ = WebhookEndpoint.objects.get_or_create(url="https://example.com/", secret="whsec_x")
    event = OutboxEvent.objects.create(
        type="call.ended", subject="1", occurred_at=NOW + timedelta(seconds=serial), body={}, is_relayed=True
    )
    delivery = WebhookDelivery.objects.create(event=event, endpoint=endpoint, next_at=NOW)
    WebhookDeliveryAttempt.objects.create(delivery=delivery, at=NOW, duration_ms=1)


def make_dnc_list(serial: int) -> None:
    made = DncList.objects.create(name=f"Register {serial}")
    version = {"file_name": "a.csv", "path": "a.txt", "as_of": NOW, "size_bytes": 1, "created_at": NOW}
    made.current = DncVersion.objects.create(list=made, **version)
    made.save()


MAKERS: dict[str, Callable[[int], object]] = {
    "customers/": lambda _: make_customer(),
    "customer-lists/": lambda _: make_list(customers=[make_customer()]),
    "imports/": lambda serial: ImportJob.objects.create(list=make_list(), file_name="a", path=str(serial)),
    "trunks/": lambda serial: make_trunk(f"trunk {serial}"),
    "agents/": lambda serial: make_agent(f"agent {serial}"),
    "campaigns/": lambda _: make_campaign().customer_lists.add(make_list(), make_list()),
    "contacts/": lambda _: make_contact(),
    "call-attempts/": lambda _: make_attempt(),
    "calls/": lambda _: make_call(),
    "dnc-lists/": make_dnc_list,
    "blackout-dates/": lambda serial: BlackoutDate.objects.create(date=NOW.date() + timedelta(days=serial)),
    "dialing-stops/": lambda _: DialingStop.objects.create(at=NOW, reason="Wrong list"),
    "suppressed-numbers/": lambda serial: SuppressedNumber.objects.create(phone_number=f"+8491234560{serial}"),
}


def queries_of(client, path: str) -> tuple[int, int]:
    """How many queries the list takes, and how many rows it answers."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(f"/api/v1/{path}")
    return len(captured), len(answer.json()["results"])


@pytest.mark.parametrize("path", MAKERS)
def test_a_list_costs_the_same_with_many_rows(manager, path):
    MAKERS[path](0)
    manager.get(f"/api/v1/{path}")  # notes the token's use
    one = queries_of(manager, path)
    for serial in range(1, 5):
        MAKERS[path](serial)
    assert queries_of(manager, path) == (one[0], one[1] * 5)


def test_deliveries_cost_the_same_with_many_rows(manager):
    make_delivery(0)
    path = f"webhook-endpoints/{WebhookEndpoint.objects.get().pk}/deliveries/"
    manager.get(f"/api/v1/{path}")
    one = queries_of(manager, path)
    for serial in range(1, 5):
        make_delivery(serial)
    assert queries_of(manager, path) == (one[0], 5)
