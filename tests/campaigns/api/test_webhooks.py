"""`webhook-endpoints/` and their deliveries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.enums import StepState, WebhookEvent
from campaigns.models import OutboxEvent, WebhookDelivery, WebhookDeliveryAttempt, WebhookEndpoint
from campaigns.services import webhooks
from tests.factories import NOW

ENDPOINTS = "/api/v1/webhook-endpoints/"


@pytest.fixture
def endpoint(db) -> WebhookEndpoint:
    return webhooks.create_endpoint(url="https://example.com/hook", events=["call.ended"])


def make_delivery(endpoint: WebhookEndpoint, state: StepState = StepState.DEAD) -> WebhookDelivery:
    event = OutboxEvent.objects.create(
        type=WebhookEvent.CALL_ENDED,
        subject="1",
        occurred_at=NOW + timedelta(seconds=OutboxEvent.objects.count()),
        body={},
    )
    delivery = WebhookDelivery.objects.create(event=event, endpoint=endpoint, state=state, tries=3, next_at=NOW)
    WebhookDeliveryAttempt.objects.create(delivery=delivery, at=NOW, status_code=500, duration_ms=12, error="")
    return delivery


def test_the_secret_is_shown_once(integrator):
    made = integrator.post(ENDPOINTS, {"url": "https://example.com/hook", "events": ["call.ended"]})
    endpoint = WebhookEndpoint.objects.get()
    assert (made.status_code, made.json()["secret"], made.json()["events"]) == (201, endpoint.secret, ["call.ended"])
    shown = [integrator.get(ENDPOINTS), integrator.get(f"{ENDPOINTS}{endpoint.pk}/")]
    assert [endpoint.secret.encode() in answer.content for answer in shown] == [False, False]


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        ({"url": "http://169.254.169.254/"}, "endpoint_refused", ["url"]),
        ({"url": "https://127.0.0.1/hook"}, "endpoint_refused", ["url"]),
        ({"url": "javascript:alert(1)"}, "endpoint_refused", ["url"]),
        ({"url": "x" * 2049}, "max_length", ["url"]),
        ({"url": 5}, "invalid", ["url"]),
        ({"url": "https://example.com/", "events": ["call.exploded"]}, "invalid_choice", ["events.0"]),
        ({"url": "https://example.com/", "events": "call.ended"}, "not_a_list", ["events"]),
        ({"url": "https://example.com/", "secret": "mine"}, "unknown_field", ["secret"]),
        ({}, "required", ["url"]),
    ],
)
def test_an_endpoint_is_refused_with_the_field_at_fault(integrator, body, code, fields):
    answer = integrator.post(ENDPOINTS, body)
    assert (answer.status_code, answer.json()["code"], list(answer.json()["errors"])) == (422, code, fields)
    assert WebhookEndpoint.objects.count() == 0


def test_an_endpoint_is_changed_switched_off_and_on(integrator, endpoint):
    path = f"{ENDPOINTS}{endpoint.pk}/"
    changed = integrator.patch(path, {"description": "CRM", "is_enabled": False}).json()
    assert (changed["description"], changed["is_enabled"], changed["url"]) == ("CRM", False, endpoint.url)
    assert integrator.patch(path, {"is_enabled": True}).json()["is_enabled"] is True
    refused = integrator.patch(path, {"url": "https://10.0.0.1/"})
    assert (refused.status_code, integrator.get(path).json()["url"]) == (422, endpoint.url)


def test_an_endpoint_can_be_deleted_with_its_deliveries(integrator, endpoint):
    make_delivery(endpoint)
    assert integrator.delete(f"{ENDPOINTS}{endpoint.pk}/").status_code == 204
    assert (WebhookEndpoint.objects.count(), WebhookDelivery.objects.count()) == (0, 0)


def test_rotating_the_secret_shows_the_new_one_and_keeps_the_old_for_a_day(integrator, endpoint):
    answer = integrator.post(f"{ENDPOINTS}{endpoint.pk}/rotate-secret/")
    old = endpoint.secret
    endpoint.refresh_from_db()
    assert (answer.status_code, answer.json()["secret"], endpoint.previous_secret) == (200, endpoint.secret, old)
    assert endpoint.secret != old


def test_deliveries_are_listed_with_every_try(integrator, endpoint):
    dead, done = make_delivery(endpoint), make_delivery(endpoint, StepState.DONE)
    path = f"{ENDPOINTS}{endpoint.pk}/deliveries/"
    assert [row["id"] for row in integrator.get(path).json()["results"]] == [done.pk, dead.pk]
    found = integrator.get(path, {"state": "dead"}).json()["results"]
    assert [(row["id"], row["event_type"], row["event_id"], len(row["attempts"])) for row in found] == [
        (dead.pk, "call.ended", str(dead.event_id), 1)
    ]
    assert integrator.get(path, {"state": "lost"}).status_code == 422


def test_a_dead_delivery_is_replayed(integrator, endpoint):
    delivery = make_delivery(endpoint)
    answer = integrator.post(f"{ENDPOINTS}{endpoint.pk}/deliveries/{delivery.pk}/replay/")
    delivery.refresh_from_db()
    assert (answer.status_code, answer.json()["state"], delivery.state, delivery.tries) == (
        202,
        "pending",
        "pending",
        0,
    )


def test_a_delivery_belongs_to_its_endpoint(integrator, endpoint):
    other = webhooks.create_endpoint(url="https://other.example.com/hook")
    path = f"{ENDPOINTS}{other.pk}/deliveries/{make_delivery(endpoint).pk}/replay/"
    assert integrator.post(path).status_code == 404


def test_a_delivery_under_way_is_not_replayed(integrator, endpoint):
    delivery = make_delivery(endpoint)
    delivery.lease_until = timezone.now() + timedelta(minutes=1)
    delivery.save()
    answer = integrator.post(f"{ENDPOINTS}{endpoint.pk}/deliveries/{delivery.pk}/replay/")
    assert (answer.status_code, answer.json()["code"]) == (409, "delivery_under_way")


def test_a_test_event_goes_to_this_endpoint_alone(integrator, endpoint):
    webhooks.create_endpoint(url="https://other.example.com/hook")
    answer = integrator.post(f"{ENDPOINTS}{endpoint.pk}/test/")
    assert (answer.status_code, answer.json()["event_type"]) == (202, "webhook.test")
    assert list(WebhookDelivery.objects.values_list("endpoint_id", flat=True)) == [endpoint.pk]


def test_a_test_of_an_endpoint_that_is_off_is_refused(integrator, endpoint):
    webhooks.set_enabled(endpoint.pk, is_enabled=False)
    answer = integrator.post(f"{ENDPOINTS}{endpoint.pk}/test/")
    assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")


def test_an_action_without_a_body_refuses_one(integrator, endpoint):
    answer = integrator.post(f"{ENDPOINTS}{endpoint.pk}/test/", {"event": "call.ended"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unexpected_body")
