"""`manage.py live_call_service`: a small AI service behind LiveCall's gRPC protocol."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge.agents.base import AgentUnavailable
from bridge.agents.livecall_grpc.channel import check_health, open_channel
from bridge.agents.livecall_grpc.config import AudioEncoding, LiveCallServer, check_target
from bridge.agents.livecall_grpc.service import DEFAULT_SCRIPT, Fault, Options, read_script, running
from bridge.audio.resample import SUPPORTED_RATES_HZ

_DEFAULTS = Options()
CHECK_TIMEOUT_S = 3.0


class Command(BaseCommand):
    """Runs the service until SIGTERM or Ctrl-C."""

    help = "Run a reference AI service (gRPC): greets, hears that somebody speaks, answers, transfers, hangs up."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options of `bridge.agents.livecall_grpc.service.Options`."""
        parser.add_argument("--host", default=_DEFAULTS.host)
        parser.add_argument("--port", type=int, default=_DEFAULTS.port, help="0 takes any free port")
        parser.add_argument("--script", type=Path, metavar="FILE", help="JSON: what is said (default: a short survey)")
        parser.add_argument(
            "--rate", type=int, default=_DEFAULTS.rate_hz, choices=SUPPORTED_RATES_HZ, help="Hz of what it says"
        )
        parser.add_argument("--end-key", default=_DEFAULTS.end_key, metavar="KEY", help="says goodbye (default 9)")
        parser.add_argument("--transfer-key", default=_DEFAULTS.transfer_key, metavar="KEY", help="default 0")
        parser.add_argument(
            "--staff", action="append", default=[], metavar="NUMBER", help="whom a transfer names; may be repeated"
        )
        manners = parser.add_argument_group("manners of other services")
        manners.add_argument("--legacy", action="store_true", help="fields 1 to 9 only: no item ids, no transcripts")
        manners.add_argument("--base64-text", action="store_true", help="audio as base64 text")
        manners.add_argument("--width-in-bits", action="store_true", help="sample_width 16")
        manners.add_argument("--no-rate", action="store_true", help="sample_rate not set")
        manners.add_argument("--no-status", action="store_true", help="status not set")
        manners.add_argument("--fault", default=Fault.NONE.value, choices=[fault.value for fault in Fault])
        parser.add_argument("--check", metavar="HOST:PORT", help="ask a service whether it takes calls, and exit")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, or ask.

        Raises:
            CommandError: the port is taken, the script cannot be used, or the service asked does not take calls.
        """
        try:
            if options["check"]:
                check_target(options["check"])
                asyncio.run(_ask(LiveCallServer(options["check"])))
                self.stdout.write("serving")
                return
            asyncio.run(self._serve(_options(options)))
        except (ValueError, AgentUnavailable, OSError) as error:
            raise CommandError(str(error)) from error

    async def _serve(self, options: Options) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        async with running(options) as service:
            self.stdout.write(f"ready {service.target}")
            self.stdout.flush()
            await stopped.wait()


async def _ask(server: LiveCallServer) -> None:
    channel = open_channel(server)
    try:
        await check_health(channel, CHECK_TIMEOUT_S)
    finally:
        await channel.close(None)


def _options(given: dict[str, Any]) -> Options:
    script = DEFAULT_SCRIPT if given["script"] is None else read_script(given["script"])
    return Options(
        host=given["host"],
        port=given["port"],
        rate_hz=given["rate"],
        script=script,
        end_key=given["end_key"],
        transfer_key=given["transfer_key"],
        staff=tuple(given["staff"]),
        encoding=AudioEncoding.BASE64_TEXT if given["base64_text"] else AudioEncoding.BYTES,
        has_extensions=not given["legacy"],
        says_width_in_bits=given["width_in_bits"],
        leaves_out_rate=given["no_rate"],
        leaves_out_status=given["no_status"],
        fault=Fault(given["fault"]),
    )
