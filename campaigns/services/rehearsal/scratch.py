"""A database in memory for a rehearsal: the same tables, and nothing that could touch the real ones.

Django keeps a connection per thread, and services ask for the default one. While a rehearsal plays, its thread's
default connection is the scratch one, so the real services work on it as they are; other threads go on with theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model
from django.db.utils import ConnectionHandler

from campaigns.models import BridgeNode, Heartbeat
from campaigns.queries.health import HEARTBEAT_AGES

SCRATCH = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "OPTIONS": {"transaction_mode": "IMMEDIATE"},
}
# Tables that ours refer to.
FOREIGN_APPS = ("contenttypes", "auth")
OURS = "campaigns"
# Longer than any rehearsal plays.
ALWAYS = timedelta(days=3650)


@contextmanager
def scratch_database() -> Iterator[None]:
    """For its length this thread works with an empty database of its own, in memory. Not to be nested."""
    real = connections[DEFAULT_DB_ALIAS]
    scratch = ConnectionHandler({DEFAULT_DB_ALIAS: SCRATCH})[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = scratch
    try:
        with scratch.schema_editor() as editor:
            for app in (*FOREIGN_APPS, OURS):
                for model in apps.get_app_config(app).get_models():
                    editor.create_model(model)
        # Only what a rehearsal needs is copied: rows may name others that were left behind.
        scratch.disable_constraint_checking()
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = real
        if scratch.connection is not None:
            # Django's own close() spares databases in memory.
            scratch.connection.close()


def fill_scratch(rows: Sequence[Model], *, bridge_calls: int, now: datetime) -> None:
    """Copy the rows into the scratch database, beside workers and a bridge that are always there."""
    by_model = defaultdict[type[Model], list[Model]](list)
    for row in rows:
        fields = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
        by_model[type(row)].append(type(row)(**fields))
    for model, copies in by_model.items():
        model._base_manager.bulk_create(copies)
    BridgeNode.objects.create(name="rehearsal", capacity=bridge_calls, seen_at=now + ALWAYS)
    Heartbeat.objects.bulk_create(Heartbeat(name=name, at=now + ALWAYS) for name in HEARTBEAT_AGES)
