"""Webhooks: from the outbox to deliveries, and the deliveries on their way."""

from __future__ import annotations

import random
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from campaigns.enums import StepState
from campaigns.models import WebhookDelivery
from campaigns.policies.webhook_backoff import JITTER
from campaigns.services import webhooks
from campaigns.tasks.sending import send

MESSAGE_EXPIRES_S = 30
# How long one task goes on with the endpoint's next deliveries; the last POST must still fit a task's time limit.
KEEP_GOING = timedelta(seconds=25)


@shared_task(ignore_result=True)
def relay() -> None:
    """Turn new events into deliveries, and send for those that are due; doing so twice changes nothing."""
    webhooks.relay_events(now=timezone.now())
    for delivery_id in webhooks.due_deliveries(now=timezone.now()):
        if not send(deliver, expires_s=MESSAGE_EXPIRES_S, delivery_id=delivery_id):
            # The next relay finds the same deliveries.
            return


@shared_task(ignore_result=True)
def deliver(*, delivery_id: int) -> None:
    """Try a delivery and, as long as the receiver takes them, whatever else is due at its endpoint, for a while."""
    stop_at = timezone.now() + KEEP_GOING
    endpoint_id = WebhookDelivery.objects.filter(pk=delivery_id).values_list("endpoint_id", flat=True).first()
    next_id: int | None = delivery_id
    while endpoint_id is not None and next_id is not None:
        now = timezone.now()
        outcome = webhooks.deliver(next_id, now=now, jitter=random.uniform(-JITTER, JITTER))
        if outcome is not StepState.DONE or timezone.now() >= stop_at:
            # A receiver that fails is not asked again at once, whatever else waits for it.
            return
        next_id = webhooks.next_due(endpoint_id, now=timezone.now())
