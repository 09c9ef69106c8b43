"""The switches' sockets on a real server in the test's own loop, with a desk that writes to the test's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import create_server
from typing import Any, Protocol, TypeVar
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
from bridge.consumers.door import UnknownPath
from bridge.consumers.resume import live_legs
from bridge.routing import routes_of
from bridge.server.process import MAX_MESSAGE_BYTES, PING_INTERVAL_S, PING_TIMEOUT_S
from bridge.server.requests import PromptHttpProtocol
from bridge.server.sockets import CallSocketProtocol
from bridge.session import CallSummary
from telephony.protocols.registry import PROTOCOLS

DEADLINE_S = 20.0
T = TypeVar("T")


class Desk(CallDesk):
    """A desk that remembers every end it was told, and knows whether it is still writing one."""

    finishing = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ends: list[tuple[UUID, CallSummary]] = []
        self.broken: list[Exception] = []

    async def finish(self, call_id: UUID, summary: CallSummary, recording: Path | None) -> None:
        self.ends.append((call_id, summary))
        self.finishing += 1
        try:
            await super().finish(call_id, summary, recording)
        except Exception as error:
            # The server that hosts the consumer would only log it.
            self.broken.append(error)
            raise
        finally:
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


async def rows(read: Callable[..., T], *arguments: Any, **fields: Any) -> T:
    """What the database says, read in the thread of the test's own connection."""
    return await database_sync_to_async(partial(read, *arguments, **fields))()


async def closed_with(socket: ClientConnection) -> int | None:
    """The code the bridge closes with; what comes before is passed over."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


class Serving(Protocol):
    """Serves until left, at most `deadline_s`."""

    def __call__(
        self, *, capacity: int = 10, deadline_s: float = DEADLINE_S, **server: Any
    ) -> AbstractAsyncContextManager[Bridge]: ...


def serving_with(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """A server with the bridge's own sockets and bounds; `server` are uvicorn's options where others are wanted."""

    @asynccontextmanager
    async def serve(*, capacity: int = 10, deadline_s: float = DEADLINE_S, **server: Any) -> AsyncIterator[Bridge]:
        # One thread: SQLite's in-memory database has no patience with two writers.
        desk = Desk(name="node-1", capacity=capacity, data_dir=data_dir, database=ThreadPoolExecutor(1))
        monkeypatch.setattr(psr, "call_desk", lambda: desk)
        monkeypatch.setattr(stream, "call_desk", lambda: desk)
        routes = [*routes_of(PROTOCOLS.values()), re_path("", UnknownPath.as_asgi())]
        options = {
            "http": PromptHttpProtocol,
            "ws": CallSocketProtocol,
            "ws_max_size": MAX_MESSAGE_BYTES,
            "ws_ping_interval": PING_INTERVAL_S,
            "ws_ping_timeout": PING_TIMEOUT_S,
            "ws_per_message_deflate": False,
            **server,
        }
        config = uvicorn.Config(URLRouter(routes), lifespan="off", log_config=None, log_level="critical", **options)
        uvicorn_server = uvicorn.Server(config)
        with create_server(("127.0.0.1", 0), backlog=1024) as listener:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                group.create_task(uvicorn_server.serve(sockets=[listener]))
                bridge = Bridge(listener.getsockname()[1], desk)
                yield bridge
                desk.stop_all()
                await bridge.settled()
                uvicorn_server.should_exit = True
            await desk.close()
        assert desk.broken == []

    return serve
