"""Whether this process and its database belong together: the same schema, and one machine where it is a file."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q

from campaigns.models import Heartbeat

APP: Final = "campaigns"
# A worker says every second that it does not fit; nobody who has been silent for longer is unfit any more.
FAULT_LASTS: Final = timedelta(seconds=30)
# A machine shows itself every five seconds.
MACHINE_SEEN: Final = timedelta(seconds=30)
MACHINE_PREFIX: Final = "machine:"
# Of the kernel that runs now, so that the containers of one machine are one.
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Unfit(StrEnum):
    """Why a dial worker claims nobody. Prefixes of heartbeats, each followed by the node's name."""

    SCHEMA = "schema_differs:"
    SHARED_FILE = "file_shared:"


IN_WORDS: Mapping[Unfit, str] = {
    Unfit.SCHEMA: "is of another version than the database; migrate it, or restart the worker with its version",
    Unfit.SHARED_FILE: "shares the SQLite file with another machine; stop one of them, or use PostgreSQL",
}


def unfit(now: datetime) -> Unfit | None:
    """Why this process must not dial with its database; None if it may."""
    if _applied() != known_migrations():
        return Unfit.SCHEMA
    if connection.vendor == "sqlite" and other_machines(now):
        return Unfit.SHARED_FILE
    return None


def names_of_the_unfit() -> Q:
    """The heartbeats by which dial workers say that they do not fit."""
    return Q(name__startswith=Unfit.SCHEMA.value) | Q(name__startswith=Unfit.SHARED_FILE.value)


def unfit_in_words(seen: Mapping[str, datetime], now: datetime) -> str:
    """What heartbeats say of dial workers that do not fit, to follow their name in a sentence; empty if all fit."""
    lately = [name for name, at in seen.items() if at > now - FAULT_LASTS]
    return next((IN_WORDS[fault] for fault in Unfit if any(name.startswith(fault.value) for name in lately)), "")


def other_machines(now: datetime) -> bool:
    """Whether another machine has lately dialed with this database."""
    seen = Heartbeat.objects.filter(name__startswith=MACHINE_PREFIX, at__gt=now - MACHINE_SEEN)
    return seen.exclude(name=machine_name()).exists()


@lru_cache(maxsize=1)
def known_migrations() -> frozenset[str]:
    """The migrations this version was made with; read once, before another version can take their place."""
    return frozenset(name for app, name in MigrationLoader(None).disk_migrations if app == APP)


@lru_cache(maxsize=1)
def machine_name() -> str:
    """The heartbeat by which this machine shows itself; another after each start of the machine."""
    try:
        told = BOOT_ID.read_text()
    except OSError:
        told = f"{uuid.getnode():x}"
    return f"{MACHINE_PREFIX}{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _applied() -> frozenset[str]:
    rows = MigrationRecorder(connection).migration_qs.filter(app=APP)
    return frozenset(rows.values_list("name", flat=True))
