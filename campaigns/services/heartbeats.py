"""Recording signs of life."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Heartbeat


def record_heartbeat(name: str, *, now: datetime) -> None:
    """Note that a part works now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now})
