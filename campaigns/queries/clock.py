"""The database's clock, by which leases and calling windows go, and how far this node's clock is from it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from campaigns.models import Heartbeat

# Source: reliability Q18.
SKEW_MAX: Final = timedelta(seconds=2)
# A reading is used for so long; in between the seconds are counted by a clock that nobody sets.
READING_LASTS_S: Final = 5.0
# A node says every second that its clock is off; nobody who has been silent for longer is off any more.
FAULT_LASTS: Final = timedelta(seconds=30)
FAULT_PREFIX: Final = "clock_off:"


@dataclass(frozen=True, slots=True)
class Reading:
    """The database's time when `read_at_s` of the monotonic clock was, and by how much this node's clock differs.

    `skew` leaves out what may be the statement's way there and back; 0 where the database is a file on this machine.
    """

    database_at: datetime
    read_at_s: float
    skew: timedelta

    @property
    def is_off(self) -> bool:
        """Whether this node may not claim."""
        return abs(self.skew) > SKEW_MAX

    def now(self) -> datetime:
        """The database's time now."""
        return self.database_at + timedelta(seconds=time.monotonic() - self.read_at_s)


def read_clock() -> Reading:
    """A new reading of the database's clock."""
    if connection.vendor != "postgresql":
        return Reading(timezone.now(), time.monotonic(), timedelta(0))
    began_s, began_at = time.monotonic(), timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        database_at: datetime = cursor.fetchone()[0]
    ended_s = time.monotonic()
    way = timedelta(seconds=(ended_s - began_s) / 2)
    skew = began_at + way - database_at
    return Reading(database_at, began_s + (ended_s - began_s) / 2, _beyond(skew, way))


class DatabaseClock:
    """The database's clock, asked every few seconds and counted on in between. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading: Reading | None = None

    def reading(self) -> Reading:
        """The latest reading, a few seconds old at most."""
        with self._lock:
            latest = self._reading
        if latest is not None and time.monotonic() - latest.read_at_s < READING_LASTS_S:
            return latest
        latest = read_clock()
        with self._lock:
            self._reading = latest
        return latest

    def now(self) -> datetime:
        """The database's time now; this machine's own where the database is a file on it."""
        return timezone.now() if connection.vendor != "postgresql" else self.reading().now()


def clock_fault(now: datetime) -> str:
    """What is wrong with the clocks of the nodes that dial, to follow their name in a sentence; empty if nothing is."""
    off = Heartbeat.objects.filter(name__startswith=FAULT_PREFIX, at__gt=now - FAULT_LASTS).count()
    return f"{off} of them differ by more than {SKEW_MAX.total_seconds():.0f} s from the database's" if off else ""


def _beyond(skew: timedelta, uncertainty: timedelta) -> timedelta:
    """What of a difference is certain."""
    certain = max(timedelta(0), abs(skew) - uncertainty)
    return certain if skew >= timedelta(0) else -certain
