"""A WebSocket of the server whose frames a call may take over (docs/adr/0008-frames-straight-to-the-call.md).

A call receives and sends fifty frames a second and more. On the usual way each of them becomes objects of the parser,
an ASGI message in a queue, a pause and a resume of the socket. Here an application finds `DIRECT_FRAMES` in its scope's
extensions; what it takes there is a `DirectLeg`, and from then on whole text and binary frames go straight to that leg.

Only the ordinary frame is read here: final, without reserved bits, masked, shorter than 64 KiB, complete. Every other
one (pieces, pings, closes, too big, broken) is handed, whole and in order, to the parser that uvicorn uses, so that RFC
6455 is judged in one place. Sockets that nobody takes over work as uvicorn means them to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import frames

from bridge.consumers.leg import DIRECT_FRAMES, close_code_of
from bridge.session import Hear
from telephony.protocols.events import WireMessage

# Its C version where there is one.
_apply_mask: Final = frames.apply_mask  # type: ignore[attr-defined]  # it is there by an import

# Source: RFC 6455, section 5.2: FIN with opcode 1 or 2 and no reserved bit; the mask bit; lengths of 16 and 64 bits.
_TEXT: Final = 0x81
_BINARY: Final = 0x82
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
_MASK_BYTES: Final = 4
_OPCODE_BITS: Final = 0x0F
_FINAL_BIT: Final = 0x80

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# What may wait for the call before the peer is held back: more than a second of any vendor's messages.
MAX_WAITING_MESSAGES: Final = 128
MAX_WAITING_BYTES: Final = 256 * 1024


class DirectLeg:
    """The vendor's socket of one call (see `bridge.session.Leg`). One task may receive and one send at a time."""

    def __init__(self, protocol: CallSocketProtocol) -> None:
        self._protocol = protocol
        self._waiting: deque[WireMessage] = deque()
        self._waiting_bytes = 0
        self._close_code: int | None = None
        self._receiver: asyncio.Future[float] | None = None
        self._hear: Hear | None = None

    @property
    def close_code(self) -> int | None:
        """See `Leg`."""
        return self._close_code

    async def receive(self) -> WireMessage | None:
        """See `Socket`."""
        while not self._waiting:
            if self._close_code is not None:
                return None
            await self._next(None)
        return self._pop()

    async def listen(self, hear: Hear) -> None:
        """See `Leg`: `hear` is called as the bytes come in, and no task is woken for it."""
        while True:
            pause_s = 0.0
            if self._waiting:
                pause_s = hear(self._pop())
            elif self._close_code is not None:
                return
            else:
                pause_s = await self._next(hear)
            if pause_s:
                await asyncio.sleep(pause_s)

    def send_now(self, message: WireMessage) -> bool:
        """See `Leg`."""
        if self._close_code is not None:
            return True
        if not self._protocol.is_writable:
            return False
        self._protocol.send_frame(message)
        return True

    async def send(self, message: WireMessage) -> None:
        """See `Leg`."""
        if not self._protocol.writable.is_set():
            await self._protocol.writable.wait()
        if self._close_code is None:
            self._protocol.send_frame(message)

    async def close(self, code: int) -> None:
        """See `Leg`."""
        if self._close_code is None:
            self._close_code = code
            self._wake()
            await self._protocol.close_socket(code)

    @property
    def has_room(self) -> bool:
        """Whether more may come before the call has read on; always after the close, where it is dropped."""
        if self._close_code is not None:
            return True
        return self._waiting_bytes < MAX_WAITING_BYTES and len(self._waiting) < MAX_WAITING_MESSAGES

    def put(self, message: WireMessage) -> bool:
        """A message came; whether more may come before the call has read on. After the close it is dropped."""
        if self._hear is not None:
            if self._is_heard(self._hear, message):
                return True
        elif self._close_code is None:
            self._wait(message)
        return self.has_room

    def put_nowait(self, event: Any) -> None:
        """An ASGI event of uvicorn's own making came: a message in pieces, or the end."""
        if event["type"] == "websocket.receive":
            text: str | None = event.get("text")
            self.put(event["bytes"] if text is None else text)
        elif event["type"] == "websocket.disconnect":
            if self._close_code is None:
                self._close_code = close_code_of(event)
            self._wake()

    def _pop(self) -> WireMessage:
        message = self._waiting.popleft()
        self._waiting_bytes -= len(message)
        if not self._waiting and self._protocol.read_paused:
            self._protocol.resume_frames()
        return message

    async def _next(self, hear: Hear | None) -> float:
        """Wait until something came that `hear` was not given; for how many seconds nothing should be read then."""
        self._hear, self._receiver = hear, self._protocol.loop.create_future()
        try:
            return await self._receiver
        finally:
            self._hear = self._receiver = None

    def _is_heard(self, hear: Hear, message: WireMessage) -> bool:
        """Whether whoever listens goes on; it is woken where it asks for a pause or breaks, and the rest waits."""
        if self._receiver is None or self._receiver.done():
            self._hear = None
            self._wait(message)
            return False
        try:
            pause_s = hear(message)
        except Exception as error:  # noqa: BLE001 it belongs to whoever listens, not to the socket's transport
            self._hear = None
            self._receiver.set_exception(error)
            return False
        if pause_s:
            self._hear = None
            self._receiver.set_result(pause_s)
        return not pause_s

    def _wait(self, message: WireMessage) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        self._wake()

    def _wake(self) -> None:
        if self._receiver is not None and not self._receiver.done():
            self._hear = None
            self._receiver.set_result(0.0)


class CallSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket connection, cut into frames before its parser sees them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._leg: DirectLeg | None = None
        self._partial = b""
        self._is_in_pieces = False
        self._is_beyond_repair = False
        self._owed_pong = b""

    def handle_connect(self, event: Any) -> None:
        """Offer the short way with the handshake."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            # The application's task has not begun yet.
            self.scope["extensions"][DIRECT_FRAMES] = {"take": self.take}

    def handle_ping(self) -> None:
        """Answer a ping; where the peer takes nothing, the last of its pings alone, once it does.

        Source: RFC 6455, section 5.5.3: of several pings the most recent alone may be answered.
        """
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        else:
            self._owed_pong = pong

    def resume_writing(self) -> None:
        """The peer takes what we send again."""
        super().resume_writing()
        pong, self._owed_pong = self._owed_pong, b""
        if pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(pong)

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what we send."""
        return self.writable.is_set()

    def take(self) -> DirectLeg:
        """The leg that has all messages from now on, and those that have come already; no ASGI receive after that."""
        if self._leg is None:
            self._leg = DirectLeg(self)
            while not self.queue.empty():
                self._leg.put_nowait(self.queue.get_nowait())
            # Whatever uvicorn tells the application from here on is told to the leg.
            self.queue = self._leg  # type: ignore[assignment]
            if self._leg.has_room:
                self.resume_frames()
        return self._leg

    def data_received(self, data: bytes) -> None:
        """Take the bytes apart; the first are the handshake, which uvicorn gives in one piece."""
        if not self.handshake_initiated or self._is_beyond_repair:
            super().data_received(data)
            if not self.handshake_initiated and self.conn.handshake_exc is not None:
                # A request that the parser cannot read, such as one with too long a line, is answered by nobody else.
                self.transport.write(_BAD_REQUEST)
                self.transport.close()
            return
        if self._partial:
            data, self._partial = self._partial + data, b""
        at, size = 0, len(data)
        # Nearly always it is one frame; asking for its end as for any other's costs more than all else here.
        if size > _LENGTH_16 and data[1] == _MASKED | _LENGTH_16 and size == 8 + (data[2] << 8 | data[3]):
            if not self._take_frame(data, 0, size):
                self._hand_over(data)
            return
        while at < size:
            end = self._frame_end(data, at, size)
            if end > size:
                self._keep(data[at:] if at else data, end - at)
                return
            if not self._take_frame(data, at, end):
                self._hand_over(data[at:end])
            at = end

    async def send(self, message: Any) -> None:
        """What the application says; a refusal by HTTP is an answer too, which uvicorn would complain of as missing."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def send_frame(self, message: WireMessage) -> None:
        """Send a whole text or binary message."""
        if isinstance(message, str):
            first, payload = _TEXT, message.encode()
        else:
            first, payload = _BINARY, message
        length = len(payload)
        if length < _LENGTH_16:
            header = bytes((first, length))
        elif length < 1 << 16:
            header = bytes((first, _LENGTH_16, length >> 8, length & 0xFF))
        else:
            header = bytes((first, _LENGTH_64)) + length.to_bytes(8, "big")
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(header + payload)

    async def close_socket(self, code: int) -> None:
        """Close with a frame, or, where the peer takes nothing, without one."""
        if self.disconnected or self.close_sent:
            return
        if self.writable.is_set():
            await self.send({"type": "websocket.close", "code": code})
        else:
            self.transport.abort()

    def resume_frames(self) -> None:
        """The call has caught up: read on."""
        if self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        self.read_paused = False

    def _frame_end(self, data: bytes, at: int, size: int) -> int:
        """Where the frame ends that begins at `at`; beyond `size` where it is not complete."""
        if size - at < 2:
            return size + 1
        length = data[at + 1] & ~_MASKED
        header = 2 + (_MASK_BYTES if data[at + 1] & _MASKED else 0)
        if length < _LENGTH_16:
            return at + header + length
        length_bytes = 2 if length == _LENGTH_16 else 8
        if size - at < 2 + length_bytes:
            return size + 1
        return at + header + length_bytes + int.from_bytes(data[at + 2 : at + 2 + length_bytes], "big")

    def _take_frame(self, data: bytes, at: int, end: int) -> bool:
        """Give an ordinary frame to the call; False where it is none."""
        first, second = data[at], data[at + 1]
        if (
            (first != _TEXT and first != _BINARY)
            or (leg := self._leg) is None
            or leg.close_code is not None
            or self._is_in_pieces
            or not second & _MASKED
            or second == _MASKED | _LENGTH_64
            or end - at > self.config.ws_max_size
        ):
            return False
        mask_at = at + (4 if second == _MASKED | _LENGTH_16 else 2)
        payload = _apply_mask(data[mask_at + _MASK_BYTES : end], data[mask_at : mask_at + _MASK_BYTES])
        message: WireMessage = payload
        if first == _TEXT:
            try:
                message = payload.decode()
            except UnicodeDecodeError:
                return False
        if not leg.put(message) and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        return True

    def _keep(self, beginning: bytes, frame_bytes: int) -> None:
        """Wait for the rest of a frame, unless it will be too big: then the parser is told its header, and says so."""
        if frame_bytes > self.config.ws_max_size + 14:
            self._hand_over(beginning)
        else:
            self._partial = beginning

    def _hand_over(self, frame: bytes) -> None:
        """Let uvicorn's parser judge a frame."""
        opcode = frame[0] & _OPCODE_BITS
        if opcode <= (_BINARY & _OPCODE_BITS):
            self._is_in_pieces = not frame[0] & _FINAL_BIT
        super().data_received(frame)
        self._is_beyond_repair = self.conn.parser_exc is not None
        if self._leg is not None and self.read_paused and self._leg.has_room:
            # It pauses after every message for an application that fetches them one by one; the leg is no such.
            self.resume_frames()
