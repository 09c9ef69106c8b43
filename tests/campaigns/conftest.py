"""Fixtures for tests that need more of a database than the default test database gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection


@pytest.fixture
def shared_database(transactional_db, tmp_path: Path) -> Iterator[None]:
    """A database several threads may write to at once, as in production.

    SQLite's default test database lives in memory, where concurrent writers get "table is locked" instead of waiting;
    for the length of the test a file takes its place. Other databases stay as they are.
    """
    if connection.vendor != "sqlite" or "memory" not in str(connection.settings_dict["NAME"]):
        yield
        return
    connection.ensure_connection()
    in_memory, name = connection.connection, connection.settings_dict["NAME"]
    path = tmp_path / "shared.sqlite3"
    copy = sqlite3.connect(path)
    in_memory.backup(copy)
    copy.close()
    # The settings are one object for the connections of all threads.
    connection.connection = None
    connection.settings_dict["NAME"] = str(path)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
        connection.connection = in_memory


@contextmanager
def right_after(table: str, action: Callable[[], object]) -> Iterator[None]:
    """Let `action` happen once, right after the first SELECT from `table`: what another process might do just then."""
    is_done = False

    def execute(run, sql, params, many, context):
        nonlocal is_done
        result = run(sql, params, many, context)
        if not is_done and sql.startswith("SELECT") and f'FROM "{table}"' in sql:
            is_done = True
            action()
        return result

    with connection.execute_wrapper(execute):
        yield
    assert is_done, f"nothing read {table}"
