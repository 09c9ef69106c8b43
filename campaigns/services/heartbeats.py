"""Recording signs of life."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Heartbeat
from campaigns.queries.clock import FAULT_PREFIX

NAME_MAX_CHARS = 40


def record_heartbeat(name: str, *, now: datetime) -> None:
    """Note that a part works now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now})


def record_clock_fault(node: str, *, now: datetime) -> None:
    """Note that a node's clock is too far from the database's, so that it claims nobody."""
    record_heartbeat(f"{FAULT_PREFIX}{node}"[:NAME_MAX_CHARS], now=now)
