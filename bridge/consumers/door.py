"""The door all switches' sockets come through: who is refused, how it is told, and who has knocked too often."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from channels.consumer import AsyncConsumer

from bridge.calls import CallRefused
from bridge.consumers.handshake import BadTokenLimiter, LineLimiter, Refusal
from bridge.consumers.leg import AsgiReceive, AsgiSend
from bridge.session import CloseCode

logger = logging.getLogger(__name__)

Scope = dict[str, Any]

BLOCKED: Final = Refusal(429, "too_many_bad_tokens")
_TOKEN_REFUSALS: Final = frozenset({401, 403, 404})
_limiter = BadTokenLimiter()
_lines = LineLimiter()


def peer_of(scope: Scope) -> str:
    """The address a socket came from, as the server tells it; empty where it knows none."""
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


def is_blocked(peer: str) -> bool:
    """Whether this address has brought too many bad tokens within a minute; whatever it brings now is refused."""
    return _limiter.is_blocked(peer, time.monotonic())


@contextmanager
def knocking(scope: Scope) -> Iterator[None]:
    """Count the bad tokens of whoever knocks.

    Raises:
        CallRefused: 429, there were too many of them within a minute; else what the inside raised.
    """
    peer = peer_of(scope)
    if is_blocked(peer):
        raise CallRefused(BLOCKED.status, BLOCKED.code, "Too many bad tokens from this address; wait a minute.")
    try:
        yield
    except CallRefused as refused:
        if refused.status in _TOKEN_REFUSALS:
            _limiter.was_bad(peer, time.monotonic())
        raise


def log_refusal(refusal: Refusal) -> None:
    """Tell of a refusal; of many within a second by one line."""
    held_back = _lines.held_back(time.monotonic())
    if held_back is not None:
        told = {"code": refusal.code, "status": refusal.status, "more_refused": held_back}
        logger.info("socket refused", extra=told)


def answer_of(refusal: Refusal) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of the HTTP answer."""
    body = f"{HTTPStatus(refusal.status).phrase}: {refusal.code}\n".encode()
    return [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())], body


async def refuse(scope: Scope, send: AsgiSend, refusal: Refusal) -> None:
    """Answer the handshake with an HTTP status where the server can, else close it (which reads as 403)."""
    log_refusal(refusal)
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": CloseCode.NORMAL})
        return
    headers, body = answer_of(refusal)
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


class UnknownPath(AsyncConsumer):
    """A socket to a path where nothing is."""

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Refuse it."""
        if (await receive())["type"] == "websocket.connect":
            await refuse(scope, send, Refusal(404, "unknown_path"))
