"""The socket of one accepted connection as the leg of a call.

Where the server lets a call take its frames over (`DIRECT_FRAMES` in the scope's extensions), that is the leg; on any
other server they come as ASGI messages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol, TypeAlias

from bridge.session import CloseCode, Hear, Leg, listen_by
from telephony.protocols.events import WireMessage

AsgiMessage: TypeAlias = MutableMapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
AsgiSend: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]

# An extension of ASGI of our own: its `take` gives the leg.
DIRECT_FRAMES: Final = "trunkline.direct_frames"


class Socket(Leg, Protocol):
    """An accepted connection, whose first messages say which call it is."""

    async def receive(self) -> WireMessage | None:
        """The next message, None once the socket is closed. Nobody may `listen` meanwhile."""


def leg_of(scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> Socket:
    """The leg of a connection; after this its messages must not be received by ASGI any more."""
    direct = (scope.get("extensions") or {}).get(DIRECT_FRAMES)
    return AsgiLeg(receive, send) if direct is None else direct["take"]()


class AsgiLeg:
    """A socket whose messages come by ASGI."""

    def __init__(self, receive: AsgiReceive, send: AsgiSend) -> None:
        self._receive = receive
        self._send = send
        self._close_code: int | None = None

    @property
    def close_code(self) -> int | None:
        """See `Leg`."""
        return self._close_code

    async def receive(self) -> WireMessage | None:
        """See `Socket`."""
        if self._close_code is not None:
            return None
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._close_code = close_code_of(message)
            return None
        text: str | None = message.get("text")
        binary: bytes = message.get("bytes") or b""
        return binary if text is None else text

    async def listen(self, hear: Hear) -> None:
        """See `Leg`."""
        await listen_by(self.receive, hear)

    def send_now(self, message: WireMessage) -> bool:
        """See `Leg`; by ASGI sending is always waiting."""
        del message
        return False

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


def close_code_of(message: AsgiMessage) -> int:
    """The code of a disconnect. Uvicorn gives a lost connection and a close frame without a code the same one.

    Only what came in a frame has a reason with it, be it empty.
    """
    code: int = message.get("code", CloseCode.NO_STATUS)
    is_lost = code == CloseCode.NO_STATUS and "reason" not in message
    return CloseCode.ABNORMAL if is_lost else code
