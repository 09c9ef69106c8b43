"""The test database, as other threads than the test's own see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@contextmanager
def database_for_threads() -> Iterator[None]:
    """Lets threads use the database while a `transaction=True` test runs, and leaves no connection behind.

    Connections must not outlive their use, or the test database could not be dropped. And SQLite's in-memory database
    is shared between threads without SQLite's usual patience: a reader fails at once where another thread writes.
    """
    kept_s = connection.settings_dict["CONN_MAX_AGE"]
    connection.settings_dict["CONN_MAX_AGE"] = 0
    connection_created.connect(_read_uncommitted)
    try:
        yield
    finally:
        connection_created.disconnect(_read_uncommitted)
        connection.settings_dict["CONN_MAX_AGE"] = kept_s


def _read_uncommitted(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA read_uncommitted = 1")
