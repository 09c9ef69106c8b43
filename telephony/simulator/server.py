"""The running simulator: one listening socket, and a task for every request and every call."""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
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
    # Bound before the task group is entered: what goes wrong here is the caller's to handle, not a group's.
    listener = socket.create_server((options.host, options.port), family=_family(options.host))
    ledger = Ledger(options.ledger)
    tasks: dict[asyncio.Task[None], Call | None] = {}
    stopping = asyncio.Event()
    try:
        with tempfile.TemporaryDirectory(prefix="psr-simulator-") as folder:
            async with asyncio.TaskGroup() as group:

                def spawn(work: Coroutine[Any, Any, None], call: Call | None = None) -> None:
                    task = group.create_task(_guarded(work))
                    tasks[task] = call
                    task.add_done_callback(tasks.pop)

                def start(call: Call) -> None:
                    spawn(call.run(), call)

                base_url = _base_url(listener)
                api = Api(Exchange(options, clock, ledger, Path(folder), stopping), base_url, start)

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    spawn(serve_connection(reader, writer, api.answer))

                server = await asyncio.start_server(accept, sock=listener)
                try:
                    yield Simulator(base_url, ledger)
                finally:
                    server.close()
                    stopping.set()
                    await _finish(tasks)
    finally:
        listener.close()
        ledger.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _finish(tasks: Mapping[asyncio.Task[None], Call | None]) -> None:
    """Give calls that are streaming time to say goodbye; cancel everything else, and at the deadline them too."""
    streaming = [task for task, call in tasks.items() if call is not None and call.is_streaming]
    for task in set(tasks).difference(streaming):
        task.cancel()
    if streaming:
        await asyncio.wait(streaming, timeout=STOP_DEADLINE_S)
    for task in streaming:
        task.cancel()


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """Run one request or one call; what goes wrong in it must not end the others."""
    try:
        await work
    except Exception:  # the top of a consumer: a fault in one call is logged, the others talk on
        logger.exception("a request or call of the simulator failed")
