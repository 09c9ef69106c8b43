"""Deliveries to real receivers on loopback: signed, at least once, ever more slowly, and in the end given up."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from standardwebhooks import Webhook

from campaigns.enums import StepState, WebhookEvent
from campaigns.errors import WebhookRefused
from campaigns.models import OutboxEvent, WebhookDelivery, WebhookDeliveryAttempt, WebhookEndpoint
from campaigns.policies.webhook_backoff import MAX_TRIES
from campaigns.policies.webhook_messages import new_secret
from campaigns.services import webhooks
from campaigns.services.outbox import record_event
from campaigns.services.outgoing_http import HttpAnswer
from tests.factories import NOW
from tests.telephony.psr.scripted_server import answering, scripted

URL = "https://hooks.acme.io/trunkline"


class Receiver:
    """Stands for the network: gives the next of `answers` (the last one for ever), remembers what it was sent."""

    def __init__(self, *answers: HttpAnswer) -> None:
        self.answers = list(answers) or [HttpAnswer(5, 200)]
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []

    def __call__(self, url, *, body, headers, exceptions):
        self.sent.append((url, body, headers))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


DOWN = HttpAnswer(5, 503)


def happen(subject="s-1", type=WebhookEvent.CALL_ENDED, at=NOW, **body):
    record_event(type=type, subject=subject, body=body, occurred_at=at)


def make_endpoint(url=URL, **fields) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(url=url, secret=new_secret(), **fields)


def one_delivery(**fields) -> WebhookDelivery:
    make_endpoint(**fields)
    happen()
    webhooks.relay_events(now=NOW)
    return WebhookDelivery.objects.get()


def local_endpoint(server, settings) -> WebhookDelivery:
    settings.WEBHOOK_ALLOW_PRIVATE = [f"127.0.0.1:{server.port}"]
    return one_delivery(url=f"{server.base_url}/hook")


@pytest.mark.django_db
def test_relay_makes_one_delivery_per_endpoint_that_wants_the_event():
    everything = make_endpoint()
    only_ends = make_endpoint(events=["call.ended"])
    make_endpoint(events=["call.started"])
    make_endpoint(is_enabled=False)
    happen()

    assert (webhooks.relay_events(now=NOW), webhooks.relay_events(now=NOW)) == (1, 0)

    wanted = WebhookDelivery.objects.order_by("endpoint_id").values_list("endpoint_id", "state", "next_at")
    assert list(wanted) == [(endpoint.pk, StepState.PENDING, NOW) for endpoint in (everything, only_ends)]


@pytest.mark.django_db
def test_the_same_fact_twice_is_one_event():
    happen()
    happen()

    assert OutboxEvent.objects.count() == 1


@pytest.mark.django_db
def test_a_delivery_is_signed_so_that_the_standards_library_accepts_it(settings):
    with answering("204 No Content") as server:
        delivery = local_endpoint(server, settings)
        state = webhooks.deliver(delivery.pk, now=NOW)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    with time_machine.travel(NOW, tick=False):
        payload = Webhook(delivery.endpoint.secret).verify(body, headers)
    assert payload == {"type": "call.ended", "timestamp": NOW.isoformat(), "data": {}}
    assert "webhook-replay" not in headers
    delivery.refresh_from_db()
    assert (state, delivery.state, delivery.tries, delivery.delivered_at) == (StepState.DONE, StepState.DONE, 1, NOW)
    assert WebhookDeliveryAttempt.objects.get().status_code == 204


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "headers", "state", "wait_s", "is_enabled"),
    [
        ("200 OK", (), StepState.DONE, None, True),
        ("302 Found", ("Location: https://elsewhere.acme.io/",), StepState.FAILED, 5, True),
        ("404 Not Found", (), StepState.FAILED, 5, True),
        ("410 Gone", (), StepState.DEAD, None, False),
        ("429 Too Many Requests", ("Retry-After: 77",), StepState.FAILED, 77, True),
        ("500 Internal Server Error", (), StepState.FAILED, 5, True),
        ("503 Service Unavailable", ("Retry-After: Fri, 20 Nov 2026 09:30:00 GMT",), StepState.FAILED, 3600, True),
    ],
)
def test_what_an_answer_leads_to(settings, status, headers, state, wait_s, is_enabled):
    with answering(status, b"", *headers) as server:
        delivery = local_endpoint(server, settings)
        webhooks.deliver(delivery.pk, now=NOW)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.lease_until) == (state, None)
    assert delivery.endpoint.is_enabled is is_enabled
    if wait_s is not None:
        assert delivery.next_at == NOW + timedelta(seconds=wait_s)
    assert len(server.requests) == 1


@pytest.mark.django_db
def test_a_broken_connection_is_logged_and_tried_again(settings):
    with scripted(lambda connection: connection.reset()) as server:
        delivery = local_endpoint(server, settings)
        state = webhooks.deliver(delivery.pk, now=NOW)

    attempt = WebhookDeliveryAttempt.objects.get()
    assert state == StepState.FAILED
    assert attempt.status_code is None
    assert attempt.error


@pytest.mark.django_db
def test_what_the_receiver_says_is_kept_short_and_clean(settings):
    with answering("500 Oops", b"<b>\x00\xff\r\n" + b"x" * 5000) as server:
        webhooks.deliver(local_endpoint(server, settings).pk, now=NOW)

    excerpt = WebhookDeliveryAttempt.objects.get().response_excerpt
    assert excerpt.startswith("<b>\N{REPLACEMENT CHARACTER}\nxx")
    assert len(excerpt) <= 2048


@pytest.mark.django_db
def test_a_receiver_that_stays_down_is_tried_ten_times_and_then_no_more():
    delivery = one_delivery()
    receiver, now, waits = Receiver(DOWN), NOW, []
    while delivery.state in webhooks.OPEN_STATES:
        waits.append((delivery.next_at - now).total_seconds())
        now = delivery.next_at
        webhooks.deliver(delivery.pk, now=now, post=receiver)
        delivery.refresh_from_db()

    assert waits == [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert (delivery.state, delivery.attempts.count()) == (StepState.DEAD, MAX_TRIES)
    assert len({(body, headers["webhook-id"]) for _, body, headers in receiver.sent}) == 1
    assert len({headers["webhook-timestamp"] for _, _, headers in receiver.sent}) == MAX_TRIES


@pytest.mark.django_db
def test_a_delivery_is_not_tried_before_its_time_nor_after_success():
    delivery = one_delivery()
    receiver = Receiver(DOWN, HttpAnswer(5, 200))

    moments = [NOW, NOW, NOW + timedelta(seconds=5), NOW + timedelta(hours=1)]
    states = [webhooks.deliver(delivery.pk, now=now, post=receiver) for now in moments]

    assert states == [StepState.FAILED, None, StepState.DONE, None]


@pytest.mark.django_db
def test_a_try_whose_process_died_is_made_again_with_the_same_id():
    delivery = one_delivery()
    WebhookDelivery.objects.update(lease_until=NOW + webhooks.LEASE, tries=1)
    receiver = Receiver()

    assert webhooks.deliver(delivery.pk, now=NOW, post=receiver) is None
    assert webhooks.deliver(delivery.pk, now=NOW + webhooks.LEASE, post=receiver) == StepState.DONE
    assert receiver.sent[0][2]["webhook-id"] == f"evt_{delivery.event_id.hex}"


@pytest.mark.django_db
def test_a_try_that_lost_its_lease_does_not_undo_what_another_did():
    delivery = one_delivery()

    def too_slow(url, *, body, headers, exceptions):
        webhooks.deliver(delivery.pk, now=NOW + webhooks.LEASE, post=Receiver())
        return DOWN

    webhooks.deliver(delivery.pk, now=NOW, post=too_slow)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.tries, delivery.attempts.count()) == (StepState.DONE, 2, 2)


@pytest.mark.django_db
def test_a_delivery_that_kills_every_process_is_given_up_unsent():
    delivery = one_delivery()
    WebhookDelivery.objects.update(tries=MAX_TRIES)
    receiver = Receiver()

    assert webhooks.deliver(delivery.pk, now=NOW, post=receiver) == StepState.DEAD
    assert receiver.sent == []


@pytest.mark.django_db
def test_an_endpoint_without_success_for_five_days_is_switched_off():
    delivery, now = one_delivery(), NOW
    webhooks.deliver(delivery.pk, now=now, post=Receiver(DOWN))
    happen("s-2", at=NOW + timedelta(hours=119))
    webhooks.relay_events(now=NOW + timedelta(hours=119))
    second = WebhookDelivery.objects.get(event__subject="s-2")

    webhooks.deliver(second.pk, now=NOW + timedelta(hours=119), post=Receiver(DOWN))
    assert WebhookEndpoint.objects.get().is_enabled
    second.refresh_from_db()
    webhooks.deliver(second.pk, now=NOW + timedelta(hours=120), post=Receiver(DOWN))

    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, webhooks.SILENT)
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {StepState.DEAD}


@pytest.mark.django_db
def test_one_success_forgets_the_failures():
    delivery = one_delivery()
    webhooks.deliver(delivery.pk, now=NOW, post=Receiver(DOWN))
    assert WebhookEndpoint.objects.get().first_failure_at == NOW

    webhooks.deliver(delivery.pk, now=NOW + timedelta(seconds=5), post=Receiver())

    assert WebhookEndpoint.objects.get().first_failure_at is None


@pytest.mark.django_db
def test_replay_sends_the_same_message_again_and_says_so():
    delivery = one_delivery()
    receiver = Receiver()
    webhooks.deliver(delivery.pk, now=NOW, post=receiver)
    later = NOW + timedelta(days=2)

    webhooks.replay(delivery.pk, now=later)
    state = webhooks.deliver(delivery.pk, now=later, post=receiver)

    (_, first_body, first), (_, second_body, second) = receiver.sent
    assert (state, first_body, first["webhook-id"]) == (StepState.DONE, second_body, second["webhook-id"])
    assert ("webhook-replay" in first, second["webhook-replay"]) == (False, "1")
    assert second["webhook-timestamp"] == str(int(later.timestamp()))


@pytest.mark.django_db
def test_replay_is_refused_where_it_would_do_nothing_or_double():
    delivery = one_delivery()
    WebhookDelivery.objects.update(lease_until=NOW + webhooks.LEASE)
    with pytest.raises(WebhookRefused) as refusal:
        webhooks.replay(delivery.pk, now=NOW)
    assert refusal.value.code == "delivery_under_way"

    WebhookEndpoint.objects.update(is_enabled=False)
    with pytest.raises(WebhookRefused) as refusal:
        webhooks.replay(delivery.pk, now=NOW)
    assert refusal.value.code == "endpoint_disabled"


@pytest.mark.django_db
def test_both_secrets_sign_for_a_day_after_rotation():
    delivery = one_delivery()
    old = delivery.endpoint.secret
    new = webhooks.rotate_secret(delivery.endpoint_id, now=NOW).secret

    def signatures_at(now):
        receiver = Receiver()
        webhooks.replay(delivery.pk, now=now)
        webhooks.deliver(delivery.pk, now=now, post=receiver)
        _, body, headers = receiver.sent[0]
        with time_machine.travel(now, tick=False):
            Webhook(new).verify(body, headers)
            if len(headers["webhook-signature"].split(" ")) == 2:
                Webhook(old).verify(body, headers)
        return len(headers["webhook-signature"].split(" "))

    assert old != new
    assert signatures_at(NOW) == 2
    assert signatures_at(NOW + timedelta(hours=24)) == 1


@pytest.mark.django_db
def test_send_test_goes_to_that_endpoint_alone():
    endpoint = make_endpoint(events=["call.ended"])
    make_endpoint()
    receiver = Receiver()

    delivery = webhooks.send_test(endpoint.pk, now=NOW)
    webhooks.relay_events(now=NOW)
    webhooks.deliver(delivery.pk, now=NOW, post=receiver)

    assert WebhookDelivery.objects.count() == 1
    assert json.loads(receiver.sent[0][1])["type"] == "webhook.test"
    WebhookEndpoint.objects.update(is_enabled=False)
    with pytest.raises(WebhookRefused):
        webhooks.send_test(endpoint.pk, now=NOW)


@pytest.mark.django_db
def test_create_endpoint_gives_a_secret_of_its_own():
    first = webhooks.create_endpoint(url=URL, events=["call.ended"], description="CRM")
    second = webhooks.create_endpoint(url=URL)

    assert first.secret.startswith("whsec_")
    assert first.secret != second.secret
    assert (first.events, second.events, first.is_enabled) == (["call.ended"], [], True)


@pytest.mark.django_db
def test_create_endpoint_names_every_field_that_is_wrong():
    with pytest.raises(WebhookRefused) as refusal:
        webhooks.create_endpoint(url="http://localhost/", events=["call.melted"])

    assert set(refusal.value.errors) == {"url", "events"}
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.django_db
def test_switching_an_endpoint_on_again_forgets_its_failures():
    endpoint = make_endpoint(first_failure_at=NOW)

    assert not webhooks.set_enabled(endpoint.pk, is_enabled=False).is_enabled
    again = webhooks.set_enabled(endpoint.pk, is_enabled=True)

    assert (again.is_enabled, again.disabled_reason, again.first_failure_at) == (True, "", None)


@pytest.mark.django_db
def test_one_dead_endpoint_with_a_long_queue_does_not_hold_up_another():
    dead, live = make_endpoint(), make_endpoint(events=["call.started"])
    for number in range(20):
        happen(f"s-{number}")
    happen("late", type=WebhookEvent.CALL_STARTED)
    webhooks.relay_events(now=NOW)

    due = webhooks.due_deliveries(now=NOW)

    owners = [WebhookDelivery.objects.get(pk=pk).endpoint_id for pk in due]
    assert owners == [dead.pk, live.pk, dead.pk, dead.pk, dead.pk]


@pytest.mark.django_db
def test_a_failing_endpoint_with_a_long_queue_gets_one_post_at_a_time_ever_more_seldom():
    endpoint, receiver, now = make_endpoint(), Receiver(DOWN), NOW
    for number in range(500):
        happen(f"s-{number}")
    webhooks.relay_events(now=NOW)

    while now < NOW + timedelta(hours=2):
        for delivery_id in webhooks.due_deliveries(now=now):
            webhooks.deliver(delivery_id, now=now, post=receiver)
        now += timedelta(seconds=2)

    # One at first, then a tenth of the time it has been down: the number of tries grows with the logarithm of time.
    assert len(receiver.sent) < 70
    receiver.answers = [HttpAnswer(5, 200)]
    endpoint.refresh_from_db()
    assert endpoint.retry_at
    now = endpoint.retry_at
    while due := webhooks.due_deliveries(now=now):
        assert len(due) <= webhooks.MAX_PER_ENDPOINT
        for delivery_id in due:
            webhooks.deliver(delivery_id, now=now, post=receiver)
    assert WebhookDelivery.objects.filter(state=StepState.PENDING).count() == 0


@pytest.mark.django_db
def test_retry_after_holds_for_everything_that_goes_to_the_endpoint():
    make_endpoint()
    happen("s-1")
    happen("s-2")
    webhooks.relay_events(now=NOW)
    first, second = WebhookDelivery.objects.order_by("pk")
    busy = HttpAnswer(5, 429, headers={"retry-after": "90"})

    webhooks.deliver(first.pk, now=NOW, post=Receiver(busy))

    assert webhooks.due_deliveries(now=NOW + timedelta(seconds=89)) == []
    assert webhooks.next_due(first.endpoint_id, now=NOW + timedelta(seconds=89)) is None
    assert webhooks.deliver(second.pk, now=NOW + timedelta(seconds=89), post=Receiver()) is None
    assert webhooks.deliver(second.pk, now=NOW + timedelta(seconds=90), post=Receiver()) == StepState.DONE


@pytest.mark.django_db
def test_an_endpoint_gets_at_most_four_posts_at_once():
    make_endpoint()
    for number in range(6):
        happen(f"s-{number}")
    webhooks.relay_events(now=NOW)
    ids = list(WebhookDelivery.objects.order_by("pk").values_list("pk", flat=True))
    nested = []

    def slow(depth):
        def post(url, *, body, headers, exceptions):
            if depth < 5:
                nested.append(webhooks.deliver(ids[depth + 1], now=NOW, post=slow(depth + 1)))
            return HttpAnswer(5, 200)

        return post

    webhooks.deliver(ids[0], now=NOW, post=slow(0))

    assert nested == [None, StepState.DONE, StepState.DONE, StepState.DONE]


def test_one_of_many_threads_sends_a_delivery(shared_database):
    delivery = one_delivery()
    start, receiver, states = threading.Barrier(4), Receiver(), []

    def try_it():
        try:
            start.wait()
            states.append(webhooks.deliver(delivery.pk, now=NOW, post=receiver))
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(states, key=str) == [None, None, None, StepState.DONE]
    assert len(receiver.sent) == 1


def test_two_relays_at_once_make_each_delivery_once(shared_database):
    make_endpoint()
    for number in range(30):
        happen(f"s-{number}")
    start, counts = threading.Barrier(3), []

    def relay():
        try:
            start.wait()
            counts.append(webhooks.relay_events(now=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 30
    assert WebhookDelivery.objects.count() == 30
