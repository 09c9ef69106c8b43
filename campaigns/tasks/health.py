"""A message that goes the whole way, beat, broker, queue and worker, and leaves a row at its end."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from campaigns.services.heartbeats import record_heartbeat


@shared_task(ignore_result=True)
def beat(*, queue: str) -> None:
    """Note that the workers of a queue take messages."""
    record_heartbeat(queue, now=timezone.now())
