"""Webhook endpoints, and the deliveries that carry the outbox to them: at least once, unordered, signed.

The relay turns each event into one delivery per endpoint that wants it. A try claims its delivery by a lease, POSTs
without holding any lock, and writes what came of it. docs/reference/webhooks.md is the contract with receivers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from campaigns import crash_points
from campaigns.enums import StepState, WebhookEvent
from campaigns.errors import WebhookRefused
from campaigns.models import OutboxEvent, WebhookDelivery, WebhookDeliveryAttempt, WebhookEndpoint
from campaigns.models.webhooks import SWITCHED_OFF_BY_HAND
from campaigns.policies.clean_text import clean_text
from campaigns.policies.safe_urls import UnsafeUrl, parse_safe_url
from campaigns.policies.webhook_backoff import (
    MAX_TRIES,
    Verdict,
    endpoint_pause,
    is_endpoint_given_up,
    judge,
    next_try_at,
    read_retry_after,
)
from campaigns.policies.webhook_messages import message_body, message_id, new_secret, signed_headers
from campaigns.services.outgoing_http import HttpAnswer, post

log = logging.getLogger(__name__)

OPEN_STATES = (StepState.PENDING, StepState.FAILED)
LEASE = timedelta(seconds=60)
RELAY_BATCH = 500
MAX_PER_ENDPOINT = 4
ROTATION_OVERLAP = timedelta(hours=24)
# Sent by hand to try an endpoint out; not one of the events an endpoint can choose.
TEST_EVENT = "webhook.test"
GONE = "the receiver answered 410 Gone"
SILENT = "no delivery succeeded for 120 hours"

Post: TypeAlias = Callable[..., HttpAnswer]


@dataclass(frozen=True, slots=True)
class _Try:
    """A claimed delivery, with everything one POST needs."""

    delivery: WebhookDelivery
    event: OutboxEvent
    endpoint: WebhookEndpoint
    is_replay: bool


def create_endpoint(*, url: str, events: Sequence[str] = (), description: str = "") -> WebhookEndpoint:
    """A new endpoint with a secret of its own (to be shown once). No `events` means all of them.

    Raises:
        WebhookRefused: the URL may not be called, or an event does not exist; `errors` names the field.
    """
    check_endpoint(url=url, events=events)
    return WebhookEndpoint.objects.create(
        url=url, events=list(events), description=description[:200], secret=new_secret()
    )


def check_endpoint(*, url: str, events: Sequence[str] = ()) -> None:
    """Refuse an endpoint that could never work or must not be called.

    Raises:
        WebhookRefused: `errors` says per field what to change.
    """
    errors: dict[str, list[str]] = {}
    try:
        parse_safe_url(url, exceptions=settings.WEBHOOK_ALLOW_PRIVATE)
    except UnsafeUrl as error:
        errors["url"] = [error.detail]
    unknown = sorted(set(events) - set(WebhookEvent.values))
    if unknown:
        errors["events"] = [f"Unknown: {', '.join(unknown)}. Known: {', '.join(WebhookEvent.values)}."]
    if errors:
        raise WebhookRefused("endpoint_refused", "The endpoint cannot be used as entered.", errors=errors)


def rotate_secret(endpoint_id: int, *, now: datetime) -> WebhookEndpoint:
    """Give the endpoint a new secret; the old one signs too for 24 hours."""
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint_id)
        endpoint.previous_secret, endpoint.secret = endpoint.secret, new_secret()
        endpoint.previous_secret_until = now + ROTATION_OVERLAP
        endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
    return endpoint


def set_enabled(endpoint_id: int, *, is_enabled: bool) -> WebhookEndpoint:
    """Switch an endpoint on or off by hand. Switching on forgets its failures; what was given up stays so."""
    WebhookEndpoint.objects.filter(pk=endpoint_id).update(
        is_enabled=is_enabled,
        disabled_reason="" if is_enabled else SWITCHED_OFF_BY_HAND,
        first_failure_at=None,
        retry_at=None,
    )
    return WebhookEndpoint.objects.get(pk=endpoint_id)


def send_test(endpoint_id: int, *, now: datetime) -> WebhookDelivery:
    """Put a `webhook.test` event on its way to this endpoint alone.

    Raises:
        WebhookRefused: the endpoint is switched off.
    """
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
        _refuse_disabled(endpoint)
        event = OutboxEvent.objects.create(
            type=TEST_EVENT,
            subject=str(endpoint.pk),
            occurred_at=now,
            body={"message": "This is a test of your webhook endpoint."},
            is_relayed=True,
        )
        return WebhookDelivery.objects.create(event=event, endpoint=endpoint, next_at=now)


def replay(delivery_id: int, *, now: datetime) -> WebhookDelivery:
    """Send a delivery again from the start, under the same `webhook-id` and with `webhook-replay: 1`.

    Raises:
        WebhookRefused: its endpoint is switched off, or a try is under way right now.
    """
    with transaction.atomic():
        delivery = (
            WebhookDelivery.objects.select_for_update(of=("self",)).select_related("endpoint").get(pk=delivery_id)
        )
        _refuse_disabled(delivery.endpoint)
        if delivery.lease_until is not None and delivery.lease_until > now:
            raise WebhookRefused("delivery_under_way", "This delivery is being sent right now; wait a minute.")
        delivery.state, delivery.tries, delivery.next_at = StepState.PENDING, 0, now
        delivery.lease_until = delivery.delivered_at = None
        delivery.save(update_fields=["state", "tries", "next_at", "lease_until", "delivered_at"])
    return delivery


def relay_events(*, now: datetime) -> int:
    """Make the deliveries of events that have none yet; how many events were handled. Two relays do no harm."""
    with transaction.atomic():
        events = list(
            _skipping_locked(OutboxEvent.objects.filter(is_relayed=False)).order_by("occurred_at")[:RELAY_BATCH]
        )
        endpoints = list(WebhookEndpoint.objects.filter(is_enabled=True))
        WebhookDelivery.objects.bulk_create(
            [
                WebhookDelivery(event=event, endpoint=endpoint, next_at=now)
                for event in events
                for endpoint in endpoints
                if not endpoint.events or event.type in endpoint.events
            ],
            ignore_conflicts=True,
        )
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(is_relayed=True)
    return len(events)


def due_deliveries(*, now: datetime) -> list[int]:
    """Ids of deliveries to try now: the oldest of every endpoint in turn, at most four each, one where it fails."""
    endpoints = WebhookEndpoint.objects.filter(_is_open(now))
    queues = [list(_due(endpoint.pk, now)[: _room(endpoint)]) for endpoint in endpoints]
    return [queue[turn] for turn in range(MAX_PER_ENDPOINT) for queue in queues if turn < len(queue)]


def next_due(endpoint_id: int, *, now: datetime) -> int | None:
    """The endpoint's next delivery to try, or None."""
    if not WebhookEndpoint.objects.filter(_is_open(now), pk=endpoint_id).exists():
        return None
    return _due(endpoint_id, now).first()


def deliver(delivery_id: int, *, now: datetime, jitter: float = 0.0, post: Post = post) -> StepState | None:
    """Try one delivery if it is due; the state it is left in, or None if it was not due or is in other hands.

    `jitter` (-0.2 … 0.2) spreads what failed together.
    """
    claimed = _claim(delivery_id, now)
    if claimed is None:
        return None
    if claimed.delivery.tries > MAX_TRIES:
        return _write(claimed, StepState.DEAD)
    event, endpoint = claimed.event, claimed.endpoint
    body = message_body(type=event.type, subject=event.subject, occurred_at=event.occurred_at, data=event.body)
    headers = signed_headers(
        message=message_id(event.pk),
        body=body,
        secrets_in_use=_secrets(endpoint, now),
        now=now,
        is_replay=claimed.is_replay,
    )
    answer = post(endpoint.url, body=body, headers=headers, exceptions=settings.WEBHOOK_ALLOW_PRIVATE)
    crash_points.reach("delivered")
    return _record(claimed, answer, now=now, jitter=jitter)


def _record(claimed: _Try, answer: HttpAnswer, *, now: datetime, jitter: float) -> StepState:
    with transaction.atomic():
        WebhookDeliveryAttempt.objects.create(
            delivery=claimed.delivery,
            at=now,
            status_code=answer.status_code,
            duration_ms=answer.duration_ms,
            error=clean_text(answer.error, max_chars=300),
            response_excerpt=clean_text(answer.excerpt, max_chars=2_048),
        )
        match judge(answer.status_code):
            case Verdict.DELIVERED:
                failing = WebhookEndpoint.objects.filter(pk=claimed.endpoint.pk, first_failure_at__isnull=False)
                failing.update(first_failure_at=None, retry_at=None)
                return _write(claimed, StepState.DONE, delivered_at=now)
            case Verdict.GONE:
                state = _write(claimed, StepState.DEAD)
                _disable(claimed.endpoint, GONE)
                return state
            case Verdict.RETRY:
                return _record_failure(claimed, answer, now=now, jitter=jitter)


def _record_failure(claimed: _Try, answer: HttpAnswer, *, now: datetime, jitter: float) -> StepState:
    endpoint = WebhookEndpoint.objects.select_for_update().get(pk=claimed.endpoint.pk)
    endpoint.first_failure_at = endpoint.first_failure_at or now
    wait = read_retry_after(answer.headers.get("retry-after"), now=now)
    endpoint.retry_at = now + endpoint_pause(now - endpoint.first_failure_at, retry_after=wait)
    endpoint.save(update_fields=["first_failure_at", "retry_at"])
    next_at = next_try_at(claimed.delivery.tries, now=now, jitter=jitter, retry_after=wait)
    fields = {} if next_at is None else {"next_at": next_at}
    state = _write(claimed, StepState.DEAD if next_at is None else StepState.FAILED, **fields)
    if is_endpoint_given_up(endpoint.first_failure_at, now=now):
        _disable(endpoint, SILENT)
    return state


def _claim(delivery_id: int, now: datetime) -> _Try | None:
    with transaction.atomic():
        of_delivery = WebhookDelivery.objects.filter(pk=delivery_id).values("endpoint_id")
        endpoint = WebhookEndpoint.objects.select_for_update().filter(_is_open(now), pk__in=of_delivery).first()
        if endpoint is None:
            return None
        # Under the endpoint's lock the count cannot change behind our back.
        in_flight = WebhookDelivery.objects.filter(endpoint=endpoint, lease_until__gt=now)
        if in_flight.count() >= _room(endpoint):
            return None
        due = WebhookDelivery.objects.filter(_is_due(now), pk=delivery_id)
        if not due.update(lease_until=now + LEASE, tries=F("tries") + 1):
            return None
        delivery = WebhookDelivery.objects.select_related("event").get(pk=delivery_id)
        # A replay counts its tries from the start again; the log of the first round is still there.
        is_replay = delivery.attempts.count() >= delivery.tries
    return _Try(delivery, delivery.event, endpoint, is_replay)


def _write(claimed: _Try, state: StepState, **fields: object) -> StepState:
    mine = WebhookDelivery.objects.filter(pk=claimed.delivery.pk, lease_until=claimed.delivery.lease_until)
    mine.update(state=state, lease_until=None, **fields)
    return state


def _disable(endpoint: WebhookEndpoint, reason: str) -> None:
    if WebhookEndpoint.objects.filter(pk=endpoint.pk, is_enabled=True).update(is_enabled=False, disabled_reason=reason):
        log.warning("webhook_endpoint_disabled", extra={"endpoint_id": endpoint.pk, "reason": reason})
        # Dead letters: they are kept, and can be replayed once the endpoint is switched on again.
        WebhookDelivery.objects.filter(endpoint=endpoint, state__in=OPEN_STATES).update(state=StepState.DEAD)


def _due(endpoint_id: int, now: datetime) -> QuerySet[WebhookDelivery, int]:
    due = WebhookDelivery.objects.filter(_is_due(now), endpoint_id=endpoint_id)
    return due.order_by("next_at", "pk").values_list("pk", flat=True)


def _is_due(now: datetime) -> Q:
    return Q(state__in=OPEN_STATES, next_at__lte=now) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))


def _is_open(now: datetime) -> Q:
    """Endpoints that are switched on, and not being left alone after a failure."""
    return Q(is_enabled=True) & (Q(retry_at__isnull=True) | Q(retry_at__lte=now))


def _room(endpoint: WebhookEndpoint) -> int:
    """How many requests it may get at once: one, as long as it fails."""
    return MAX_PER_ENDPOINT if endpoint.first_failure_at is None else 1


def _skipping_locked(rows: QuerySet[OutboxEvent]) -> QuerySet[OutboxEvent]:
    # SQLite has one writer at a time and nothing to skip.
    return rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)


def _secrets(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    until = endpoint.previous_secret_until
    if endpoint.previous_secret and until is not None and until > now:
        return [endpoint.secret, endpoint.previous_secret]
    return [endpoint.secret]


def _refuse_disabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_enabled:
        raise WebhookRefused("endpoint_disabled", "The endpoint is switched off; switch it on first.")
