"""`/psr/<token>`: the socket PSR opens for an answered call of ours.

A Channels consumer with its own `__call__`: the stock one takes every received frame through the process's one database
thread and a channel layer, and never reports the end of a call whose handler raised. Here the frames go straight to the
session, and whatever happens the call is finished.
"""

from __future__ import annotations

import hashlib
from functools import partial

from channels.consumer import AsyncConsumer
from django.conf import settings

from bridge.calls import CallDesk, CallRefused, LiveEntry, OpenedCall, call_desk
from bridge.consumers.carry import carry
from bridge.consumers.door import Scope, knocking, peer_of, refuse
from bridge.consumers.handshake import PsrQuery, Refusal, read_psr_query
from bridge.consumers.leg import AsgiReceive, AsgiSend, leg_of
from bridge.consumers.resume import ResumableLeg, go_on, live_legs, resumable
from bridge.session import Leg
from telephony.protocols.events import Channel, Side, VendorCodec
from telephony.protocols.psr import FlushMode, PsrServerCodec
from telephony.protocols.psr_chunks import ChunkCodec


class PsrConsumer(AsyncConsumer):
    """One PSR socket."""

    async def __call__(self, scope: Scope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Judge the handshake, open the call or find the one that lost its socket, carry it."""
        if (await receive())["type"] != "websocket.connect":
            return

        async def accept() -> Leg:
            socket = leg_of(scope, receive, send)
            await send({"type": "websocket.accept"})
            return socket

        async def accept_first() -> ResumableLeg:
            return await resumable(await accept())

        desk = call_desk()
        try:
            with knocking(scope):
                query = _query(scope)
                key = _key(scope, query)
                call = live_legs.waiting(key, peer_of(scope)) or await _open(desk, scope, query)
        except CallRefused as refused:
            await refuse(scope, send, Refusal(refused.status, refused.code))
            return
        if isinstance(call, ResumableLeg):
            await go_on(call, await accept())
            return
        opened, entry = call
        await carry(desk, opened, entry, partial(codec_for, opened), key, accept_first)


def _query(scope: Scope) -> PsrQuery:
    query = read_psr_query(scope["query_string"], scope["headers"])
    if isinstance(query, Refusal):
        raise CallRefused(query.status, query.code)
    return query


def _key(scope: Scope, query: PsrQuery) -> tuple[str, ...]:
    """By what a further socket of the same call finds it."""
    token: str = scope["url_route"]["kwargs"]["token"]
    return ("psr", hashlib.sha256(token.encode()).hexdigest(), query.call_id, query.tenant)


async def _open(desk: CallDesk, scope: Scope, query: PsrQuery) -> tuple[OpenedCall, LiveEntry]:
    with desk.seat():
        return await desk.open(
            token=scope["url_route"]["kwargs"]["token"],
            vendor_call_id=query.call_id,
            query=query.parameters,
            tenant=query.tenant,
            peer=peer_of(scope),
        )


def codec_for(opened: OpenedCall) -> VendorCodec:
    """The codec of one call: its channel, and what the PSR settings say of the account."""
    return PsrServerCodec(
        Channel(opened.channel),
        Side(opened.customer_side),
        FlushMode(settings.PSR_FLUSH),
        chunk_codec=ChunkCodec(settings.PSR_CHUNK_CODEC),
        chunk_ms=settings.PSR_CHUNK_MS,
    )
