"""`manage.py simulate_psr`: the PSR simulator alone."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from telephony.simulator.behaviour_table import TABLE
from telephony.simulator.options import CHUNK_LENGTHS_MS, Options
from telephony.simulator.playout import Hypothesis, PlayoutSettings, Replacement
from telephony.simulator.server import running

_DEFAULTS = Options()
_VARY = "vary"


class Command(BaseCommand):
    """Runs the simulator until SIGTERM or Ctrl-C."""

    help = "Run a PSR simulator: the real HTTP and WebSocket protocol, with callees who speak and listen."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of `telephony.simulator.options.Options`."""
        parser.add_argument("--host", default=_DEFAULTS.host)
        parser.add_argument("--port", type=int, default=_DEFAULTS.port, help="0 takes any free port")
        parser.add_argument(
            "--token",
            default=settings.SIMULATOR_TOKEN or None,
            help="the only token accepted (default: SIMULATOR_TOKEN); without one any token is",
        )
        parser.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="voices, rings and packets by destination")
        parser.add_argument("--ring-min", type=float, default=_DEFAULTS.ring_min_s, metavar="S")
        parser.add_argument("--ring-max", type=float, default=_DEFAULTS.ring_max_s, metavar="S")
        parser.add_argument("--no-answer", type=float, default=_DEFAULTS.no_answer_s, metavar="S")
        parser.add_argument("--slow-reply", type=float, default=_DEFAULTS.slow_reply_s, metavar="S")
        parser.add_argument("--late-connect", type=float, default=_DEFAULTS.late_connect_s, metavar="S")
        parser.add_argument(
            "--chunk-ms",
            default=str(_DEFAULTS.chunk_ms),
            choices=[*map(str, CHUNK_LENGTHS_MS), _VARY],
            help="length of a media message; `vary` chooses one by destination",
        )
        parser.add_argument(
            "--playback",
            default=_DEFAULTS.playout.hypothesis.value,
            choices=[choice.value for choice in Hypothesis],
            help="how chunks are played: h1 each as a file, h2 as one stream",
        )
        parser.add_argument(
            "--replaces",
            default=_DEFAULTS.playout.replacement.value,
            choices=[choice.value for choice in Replacement],
            help="what a media file with is_sync false stops",
        )
        parser.add_argument("--file-gap-ms", type=int, default=_DEFAULTS.playout.file_gap_ms)
        parser.add_argument("--ledger", type=Path, metavar="PATH", help="append every event to this JSONL file")
        parser.add_argument("--max-calls", type=int, default=_DEFAULTS.max_calls, help="calls open at once, then 429")
        parser.add_argument("--behaviours", action="store_true", help="print what each number does, and exit")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, or print the table.

        Raises:
            CommandError: the port is taken, the ledger cannot be written, or the ring times are no range.
        """
        if options["behaviours"]:
            for row in TABLE:
                self.stdout.write(f"{row.endings:6} {row.behaviour.name:22} {row.behaviour.description}")
            return
        if not 0 <= options["ring_min"] <= options["ring_max"]:
            raise CommandError("--ring-min must be 0 or more and not above --ring-max")
        try:
            asyncio.run(self._serve(_options(options)))
        except OSError as error:
            raise CommandError(f"cannot start on {options['host']}:{options['port']}: {error}") from error

    async def _serve(self, options: Options) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        async with running(options) as simulator:
            self.stdout.write(f"ready {simulator.url}")
            self.stdout.flush()
            await stopped.wait()


def _options(given: dict[str, Any]) -> Options:
    return Options(
        host=given["host"],
        port=given["port"],
        token=given["token"] or settings.SIMULATOR_TOKEN or None,
        seed=given["seed"],
        ring_min_s=given["ring_min"],
        ring_max_s=given["ring_max"],
        no_answer_s=given["no_answer"],
        slow_reply_s=given["slow_reply"],
        late_connect_s=given["late_connect"],
        chunk_ms=None if given["chunk_ms"] == _VARY else int(given["chunk_ms"]),
        playout=PlayoutSettings(
            hypothesis=Hypothesis(given["playback"]),
            replacement=Replacement(given["replaces"]),
            file_gap_ms=given["file_gap_ms"],
        ),
        ledger=given["ledger"],
        max_calls=given["max_calls"],
    )
