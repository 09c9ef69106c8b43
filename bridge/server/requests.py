"""HTTP connections that must say what they want in time (slow handshakes would hold file descriptors for ever).

Uvicorn waits for the head of a request as long as the peer likes. Here a connection has some seconds for it, from its
opening or from the first byte after a request that was answered, and one address may have a hundred such connections.
How long an answered connection may stay idle is uvicorn's keep-alive, as before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

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
