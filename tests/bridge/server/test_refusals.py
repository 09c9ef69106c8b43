"""What a socket that is refused hears from the server, and what the server's log hears of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import create_server

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.consumers.door import refuse
from bridge.consumers.handshake import Refusal
from bridge.server.sockets import CallSocketProtocol

DEADLINE_S = 10.0


@asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """A server that refuses every socket."""

    async def application(scope, receive, send) -> None:
        await receive()
        await refuse(scope, send, Refusal(409, "call_live"))

    config = uvicorn.Config(application, lifespan="off", ws=CallSocketProtocol, log_config=None)
    server = uvicorn.Server(config)
    with create_server(("127.0.0.1", 0)) as listener:
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
            server.should_exit = True


@pytest.mark.parametrize(("path", "status"), [("ws", 409), (f"ws?x={'y' * 9_000}", 400)])
async def test_a_refusal_has_its_status_and_is_no_fault_of_ours(path: str, status: int, caplog):
    caplog.set_level(logging.WARNING)
    async with refusing() as url:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url + path, proxy=None):
                pass
    assert refused.value.response.status_code == status
    assert [record.getMessage() for record in caplog.records] == []
