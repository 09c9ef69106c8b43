"""Writing facts to the outbox, inside the transaction that makes them true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaigns.enums import WebhookEvent
from campaigns.models import OutboxEvent


def record_event(*, type: WebhookEvent, subject: str, body: Mapping[str, Any], occurred_at: datetime) -> None:
    """Put one event into the outbox; the same fact twice is one row. `body` becomes the payload's `data`."""
    event = OutboxEvent(type=type, subject=subject, occurred_at=occurred_at, body=dict(body))
    OutboxEvent.objects.bulk_create([event], ignore_conflicts=True)
