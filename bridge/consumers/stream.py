"""The sockets of vendors that bring calls of their own: one consumer for all of them.

The key decides who is let in; whose call it is the vendor says in its first messages, after the socket was accepted.
Those are read once to open the call, and once more, from the start, by the session that carries it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from channels.consumer import AsyncConsumer

from bridge.calls import Admitted, CallDesk, CallRefused, LiveEntry, OpenedCall, admit, call_desk, open_stream
from bridge.consumers.carry import carry
from bridge.consumers.door import Scope, knocking, peer_of, refuse
from bridge.consumers.handshake import Refusal, read_keyed_handshake
from bridge.consumers.leg import AsgiReceive, AsgiSend, Socket, leg_of
from bridge.consumers.opening import Heard, NeverBegan, hear_opening, turn_away
from bridge.consumers.resume import ResumableLeg, go_on, live_legs, resumable
from bridge.session import CloseCode, Limits
from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import Handshake, VendorCodec
from telephony.protocols.registry import ProtocolSpec

logger = logging.getLogger(__name__)

# What a refusal becomes once the socket is accepted; anything else is our own fault.
_CLOSE_CODES: Final[Mapping[int, int]] = {409: CloseCode.DUPLICATE, 410: CloseCode.GONE}


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A socket whose key is good."""

    spec: ProtocolSpec
    admitted: Admitted
    handshake: Handshake

    def codec(self) -> VendorCodec:
        """A new codec of its stream."""
        return self.spec.codec(self.handshake, self.admitted.options)

    def key(self, vendor_call_id: str) -> tuple[str, int, str]:
        """By what a further socket of the same call finds it."""
        return (self.spec.name, self.admitted.endpoint_id, vendor_call_id)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream that has begun: of a call that is new, or of one that waits for it."""

    heard: Heard
    call: tuple[OpenedCall, LiveEntry] | ResumableLeg


class StreamConsumer(AsyncConsumer):
    """One socket of an inbound vendor."""

    def __init__(self, spec: ProtocolSpec) -> None:
        self._spec = spec

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Judge the handshake, hear whose call it is, carry it."""
        if (await receive())["type"] != "websocket.connect":
            return
        desk = call_desk()
        try:
            with knocking(scope):
                arrival = await _judge(desk, self._spec, scope)
            with desk.seat():
                socket = leg_of(scope, receive, send)
                await send({"type": "websocket.accept"})
                begun = await _begin(desk, arrival, socket)
        except CallRefused as refused:
            await refuse(scope, send, Refusal(refused.status, refused.code))
            return
        if begun is None:
            return
        if isinstance(begun.call, ResumableLeg):
            await go_on(begun.call, socket, begun.heard.unread)
            return
        opened, entry = begun.call
        key = arrival.key(begun.heard.opened.vendor_call_id)
        await carry(desk, opened, entry, arrival.codec, key, partial(resumable, socket, begun.heard.unread))


async def _judge(desk: CallDesk, spec: ProtocolSpec, scope: Scope) -> _Arrival:
    variables = scope["url_route"]["kwargs"]
    keyed = read_keyed_handshake(spec.admission, variables, scope["query_string"], scope["headers"])
    if isinstance(keyed, Refusal):
        raise CallRefused(keyed.status, keyed.code)
    admitted = await admit(desk, key=keyed.key, protocol=spec.name, peer=peer_of(scope))
    arrival = _Arrival(spec, admitted, keyed.handshake)
    try:
        arrival.codec()
    except RemoteProtocolError as error:
        raise CallRefused(400, error.code) from error
    except LocalProtocolError as error:
        logger.exception("endpoint options cannot be used", extra={"endpoint_id": admitted.endpoint_id})
        raise CallRefused(503, "endpoint_misconfigured") from error
    if call_id := keyed.handshake.path.get("call_id"):
        live_legs.waiting(arrival.key(call_id), peer_of(scope))
    return arrival


async def _begin(desk: CallDesk, arrival: _Arrival, socket: Socket) -> _Begun | None:
    """Hear whose call it is, and open it; None where there is none, and the vendor was told."""
    codec = arrival.codec()
    try:
        heard = await hear_opening(socket, codec, Limits())
        waiting = live_legs.waiting(arrival.key(heard.opened.vendor_call_id), "")
        if waiting is not None:
            return _Begun(heard, waiting)
        return _Begun(heard, await open_stream(desk, endpoint_id=arrival.admitted.endpoint_id, opened=heard.opened))
    except NeverBegan as fault:
        logger.info("stream never began", extra={"endpoint_id": arrival.admitted.endpoint_id, "code": fault.detail})
        await turn_away(socket, codec, fault.close_code, fault.detail, is_ours=False)
    except CallRefused as refused:
        logger.info("stream refused", extra={"endpoint_id": arrival.admitted.endpoint_id, "code": refused.code})
        close_code = _CLOSE_CODES.get(refused.status, CloseCode.INTERNAL)
        await turn_away(socket, codec, close_code, refused.code, is_ours=close_code == CloseCode.INTERNAL)
    return None
