"""Whether each part of the platform works, by asking it or by what it last left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q

from campaigns.models import BridgeNode, Heartbeat
from campaigns.queries.clock import clock_fault, read_clock
from campaigns.queries.dialing import NODE_SEEN_S
from campaigns.queries.fitness import names_of_the_unfit, unfit_in_words

BROKER_TIMEOUT_S = 1.0
BRIDGE_SEEN = timedelta(seconds=NODE_SEEN_S)
DIAL = "dial"
# By which a dial worker says that it does the beat's work. Source: reliability Q10, D29.
STAND_IN = "stand_in"
BEAT_GONE = timedelta(seconds=15)
NO_EVICTION = "noeviction"
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
        *(_worker(queue, now) for queue in HEARTBEAT_AGES),
    )
    names = ("clock", "dial_clocks", "bridge", *(f"{queue}_worker" for queue in HEARTBEAT_AGES))
    # What the others left behind stands in the database; without it nothing is known of them.
    known = [
        _asked(name, ask) if database.is_ready else Part(name, False, "unknown: the database does not answer")
        for name, ask in zip(names, asked, strict=True)
    ]
    return Readiness((database, _broker(), *known, _disk()))


def dialer_fault(now: datetime) -> str:
    """What is wrong with the workers that dial, to follow their name in a sentence; empty if they dial."""
    signs = Heartbeat.objects.filter(Q(name__in=(DIAL, STAND_IN)) | names_of_the_unfit())
    seen = dict(signs.values_list("name", "at"))
    if fault := unfit_in_words(seen, now):
        return fault
    return _age_fault(max((seen[name] for name in (DIAL, STAND_IN) if name in seen), default=None), DIAL, now)


def is_beat_gone(now: datetime) -> bool:
    """Whether no message of the beat has come through for so long that a dial worker must take its place."""
    return not Heartbeat.objects.filter(name=DIAL, at__gt=now - BEAT_GONE).exists()


def broker_answers() -> bool:
    """Whether the broker takes messages now. Takes a second at worst."""
    return _broker().is_ready


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
            return Part("broker", True, _eviction(broker))
    except redis.RedisError:
        return Part("broker", False, "does not answer")


def broker_advice() -> str:
    """What should be changed in the broker's configuration; empty if nothing, or if it does not say."""
    return _broker().detail


def _eviction(broker: redis.Redis) -> str:
    """What a broker does that is full; empty for one that refuses new messages, and for one that does not tell."""
    try:
        policy = broker.config_get("maxmemory-policy").get("maxmemory-policy", NO_EVICTION)
    except redis.ResponseError:
        # Hosted ones forbid the question.
        return ""
    return "" if policy == NO_EVICTION else f"drops messages when it is full: set maxmemory-policy to {NO_EVICTION}"


def _bridge(now: datetime) -> str:
    alive = BridgeNode.objects.filter(seen_at__gte=now - BRIDGE_SEEN)
    if not alive.exists():
        return "no bridge process is running"
    return "" if alive.filter(is_draining=False).exists() else "every bridge process is draining"


def _clock() -> str:
    reading = read_clock()
    return f"differs by {reading.skew.total_seconds():+.0f} s from the database's" if reading.is_off else ""


def _worker(queue: str, now: datetime) -> Callable[[], str]:
    return lambda: _worker_fault(queue, now)


def _worker_fault(queue: str, now: datetime) -> str:
    return _age_fault(Heartbeat.objects.filter(name=queue).values_list("at", flat=True).first(), queue, now)


def _age_fault(at: datetime | None, queue: str, now: datetime) -> str:
    if at is None:
        return "has taken no message yet"
    age = now - at
    return "" if age <= HEARTBEAT_AGES[queue] else f"took its last message {age.total_seconds():.0f} s ago"


def _disk() -> Part:
    try:
        free_bytes = shutil.disk_usage(settings.DATA_DIR).free
    except OSError:
        return Part("disk", False, "the data directory cannot be read")
    if free_bytes < DISK_FREE_MIN_BYTES:
        return Part("disk", False, f"less than {DISK_FREE_MIN_BYTES // 2**20} MiB are free")
    return Part("disk", True)
