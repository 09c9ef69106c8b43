"""The webhook tasks: the outbox goes out, and a broker that is away loses nothing."""

from __future__ import annotations

import pytest
import time_machine
from kombu.exceptions import OperationalError

from campaigns.enums import StepState, WebhookEvent
from campaigns.models import WebhookDelivery, WebhookEndpoint
from campaigns.policies.webhook_messages import new_secret
from campaigns.services.outbox import record_event
from campaigns.tasks import webhooks
from tests.factories import NOW
from tests.telephony.psr.scripted_server import answering


@pytest.fixture
def deliveries_sent(monkeypatch):
    """The ids of the deliveries whose message was sent to the broker."""
    sent: list[int] = []
    monkeypatch.setattr(webhooks.deliver, "apply_async", lambda *, kwargs, expires: sent.append(kwargs["delivery_id"]))
    return sent


def happen(count):
    for number in range(count):
        record_event(type=WebhookEvent.CALL_ENDED, subject=str(number), body={}, occurred_at=NOW)


def make_endpoint(url="https://hooks.acme.io/"):
    return WebhookEndpoint.objects.create(url=url, secret=new_secret())


@pytest.mark.django_db
def test_relay_sends_for_what_is_due_each_time_until_it_is_done(deliveries_sent):
    make_endpoint()
    happen(1)

    with time_machine.travel(NOW, tick=False):
        webhooks.relay()
        webhooks.relay()

    delivery = WebhookDelivery.objects.get()
    assert deliveries_sent == [delivery.pk, delivery.pk]


@pytest.mark.django_db
def test_relay_without_a_broker_keeps_the_deliveries(monkeypatch, deliveries_sent):
    make_endpoint()
    happen(2)

    def refuse(*, kwargs, expires):
        raise OperationalError("no broker")

    with time_machine.travel(NOW, tick=False):
        with monkeypatch.context() as patch:
            patch.setattr(webhooks.deliver, "apply_async", refuse)
            webhooks.relay()
        webhooks.relay()

    assert len(deliveries_sent) == 2


@pytest.mark.django_db
def test_deliver_goes_on_with_the_endpoints_next_deliveries(settings, deliveries_sent):
    with answering("200 OK") as server, time_machine.travel(NOW, tick=False):
        settings.WEBHOOK_ALLOW_PRIVATE = [f"127.0.0.1:{server.port}"]
        make_endpoint(f"{server.base_url}/hook")
        happen(7)
        webhooks.relay()

        webhooks.deliver(delivery_id=deliveries_sent[0])

    assert len(server.requests) == 7
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {StepState.DONE}


@pytest.mark.django_db
def test_deliver_of_something_gone_does_nothing():
    webhooks.deliver(delivery_id=12345)

    assert not WebhookDelivery.objects.exists()
