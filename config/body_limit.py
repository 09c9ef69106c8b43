"""Refusing request bodies that are too large, while they arrive.

Django's ASGI handler spools a whole body to the disk before any of its own limits is asked, so this stands before it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from config.security_headers import headers_for

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

STATUS = 413


class BodyLimit:
    """An ASGI application that answers 413 in place of another one once a body passes `limit_bytes`."""

    def __init__(self, application: Application, *, limit_bytes: int) -> None:
        self._application = application
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _declared_bytes(scope) > self._limit_bytes:
            await self._refuse(scope, send)
            return
        arrived = 0
        is_refused = False

        async def limited_receive() -> Message:
            nonlocal arrived, is_refused
            if is_refused:
                return {"type": "http.disconnect"}
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._limit_bytes:
                is_refused = True
                await self._refuse(scope, send)
                return {"type": "http.disconnect"}
            return message

        async def send_unless_refused(message: Message) -> None:
            if not is_refused:
                await send(message)

        await self._application(scope, limited_receive, send_unless_refused)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        detail = f"The request is larger than {self._limit_bytes:,} bytes. Split the file and upload the parts."
        body = json.dumps({"code": "too_large", "detail": detail, "errors": {}}).encode()
        # What is still on its way is not read, so the connection cannot be used again.
        own = {"Content-Type": "application/json", "Connection": "close"}
        headers = [
            (name.lower().encode(), value.encode()) for name, value in (own | headers_for(scope["path"])).items()
        ]
        await send({"type": "http.response.start", "status": STATUS, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _declared_bytes(scope: Scope) -> int:
    """The length a request declares; 0 where it declares none or nonsense, which the server judges."""
    declared = dict(scope.get("headers", ())).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0
