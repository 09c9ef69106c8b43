"""HTTP connections that must say what they want in time, and sockets that are refused before they are made.

Uvicorn waits for the head of a request as long as the peer likes: slow handshakes would hold file descriptors for
ever. Here a connection has some seconds for it, from its opening or from the first byte after a request that was
answered, and one address may have a hundred such connections. How long an answered connection may stay idle is
uvicorn's keep-alive, as before.

An address that has used up its bad tokens is refused here (docs/adr/0022-knocks-are-refused-at-the-gate.md).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from bridge.consumers.door import BLOCKED, answer_of, is_blocked, log_refusal
from bridge.consumers.handshake import Refusal
from bridge.routing import is_call_path

# Source: reliability B.4 (B32).
HEAD_S: Final = 5.0
MAX_WAITED_FOR_PER_ADDRESS: Final = 100

_waited_for: Counter[str] = Counter()


class PromptHttpProtocol(H11Protocol):
    """Uvicorn's HTTP connection, closed where the head of a request does not come in `HEAD_S`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Wait for the first request."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        if _waited_for[self._address] >= MAX_WAITED_FOR_PER_ADDRESS:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._waited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on waiting where the head is not complete, or another one has begun."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._waited()
        elif self._deadline is None and not self.transport.is_closing():
            self._wait()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Refuse here what the door would refuse by the address alone."""
        if is_call_path(self.scope["path"]) and is_blocked(self._caller()):
            self._refuse(BLOCKED)
        else:
            super().handle_websocket_upgrade(event)

    def _caller(self) -> str:
        """The address that the door will see: the peer's, or the one of which a trusted proxy tells."""
        told = [value for name, value in self.headers if name == b"x-forwarded-for"]
        proxies = self.config.loaded_app
        if not told or not isinstance(proxies, ProxyHeadersMiddleware) or self._address not in proxies.trusted_hosts:
            return self._address
        address, _ = proxies.trusted_hosts.get_trusted_client_address(b", ".join(told).decode("latin1"))
        return address or self._address

    def _refuse(self, refusal: Refusal) -> None:
        log_refusal(refusal)
        headers, body = answer_of(refusal)
        lines = [*headers, *self.server_state.default_headers, (b"connection", b"close")]
        first = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n".encode()
        self.transport.write(first + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body)
        # Else h11 would be asked for a farewell in the end, and its objection costs more than all of this.
        self.conn.send_failed()
        self.transport.close()

    def _wait(self) -> None:
        _waited_for[self._address] += 1
        self._deadline = self.loop.call_later(HEAD_S, self.transport.abort)

    def _waited(self) -> None:
        if self._deadline is None:
            return
        self._deadline.cancel()
        self._deadline = None
        _waited_for[self._address] -= 1
        if not _waited_for[self._address]:
            del _waited_for[self._address]
