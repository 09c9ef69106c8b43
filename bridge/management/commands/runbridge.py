"""`manage.py runbridge`: one process that serves the pages and carries the calls."""

from __future__ import annotations

import errno
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.server import run


class Command(BaseCommand):
    help = "Serve the pages and carry live calls; SIGTERM lets calls end first. Run one per core."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument(
            "--port", type=int, default=8000, help="port to listen on, 0 for any free one (default 8000)"
        )

    def handle(self, *_args: Any, host: str, port: int, **_options: Any) -> None:
        try:
            run(host, port, self._ready)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                raise
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error

    def _ready(self, url: str) -> None:
        self.stdout.write(f"ready {url}")
        self.stdout.flush()
