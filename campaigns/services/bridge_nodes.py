"""Bridge processes: what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaigns.models import BridgeNode
from campaigns.queries.dialing import free_bridge_slots

__all__ = ["free_bridge_slots", "heartbeat", "retire"]


def heartbeat(
    *,
    name: str,
    capacity: int,
    live_calls: int,
    is_draining: bool,
    now: datetime,
    gauges: Mapping[str, Any] | None = None,
) -> None:
    """Record that a bridge process lives, what it can take and what it measured."""
    BridgeNode.objects.update_or_create(
        name=name,
        defaults={
            "capacity": capacity,
            "live_calls": live_calls,
            "is_draining": is_draining,
            "gauges": dict(gauges or {}),
            "seen_at": now,
        },
    )


def retire(*, name: str) -> None:
    """Forget a bridge process that has ended."""
    BridgeNode.objects.filter(name=name).delete()
