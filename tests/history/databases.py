"""An empty, migrated database for each run: copies of one template, which is migrated once per server."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import environ
import psycopg
from django.core.management import call_command
from django.db import connections

from tests.servers import PostgresServer

RESTART_EVERY_S = 5.0
# Several invocations may share a server.
PREFIX = f"history_{os.getpid()}"
TEMPLATE = f"{PREFIX}_template"


class Databases(Protocol):
    """Where runs get their databases from."""

    def make(self, directory: Path, *, is_restarted: bool) -> str:
        """The URL of a new database for the run in `directory`."""

    def restart_if_due(self) -> bool:
        """Kill and start the server of the runs that asked for it, now and then; whether that was done."""


def use(url: str) -> None:
    """Let this process, which must not be connected, work with another database of the same kind."""
    connections.close_all()
    connections.settings["default"].update(
        {key: value for key, value in environ.Env.db_url_config(url).items() if key != "OPTIONS"}
    )


@contextmanager
def open_databases(server_url: str, directory: Path, *, has_restarts: bool) -> Iterator[Databases]:
    """Databases on the PostgreSQL server at `server_url`, or SQLite files where that is empty.

    With `has_restarts` a PostgreSQL server of their own is started for the runs that ask for it.
    """
    with ExitStack() as at_the_end:
        if not server_url:
            yield _Files(directory / "template.sqlite3")
            return
        restarted = None
        if has_restarts:
            # Not below `directory`, which may be closed to the user that PostgreSQL runs as.
            own = at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="trunkline-pg-"))
            restarted = PostgresServer(Path(own), durable=True)
            restarted.start()
            at_the_end.callback(restarted.stop)
        databases = _Servers(server_url, restarted)
        at_the_end.callback(databases.drop_all)
        yield databases


class _Files:
    """SQLite: copies of a file."""

    def __init__(self, template: Path) -> None:
        self._template = template
        _migrate(f"sqlite:///{template}")

    def make(self, directory: Path, *, is_restarted: bool) -> str:
        made = directory / "run.sqlite3"
        shutil.copyfile(self._template, made)
        return f"sqlite:///{made}"

    def restart_if_due(self) -> bool:
        return False


class _Servers:
    """PostgreSQL: databases made from a template, on a server that stays or on one that is killed again and again."""

    def __init__(self, stable_url: str, restarted: PostgresServer | None) -> None:
        self._stable_url = stable_url
        self._restarted = restarted
        self._next_restart_s = 0.0
        self._made: list[str] = []
        for url in (stable_url, restarted.url if restarted else ""):
            if url:
                _execute(url, f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}")
                _migrate(_named(url, TEMPLATE))

    def make(self, directory: Path, *, is_restarted: bool) -> str:
        name = f"{PREFIX}_{directory.name}".replace("-", "_")
        if is_restarted and self._restarted:
            self._next_restart_s = self._next_restart_s or time.monotonic() + RESTART_EVERY_S
            server = self._restarted.url
        else:
            server = self._stable_url
            self._made.append(name)
        _execute(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return _named(server, name)

    def restart_if_due(self) -> bool:
        if not self._restarted or not self._next_restart_s or time.monotonic() < self._next_restart_s:
            return False
        self._restarted.crash()
        self._restarted.start()
        self._next_restart_s = time.monotonic() + RESTART_EVERY_S
        return True

    def drop_all(self) -> None:
        """Leave nothing behind on the server that stays."""
        _execute(
            self._stable_url, *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in (*self._made, TEMPLATE))
        )


def _migrate(url: str) -> None:
    use(url)
    call_command("migrate", verbosity=0)
    connections.close_all()


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
