"""Recording signs of life."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Heartbeat
from campaigns.queries.clock import FAULT_PREFIX
from campaigns.queries.fitness import Unfit
from campaigns.queries.health import STAND_IN

NAME_MAX_CHARS = 40


def record_heartbeat(name: str, *, now: datetime) -> None:
    """Note that a part works now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now})


def take_turn(*, now: datetime, ends_at: datetime) -> bool:
    """Whether this process may stand in for the beat until `ends_at`; nobody else may before that."""
    Heartbeat.objects.get_or_create(name=STAND_IN, defaults={"at": now})
    return bool(Heartbeat.objects.filter(name=STAND_IN, at__lte=now).update(at=ends_at))


def end_turn(*, now: datetime) -> None:
    """Let the next one stand in."""
    record_heartbeat(STAND_IN, now=now)


def record_unfit(fault: Unfit, node: str, *, now: datetime) -> None:
    """Note that a node and the database do not belong together, so that it claims nobody."""
    record_heartbeat(f"{fault.value}{node}"[:NAME_MAX_CHARS], now=now)


def record_clock_fault(node: str, *, now: datetime) -> None:
    """Note that a node's clock is too far from the database's, so that it claims nobody."""
    record_heartbeat(f"{FAULT_PREFIX}{node}"[:NAME_MAX_CHARS], now=now)
