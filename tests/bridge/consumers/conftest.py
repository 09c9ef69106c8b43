"""The switches' sockets on a real server in the test's own loop, with a desk that writes to the test's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import pytest
import uvicorn
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.urls import re_path
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.calls import CallDesk
from bridge.consumers import psr, stream
from bridge.consumers.door import UnknownPath, _limiter
from bridge.consumers.resume import live_legs
from bridge.routing import routes_of
from bridge.session import CallSummary
from campaigns.tasks import results
from telephony.protocols.registry import PROTOCOLS
from tests.threads import database_for_threads

DEADLINE_S = 20.0
T = TypeVar("T")


class Desk(CallDesk):
    """A desk that knows whether it is still writing the end of a call."""

    finishing = 0

    async def finish(self, call_id: UUID, summary: CallSummary, recording: Path | None) -> None:
        self.finishing += 1
        await super().finish(call_id, summary, recording)
        self.finishing -= 1


@dataclass
class Bridge:
    """Where vendors connect, and what the desk behind it knows."""

    port: int
    desk: Desk

    def connect(self, path: str, **options: Any) -> Any:
        return connect(f"ws://127.0.0.1:{self.port}/{path}", proxy=None, **options)

    async def refusal(self, path: str, **options: Any) -> int:
        """The HTTP status with which a handshake is refused."""
        with pytest.raises(InvalidStatus) as refused:
            async with self.connect(path, **options):
                pass
        return refused.value.response.status_code

    async def begun(self) -> None:
        """Wait until a call is carried."""
        await until(lambda: bool(live_legs._entries))

    async def lost(self) -> None:
        """Wait until a call has noticed that its socket is gone."""
        await until(lambda: any(entry.leg.is_waiting for entry in live_legs._entries.values()))

    async def settled(self) -> None:
        """Wait until no call lives any more, and the ends of all are written."""
        await until(lambda: self.desk.live_calls == self.desk.finishing == 0)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that happens on the other side of a real socket."""
    while not is_so():  # noqa: ASYNC110  the other side tells nobody
        await asyncio.sleep(0.005)


async def rows(read: Callable[[], T]) -> T:
    """What the database says, read in the thread of the test's own connection."""
    return await database_sync_to_async(read)()


async def closed_with(socket: ClientConnection) -> int | None:
    """The code the bridge closes with; what comes before is passed over."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


Serving: TypeAlias = Callable[[], AbstractAsyncContextManager[Bridge]]


@pytest.fixture
def serving(tmp_path: Path, monkeypatch, settings) -> Iterator[Serving]:
    settings.RECORD_CALLS = False
    monkeypatch.setattr(results.process_call, "apply_async", lambda **_: None)
    _limiter._peers.clear()

    @asynccontextmanager
    async def serve() -> AsyncIterator[Bridge]:
        # One thread: SQLite's in-memory database has no patience with two writers.
        desk = Desk(name="node-1", capacity=10, data_dir=tmp_path, database=ThreadPoolExecutor(1))
        monkeypatch.setattr(psr, "call_desk", lambda: desk)
        monkeypatch.setattr(stream, "call_desk", lambda: desk)
        routes = [*routes_of(PROTOCOLS.values()), re_path("", UnknownPath.as_asgi())]
        config = uvicorn.Config(URLRouter(routes), lifespan="off", ws="websockets-sansio", log_level="critical")
        server = uvicorn.Server(config)
        with create_server(("127.0.0.1", 0)) as listener:
            async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
                group.create_task(server.serve(sockets=[listener]))
                bridge = Bridge(listener.getsockname()[1], desk)
                yield bridge
                desk.stop_all()
                await bridge.settled()
                server.should_exit = True
            await desk.close()

    with database_for_threads():
        yield serve
