"""The first words of an inbound vendor's stream: what is read before it is known whose call it is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from bridge.consumers.leg import Socket
from bridge.session import CloseCode, Limits
from bridge.session.guard import InboundGuard, Violation
from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import Closed, Opened, ReportError, VendorCodec, VendorEvent, WireMessage

# Audio that comes before the vendor says whose it is: some 20 s of the widest format.
MAX_UNREAD_BYTES: Final = 1024 * 1024
PARTING_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A stream that has begun, and every message read so far, for the session to read again from the start."""

    opened: Opened
    unread: tuple[WireMessage, ...]


class NeverBegan(Exception):
    """A stream ended before it began; the WebSocket code it is to be closed with, and why."""

    def __init__(self, close_code: int, detail: str) -> None:
        super().__init__(detail)
        self.close_code = close_code
        self.detail = detail


async def hear_opening(socket: Socket, codec: VendorCodec, limits: Limits) -> Heard:
    """Read until the vendor says which call this is. `codec` is spent: the session needs one of its own.

    Raises:
        NeverBegan: it did not say so in time, or not as its protocol wants it, or went away.
    """
    guard, unread = InboundGuard(limits, codec.capabilities.messages_per_s), list[WireMessage]()
    size_bytes = 0
    try:
        async with asyncio.timeout(limits.first_event_s):
            while True:
                message = await socket.receive()
                if message is None:
                    raise NeverBegan(CloseCode.NORMAL, "closed before it began")
                unread.append(message)
                size_bytes += len(message)
                _enforce(guard.received(len(message), time.monotonic()))
                if size_bytes > MAX_UNREAD_BYTES:
                    raise NeverBegan(CloseCode.FLOOD, "too much before it began")
                if opened := _opened_in(_read(codec, message, guard)):
                    return Heard(opened, tuple(unread))
    except TimeoutError:
        raise NeverBegan(CloseCode.IDLE, "no_start") from None


async def turn_away(socket: Socket, codec: VendorCodec, close_code: int, detail: str, *, is_ours: bool) -> None:
    """Tell the vendor why there is no call, in its own words where it has any, and close."""
    try:
        async with asyncio.timeout(PARTING_S):
            for message in codec.send(ReportError(detail, is_ours)):
                await socket.send(message)
            await socket.close(close_code)
    except (TimeoutError, LocalProtocolError):
        await socket.close(close_code)


def _read(codec: VendorCodec, message: WireMessage, guard: InboundGuard) -> list[VendorEvent]:
    try:
        events = codec.receive(message)
    except RemoteProtocolError as error:
        if error.close_code is not None:
            raise NeverBegan(error.close_code, error.code) from error
        _enforce(guard.malformed())
        return []
    guard.well_formed()
    return events


def _opened_in(events: list[VendorEvent]) -> Opened | None:
    for event in events:
        if isinstance(event, Opened):
            return event
        if isinstance(event, Closed):
            raise NeverBegan(CloseCode.NORMAL, "closed before it began")
    return None


def _enforce(violation: Violation | None) -> None:
    if violation is not None:
        raise NeverBegan(violation.close_code, violation.reason)
