"""A WebSocket client for agents: bounded, under deadlines, and cheap per message.

Frames are built and read in C by picows, a message is handed to the kernel at once, and a reader is woken only where it
waits. What a peer may do is bounded: how large a message is, how much may wait unread (then reading pauses, and TCP
holds the peer back), and for how long it may take nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final

import picows

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
# What may wait unread before the peer is held back.
MAX_UNREAD_BYTES: Final = 1024 * 1024
MAX_UNREAD_MESSAGES: Final = 512
CONNECT_S: Final = 5.0
PING_INTERVAL_S: Final = 10.0
PING_TIMEOUT_S: Final = 10.0
SEND_STALL_S: Final = 5.0
CLOSE_WAIT_S: Final = 1.0

# Source: RFC 6455, section 7.4.1: a close frame without a code; no close frame at all.
NO_STATUS_CLOSE: Final = 1005
ABNORMAL_CLOSE: Final = 1006

# picows tells of every connection with its addresses; a failure is told by whoever opened the socket.
_quiet: Final = logging.getLogger("bridge.agents.agent_socket.picows")
_quiet.setLevel(logging.CRITICAL)
# The transport below it warns of every write into a connection that is just being lost.
logging.getLogger("aiofastnet").setLevel(logging.ERROR)


class AgentSocketError(Exception):
    """The connection could not be opened, or was lost; `status` is the HTTP answer where there was one but not 101."""

    def __init__(self, detail: str, *, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class AgentSocket:
    """One open connection. One task may send and one receive at a time."""

    def __init__(self, transport: picows.WSTransport, inbound: _Inbound) -> None:
        self._transport = transport
        self._inbound = inbound

    @property
    def close_code(self) -> int | None:
        """The code the peer closed with, 1005 for none, 1006 where the connection was lost; None while it is open."""
        if not self._inbound.has_ended:
            return None
        return self._inbound.close_code

    async def send(self, message: bytes | str) -> None:
        """Send a text message; waits only while the peer takes nothing.

        Raises:
            AgentSocketError: the connection is lost, or the peer took nothing for `SEND_STALL_S`.
        """
        if not self._inbound.can_write.is_set():
            try:
                async with asyncio.timeout(SEND_STALL_S):
                    await self._inbound.can_write.wait()
            except TimeoutError as error:
                raise AgentSocketError("the peer reads nothing") from error
        if self._inbound.has_ended:
            raise AgentSocketError("the connection is closed")
        self.send_now(message)

    @property
    def is_writable(self) -> bool:
        """Whether the connection lives and the peer takes what we send."""
        return self._inbound.can_write.is_set() and not self._inbound.has_ended

    def send_now(self, message: bytes | str) -> None:
        """Send a text message over a writable connection."""
        self._transport.send(picows.WSMsgType.TEXT, message)

    async def receive(
        self, until_s: float | None = None, take_now: Callable[[bytes], bool] | None = None
    ) -> bytes | None:
        """The next message's payload (of a text its UTF-8, not yet checked); None once the connection has ended.

        Messages that come during the wait go to `take_now` instead, as long as that says that it took them: waking a
        task costs more than most of what is done with a message. What it raises is raised here.

        Raises:
            TimeoutError: none has come by `until_s` of the event loop's clock. Waiting again for the same moment costs
                nothing: its timer is kept from message to message.
        """
        return await self._inbound.get(until_s, take_now)

    async def close(self) -> None:
        """Close politely, waiting at most `CLOSE_WAIT_S` for the peer; a second close does nothing."""
        if self._transport.is_disconnected:
            return
        self._transport.send_close(picows.WSCloseCode.OK)
        self._inbound.discard()
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._transport.wait_disconnected()
        except (TimeoutError, picows.WSError):
            self._transport.disconnect(graceful=False)


class _Inbound(picows.WSListener):
    """What arrives, as whole messages, until someone fetches it."""

    def __init__(self, max_message_bytes: int) -> None:
        self.can_write = asyncio.Event()
        self.can_write.set()
        self.has_ended = False
        self.close_code = ABNORMAL_CLOSE
        self._max_message_bytes = max_message_bytes
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._parts: list[bytes] | None = None
        self._parts_bytes = 0
        self._tcp: asyncio.Transport | None = None
        self._is_paused = False
        self._reader: asyncio.Future[None] | None = None
        # Of whoever waits in `get`.
        self._take_now: Callable[[bytes], bool] | None = None
        self._loop = asyncio.get_running_loop()
        self._until_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_late = False

    async def get(self, until_s: float | None, take_now: Callable[[bytes], bool] | None = None) -> bytes | None:
        """The oldest message; None where none is left and none will come; raises TimeoutError."""
        if until_s != self._until_s and not self.has_ended:
            self._set_timer(until_s)
        while not self._unread:
            if self.has_ended:
                return None
            if self._is_late:
                raise TimeoutError
            self._reader, self._take_now = self._loop.create_future(), take_now
            try:
                await self._reader
            finally:
                self._reader = self._take_now = None
        message = self._unread.popleft()
        self._unread_bytes -= len(message)
        if self._is_paused and self._has_room():
            self._resume()
        return message

    def _set_timer(self, until_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._until_s, self._is_late = until_s, False
        self._timer = None if until_s is None else self._loop.call_at(until_s, self._be_late)

    def _be_late(self) -> None:
        self._is_late = True
        self._wake()

    def discard(self) -> None:
        """Nobody will fetch anything more: read on to the peer's close."""
        self._unread.clear()
        self._unread_bytes = 0
        self._resume()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The handshake is done."""
        self._tcp = transport.underlying_transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """A frame came; picows has answered pings."""
        kind = frame.msg_type
        if transport.is_close_frame_sent and kind != picows.WSMsgType.CLOSE:
            # After a violation or our own close nothing counts but the peer's answer to it.
            return
        if kind == picows.WSMsgType.TEXT or kind == picows.WSMsgType.BINARY:
            self._begin(frame)
        elif kind == picows.WSMsgType.CONTINUATION:
            self._continue(frame)
        elif kind == picows.WSMsgType.CLOSE:
            self.close_code = int.from_bytes(frame.get_payload_as_bytes()[:2]) or NO_STATUS_CLOSE
            self._end()
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The connection is gone."""
        del transport
        self._end()

    def pause_writing(self) -> None:
        """The peer takes less than we send."""
        self.can_write.clear()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.can_write.set()

    def _begin(self, frame: picows.WSFrame) -> None:
        if self._parts is not None or frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise picows.WSProtocolError(picows.WSCloseCode.PROTOCOL_ERROR, "unexpected frame")
        if frame.fin:
            self._put(frame.get_payload_as_bytes())
            return
        self._parts, self._parts_bytes = [], 0
        self._continue(frame)

    def _continue(self, frame: picows.WSFrame) -> None:
        if self._parts is None:
            raise picows.WSProtocolError(picows.WSCloseCode.PROTOCOL_ERROR, "unexpected continuation")
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > self._max_message_bytes:
            raise picows.WSProtocolError(picows.WSCloseCode.MESSAGE_TOO_BIG, "message too big")
        if frame.fin:
            message, self._parts = b"".join(self._parts), None
            self._put(message)

    def _put(self, message: bytes) -> None:
        if self._take_now is not None and self._was_taken(self._take_now, message):
            return
        self._unread.append(message)
        self._unread_bytes += len(message)
        if not self._has_room() and not self._is_paused and self._tcp is not None:
            self._is_paused = True
            self._tcp.pause_reading()
        self._wake()

    def _was_taken(self, take_now: Callable[[bytes], bool], message: bytes) -> bool:
        try:
            if take_now(message):
                return True
        except Exception as error:  # noqa: BLE001 it belongs to whoever waits, not to the connection
            if self._reader is not None and not self._reader.done():
                self._reader.set_exception(error)
        # Whoever is woken now must find what comes from here on in its place.
        self._take_now = None
        return False

    def _has_room(self) -> bool:
        return self._unread_bytes < MAX_UNREAD_BYTES and len(self._unread) < MAX_UNREAD_MESSAGES

    def _resume(self) -> None:
        if self._is_paused and self._tcp is not None and not self._tcp.is_closing():
            self._tcp.resume_reading()
        self._is_paused = False

    def _end(self) -> None:
        self.has_ended = True
        self._set_timer(None)
        self.can_write.set()
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


@asynccontextmanager
async def open_agent_socket(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    connect_s: float = CONNECT_S,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> AsyncIterator[AgentSocket]:
    """A connection to `url` (ws or wss), closed on leaving. Redirects are not followed.

    Raises:
        AgentSocketError: it could not be opened within `connect_s`.
    """
    inbound = _Inbound(max_message_bytes)
    try:
        async with asyncio.timeout(connect_s):
            transport, _ = await picows.ws_connect(
                lambda: inbound,
                url,
                ssl_context=_tls() if url.startswith("wss:") else None,
                websocket_handshake_timeout=connect_s,
                logger_name=_quiet,
                enable_auto_ping=True,
                auto_ping_idle_timeout=PING_INTERVAL_S,
                auto_ping_reply_timeout=PING_TIMEOUT_S,
                max_frame_size=max_message_bytes,
                extra_headers=headers,
                max_redirects=0,
            )
    except picows.WSInvalidStatusError as error:
        status = None if error.response is None else int(error.response.status)
        raise AgentSocketError(f"refused with HTTP {status}", status=status) from None
    except (OSError, TimeoutError, picows.WSError, ValueError) as error:
        # The library's own words can hold the URL and what the peer sent.
        raise AgentSocketError(f"not reachable: {type(error).__name__}") from None
    socket = AgentSocket(transport, inbound)
    try:
        yield socket
    finally:
        await socket.close()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """One for all: loading the trusted certificates takes tens of milliseconds."""
    return ssl.create_default_context()
