"""The running simulator: one listening socket, and a task for every request and every call."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from telephony.simulator.api import Api
from telephony.simulator.calls import Call, Exchange
from telephony.simulator.http import serve_connection
from telephony.simulator.ledger import Ledger
from telephony.simulator.options import Clock, Options

logger = logging.getLogger(__name__)

STOP_DEADLINE_S = 4.0


@dataclass(frozen=True, slots=True)
class Simulator:
    """A simulator that is listening."""

    url: str
    ledger: Ledger


@asynccontextmanager
async def running(options: Options, clock: Clock | None = None) -> AsyncIterator[Simulator]:
    """A simulator that listens until the block is left, when live calls are told and ended.

    Raises:
        OSError: the port is taken, or the ledger cannot be written.
    """
    clock = clock or Clock()
    ledger = Ledger(options.ledger)
    tasks: set[asyncio.Task[None]] = set()
    stopping = asyncio.Event()
    try:
        with tempfile.TemporaryDirectory(prefix="psr-simulator-") as folder:
            async with asyncio.TaskGroup() as group:

                def spawn(work: Coroutine[Any, Any, None]) -> None:
                    task = group.create_task(_guarded(work))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    spawn(serve_connection(reader, writer, api.answer))

                def start(call: Call) -> None:
                    spawn(call.run())

                server = await asyncio.start_server(accept, options.host, options.port)
                host, port = server.sockets[0].getsockname()[:2]
                base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
                api = Api(Exchange(options, clock, ledger, Path(folder), stopping), base_url, start)
                try:
                    yield Simulator(base_url, ledger)
                finally:
                    server.close()
                    stopping.set()
                    await _finish(tasks)
    finally:
        ledger.close()


async def _finish(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for live calls to say goodbye, then cancel what is left."""
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_DEADLINE_S)
    for task in list(tasks):
        task.cancel()


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """Run one request or one call; what goes wrong in it must not end the others."""
    try:
        await work
    except Exception:
        logger.exception("a request or call of the simulator failed")
