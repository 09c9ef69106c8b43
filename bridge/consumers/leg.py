"""An ASGI WebSocket as the leg of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from bridge.session import CloseCode
from telephony.protocols.events import WireMessage

AsgiMessage: TypeAlias = MutableMapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
AsgiSend: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]


class AsgiLeg:
    """The socket of one accepted connection (see `bridge.session.Leg`): frames go straight to the session."""

    def __init__(self, receive: AsgiReceive, send: AsgiSend) -> None:
        self._receive = receive
        self._send = send
        self._close_code: int | None = None

    @property
    def close_code(self) -> int | None:
        """See `Leg`."""
        return self._close_code

    async def receive(self) -> WireMessage | None:
        """See `Leg`."""
        if self._close_code is not None:
            return None
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._close_code = _close_code(message)
            return None
        text: str | None = message.get("text")
        binary: bytes = message.get("bytes") or b""
        return binary if text is None else text

    async def send(self, message: WireMessage) -> None:
        """See `Leg`."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self._tell({"type": "websocket.send", kind: message})

    async def close(self, code: int) -> None:
        """See `Leg`."""
        await self._tell({"type": "websocket.close", "code": code})
        self._close_code = self._close_code or code

    async def _tell(self, message: AsgiMessage) -> None:
        if self._close_code is not None:
            return
        try:
            await self._send(message)
        except OSError:
            # The server says so when the peer is gone; the next receive tells with which code.
            return


def _close_code(message: AsgiMessage) -> int:
    """The code of a disconnect. Uvicorn gives a lost connection and a close frame without a code the same one.

    Only what came in a frame has a reason with it, be it empty.
    """
    code: int = message.get("code", CloseCode.NO_STATUS)
    is_lost = code == CloseCode.NO_STATUS and "reason" not in message
    return CloseCode.ABNORMAL if is_lost else code
