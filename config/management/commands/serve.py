"""`manage.py serve`: the whole platform on one machine."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from campaigns.queries.fitness import other_machines
from campaigns.queries.health import broker_advice
from config import embedded_broker
from config.demo import Demo
from config.first_start import ADMIN_NAME, prepare_database
from config.platform import Layout, broker_part, platform_parts, simulator_part
from config.supervisor import Part, PartFailed, Supervisor

WATCH_EVERY_S = 0.5
SIMULATOR_PORT = 9100


class _Stop(Exception):
    """SIGTERM or Ctrl-C."""


class Command(BaseCommand):
    help = "Web and bridge, dial worker, worker, beat, and the embedded broker when REDIS_URL is unset."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.SERVE_PORT)
        parser.add_argument("--demo", action="store_true", help="with the PSR simulator and a sample campaign")
        parser.add_argument("--exit-when-finished", action="store_true", help="with --demo: stop after the campaign")

    def handle(self, *_: Any, host: str, port: int, demo: bool, exit_when_finished: bool, **__: Any) -> None:
        refuse_taken_port(host, port, "the platform", "--port")
        self.say("preparing the database")
        prepare_database()
        refuse_shared_file()
        supervisor = Supervisor(settings.DATA_DIR / "logs", self.say)
        with signals_as_stop():
            try:
                self._run(supervisor, host, port, demo, exit_when_finished)
            except PartFailed as error:
                raise CommandError(str(error)) from None
            except _Stop:
                self.say("stopping: no new calls, live ones are drained")
            finally:
                ignore_signals()
                supervisor.stop()
                self.say("stopped")

    def _run(self, supervisor: Supervisor, host: str, port: int, demo: bool, exit_when_finished: bool) -> None:
        environment = {**os.environ, "DATA_DIR": str(settings.DATA_DIR), "SERVE_PORT": str(port)}
        redis_url = settings.REDIS_URL
        if not redis_url:
            try:
                broker = embedded_broker.prepare(settings.DATA_DIR / "broker")
            except embedded_broker.NoBrokerBinary as error:
                raise CommandError(str(error)) from None
            supervisor.start(broker_part(broker, environment))
            redis_url = environment["REDIS_URL"] = broker.url
        elif advice := broker_advice():
            self.say(f"the broker of REDIS_URL {advice}")
        layout = Layout(settings.DATA_DIR, host, port, redis_url, environment, settings.DRAIN_TIMEOUT_S)
        parts: list[Part] = []
        simulator_url, token = "", secrets.token_urlsafe(24)
        if demo:
            simulator_port = SIMULATOR_PORT if is_free("127.0.0.1", SIMULATOR_PORT) else embedded_broker.free_port()
            simulator_url = f"http://127.0.0.1:{simulator_port}"
            ledger = settings.DATA_DIR / "simulator-ledger.jsonl"
            parts.append(simulator_part(layout, port=simulator_port, token=token, ledger=ledger))
        parts += platform_parts(layout)
        self.say(f"starting {', '.join(part.name for part in parts)}")
        supervisor.start(*parts)
        self.say(f"ready {layout.url}")
        if settings.ADMIN_PASSWORD:
            self.say(f"sign in as {ADMIN_NAME} with the password {settings.ADMIN_PASSWORD}")
        sample = Demo(simulator_url, token, self.say) if demo else None
        if sample:
            sample.launch()
            self.say(f"watch it at {layout.url}{sample.page}")
        while True:
            supervisor.watch()
            if sample and sample.report() and exit_when_finished:
                return
            time.sleep(WATCH_EVERY_S)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def refuse_taken_port(host: str, port: int, who: str, option: str) -> None:
    """Say plainly that the port is taken.

    Raises:
        CommandError: it is.
    """
    if not is_free(host, port):
        raise CommandError(
            f"Port {port} on {host} is taken, so {who} cannot listen there. "
            f"Stop what uses it, or choose another with {option} (make run ARGS='{option} {port + 1}')."
        )


def refuse_shared_file() -> None:
    """Say plainly that another machine works with the SQLite file.

    Raises:
        CommandError: one does, or did until half a minute ago.
    """
    if connection.vendor == "sqlite" and other_machines(timezone.now()):
        raise CommandError(
            "Another machine uses this SQLite file. Stop the platform there, or set DATABASE_URL to one PostgreSQL "
            "server for both. If this machine was restarted a moment ago, try again in half a minute."
        )


@contextmanager
def signals_as_stop() -> Iterator[None]:
    """SIGTERM and Ctrl-C end the body with `_Stop`."""

    def stop(_: int, __: FrameType | None) -> None:
        raise _Stop

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """While the parts are being stopped a second signal must not leave any of them behind."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
