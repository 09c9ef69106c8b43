"""Runs the ASGI application on uvicorn, and lets live calls end before the process does.

Uvicorn alone closes every socket the moment SIGTERM comes. Here the first signal only stops new calls: the listener is
closed and the process waits for its calls, at most DRAIN_TIMEOUT_S; what still talks then hears a goodbye. A second
signal asks for that goodbye at once.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import uvicorn
from celery import current_app
from django.conf import settings

from bridge.agents.scripted.recogniser import shared_recogniser
from bridge.calls import CallDesk, call_desk
from bridge.server.requests import PromptHttpProtocol
from bridge.server.rounds import Rounds
from bridge.server.sockets import CallSocketProtocol

# Source: reliability B.4 (B1, B5) and E.5.
MAX_MESSAGE_BYTES: Final = 256 * 1024
PING_INTERVAL_S: Final = 10.0
PING_TIMEOUT_S: Final = 10.0
# After the goodbye: the apology (3 s), the switch's `closed` (5 s), and the writing of the end.
GOODBYE_S: Final = 15.0
SHUTDOWN_S: Final = 20
# A full collection walks the objects of all calls, which stops them for tens of milliseconds. What a frame makes is
# freed by counting references; only what many calls leave behind in circles is worth a walk. What sockets and requests
# leave is freed a little at a time: 50,000 objects at once stopped all calls for 80 ms.
GC_THRESHOLDS: Final = (5_000, 200, 100)


@dataclass(slots=True)
class _Drain:
    """How far the leaving has come; times of the event loop's clock."""

    requests: int = 0
    began_s: float | None = None
    said_goodbye_s: float | None = None


class BridgeServer(uvicorn.Server):
    """A uvicorn server that drains."""

    def __init__(self, config: uvicorn.Config, desk: CallDesk, drain_timeout_s: float, on_ready: Callable[[], None]):
        super().__init__(config)
        self._desk = desk
        self._drain_timeout_s = drain_timeout_s
        self._on_ready = on_ready
        self._drain = _Drain()
        self._rounds: Rounds | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            await asyncio.to_thread(shared_recogniser().warm_up)
            # Celery puts its tasks together when the first is sent: at the end of the first call, that would stop the
            # others for tens of milliseconds.
            await asyncio.to_thread(current_app.finalize, auto=True)
            # What exists now lives as long as the process: later collections need not walk it during calls.
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            self._rounds = Rounds(asyncio.get_running_loop().call_soon, lambda: self._desk.live_calls)
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks to leave, a second one to leave now; `on_tick` does both."""
        del sig, frame
        self._drain.requests += 1

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to stop."""
        if self._rounds is not None:
            self._rounds.look()
        if self._drain.requests:
            self._advance(asyncio.get_running_loop().time())
        stops: bool = await super().on_tick(counter)
        return stops

    def _advance(self, now_s: float) -> None:
        drain = self._drain
        if drain.began_s is None:
            drain.began_s = now_s
            self._desk.is_draining = True
            for server in self.servers:
                server.close()
        if self._desk.live_calls == 0:
            self.should_exit = True
        elif drain.said_goodbye_s is None:
            if drain.requests > 1 or now_s - drain.began_s >= self._drain_timeout_s:
                drain.said_goodbye_s = now_s
                self._desk.stop_all()
        elif now_s - drain.said_goodbye_s >= GOODBYE_S:
            self.should_exit = True


def run(
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    *,
    application: Any = None,
    sockets: type[asyncio.Protocol] | str = CallSocketProtocol,
) -> None:
    """Serve settings.ASGI_APPLICATION until a signal; `on_ready` is told the URL once the listener is open.

    A benchmark gives another `application`, or uvicorn's name of another WebSocket protocol for `sockets`.

    Raises:
        OSError: the address cannot be listened on.
    """
    listener = _listen(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        application or ":".join(settings.ASGI_APPLICATION.rsplit(".", 1)),
        loop="uvloop",
        http=PromptHttpProtocol,
        ws=sockets,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        ws_per_message_deflate=False,
        forwarded_allow_ips=settings.TRUSTED_PROXIES,
        # The paths of switches' sockets are secrets: nobody writes them down.
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server = BridgeServer(config, call_desk(), settings.DRAIN_TIMEOUT_S, lambda: on_ready(url))
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, listener, call_desk()))


async def _serve(server: BridgeServer, listener: socket.socket, desk: CallDesk) -> None:
    async with asyncio.TaskGroup() as group:
        housekeeping = group.create_task(desk.run())
        await server.serve(sockets=[listener])
        housekeeping.cancel()
    await desk.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)
