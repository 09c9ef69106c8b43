"""Whether each part of the platform works, by asking it or by what it last left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, connection

from campaigns.models import BridgeNode, Heartbeat
from campaigns.queries.clock import clock_fault, read_clock
from campaigns.queries.dialing import NODE_SEEN_S

BROKER_TIMEOUT_S = 1.0
BRIDGE_SEEN = timedelta(seconds=NODE_SEEN_S)
DIAL = "dial"
# A heartbeat is sent every 5 s. The result workers may all be fetching recordings, which takes up to 45 s each.
HEARTBEAT_AGES: Mapping[str, timedelta] = {DIAL: timedelta(seconds=60), "results": timedelta(seconds=180)}
DISK_FREE_MIN_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it stands; `detail` says what is wrong, without a name, address or secret."""

    name: str
    is_ready: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Every part; the platform is ready when all of them are."""

    parts: tuple[Part, ...]

    @property
    def is_ready(self) -> bool:
        return all(part.is_ready for part in self.parts)


def readiness(now: datetime) -> Readiness:
    """How every part stands. Never raises; takes about a second at worst, when the broker does not answer."""
    database = _database()
    asked = (
        _clock,
        lambda: clock_fault(now),
        lambda: _bridge(now),
        *(_worker(queue, age, now) for queue, age in HEARTBEAT_AGES.items()),
    )
    names = ("clock", "dial_clocks", "bridge", *(f"{queue}_worker" for queue in HEARTBEAT_AGES))
    # What the others left behind stands in the database; without it nothing is known of them.
    known = [
        _asked(name, ask) if database.is_ready else Part(name, False, "unknown: the database does not answer")
        for name, ask in zip(names, asked, strict=True)
    ]
    return Readiness((database, _broker(), *known, _disk()))


def dialer_fault(now: datetime) -> str:
    """What is wrong with the workers that dial, to follow their name in a sentence; empty if they take messages."""
    return _worker_fault(DIAL, HEARTBEAT_AGES[DIAL], now)


def _asked(name: str, ask: Callable[[], str]) -> Part:
    try:
        detail = ask()
    except DatabaseError:
        detail = "unknown: the database does not answer"
    return Part(name, not detail, detail)


def _database() -> Part:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Part("database", False, "does not answer")
    return Part("database", True)


def _broker() -> Part:
    try:
        with redis.Redis.from_url(
            settings.CELERY_BROKER_URL, socket_timeout=BROKER_TIMEOUT_S, socket_connect_timeout=BROKER_TIMEOUT_S
        ) as broker:
            broker.ping()
    except redis.RedisError:
        return Part("broker", False, "does not answer")
    return Part("broker", True)


def _bridge(now: datetime) -> str:
    alive = BridgeNode.objects.filter(seen_at__gte=now - BRIDGE_SEEN)
    if not alive.exists():
        return "no bridge process is running"
    return "" if alive.filter(is_draining=False).exists() else "every bridge process is draining"


def _clock() -> str:
    reading = read_clock()
    return f"differs by {reading.skew.total_seconds():+.0f} s from the database's" if reading.is_off else ""


def _worker(queue: str, oldest: timedelta, now: datetime) -> Callable[[], str]:
    return lambda: _worker_fault(queue, oldest, now)


def _worker_fault(queue: str, oldest: timedelta, now: datetime) -> str:
    at = Heartbeat.objects.filter(name=queue).values_list("at", flat=True).first()
    if at is None:
        return "has taken no message yet"
    age = now - at
    return "" if age <= oldest else f"took its last message {age.total_seconds():.0f} s ago"


def _disk() -> Part:
    try:
        free_bytes = shutil.disk_usage(settings.DATA_DIR).free
    except OSError:
        return Part("disk", False, "the data directory cannot be read")
    if free_bytes < DISK_FREE_MIN_BYTES:
        return Part("disk", False, f"less than {DISK_FREE_MIN_BYTES // 2**20} MiB are free")
    return Part("disk", True)
