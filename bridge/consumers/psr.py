"""`/psr/<token>`: the socket PSR opens for an answered call of ours.

A Channels consumer with its own `__call__`: the stock one takes every received frame through the process's one database
thread and a channel layer, and never reports the end of a call whose handler raised. Here the frames go straight to the
session, and whatever happens the call is finished.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from typing import Any, Final

from channels.consumer import AsyncConsumer
from django.conf import settings

from bridge.agent_settings import agent_of
from bridge.agents.base import Agent, Brief
from bridge.agents.registry import AgentConfigError, UnusableAgent
from bridge.audio.recorder import Recorder
from bridge.audio.resample import Method
from bridge.calls import CallDesk, CallRefused, LiveEntry, OpenedCall, broken_summary, call_desk
from bridge.checks import DEFAULT_RESAMPLER
from bridge.consumers.handshake import BadTokenLimiter, PsrQuery, Refusal, read_psr_query
from bridge.consumers.leg import AsgiLeg, AsgiReceive, AsgiSend
from bridge.session import Action, ActionResult, CallSummary, CloseCode, Findings, Limits, Turn, bridge_call
from telephony.protocols.events import Channel, Side, VendorCodec
from telephony.protocols.psr import FlushMode, PsrServerCodec
from telephony.protocols.psr_chunks import ChunkCodec

logger = logging.getLogger(__name__)

_TOKEN_REFUSALS: Final = frozenset({401, 403, 404})
_limiter = BadTokenLimiter()


class PsrConsumer(AsyncConsumer):
    """One PSR socket."""

    async def __call__(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """Judge the handshake, open the call, carry it."""
        if (await receive())["type"] != "websocket.connect":
            return
        desk = call_desk()
        try:
            with desk.seat():
                opened, entry = await _open(desk, scope)
        except CallRefused as refused:
            await _refuse(scope, send, Refusal(refused.status, refused.code))
            return
        await _carry(desk, opened, entry, AsgiLeg(receive, send), send)


async def _open(desk: CallDesk, scope: dict[str, Any]) -> tuple[OpenedCall, LiveEntry]:
    peer = (scope.get("client") or ("",))[0]
    if _limiter.is_blocked(peer, time.monotonic()):
        raise CallRefused(429, "too_many_bad_tokens", "Too many bad tokens from this address; wait a minute.")
    query = read_psr_query(scope["query_string"], scope["headers"])
    if isinstance(query, Refusal):
        raise CallRefused(query.status, query.code)
    token = scope["url_route"]["kwargs"]["token"]
    try:
        return await desk.open(token=token, vendor_call_id=query.call_id, query=_parameters(query))
    except CallRefused as refused:
        if refused.status in _TOKEN_REFUSALS:
            _limiter.was_bad(peer, time.monotonic())
        raise


def _parameters(query: PsrQuery) -> dict[str, str]:
    return {name: value for name, value in query.parameters.items() if name not in ("call_id", "tenant")}


async def _refuse(scope: dict[str, Any], send: AsgiSend, refusal: Refusal) -> None:
    """Answer the handshake with an HTTP status where the server can, else close it (which reads as 403)."""
    logger.info("socket refused", extra={"code": refusal.code, "status": refusal.status})
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": CloseCode.NORMAL})
        return
    body = f"{HTTPStatus(refusal.status).phrase}: {refusal.code}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def _carry(desk: CallDesk, opened: OpenedCall, entry: LiveEntry, leg: AsgiLeg, send: AsgiSend) -> None:
    sink = _DeskSink(desk, opened)
    recording = desk.recordings.path_of(opened.call_id)
    recorder = Recorder(recording, desk.recordings.threads) if settings.RECORD_CALLS else None
    try:
        await send({"type": "websocket.accept"})
        await bridge_call(
            leg,
            codec_for(opened),
            _agent(opened),
            Brief(str(opened.call_id), opened.agent_config, opened.parameters, opened.prompts),
            Limits(max_call_s=opened.max_call_s),
            time.monotonic,
            sink,
            recorder=recorder,
            resampler=_resampler(),
            stop=entry.stop,
        )
    except Exception:  # the top of a consumer: whatever broke, this call is finished and the others go on
        logger.exception("call broke", extra={"call_id": str(opened.call_id)})
        await leg.close(CloseCode.INTERNAL)
    finally:
        has_recording = recorder is not None and await asyncio.to_thread(recording.is_file)
        await asyncio.shield(desk.finish(opened.call_id, sink.summary, recording if has_recording else None))


class _DeskSink:
    """Passes turns and findings to the desk, and keeps the summary for the end (see `bridge.session.Sink`)."""

    def __init__(self, desk: CallDesk, opened: OpenedCall) -> None:
        self._desk = desk
        self._call_id = opened.call_id
        self.summary: CallSummary = broken_summary()

    def turn(self, turn: Turn) -> None:
        """See `Sink`."""
        self._desk.turn(self._call_id, turn)

    def learned(self, findings: Findings) -> None:
        """See `Sink`."""
        self._desk.learned(self._call_id, findings)

    async def perform(self, action: Action) -> ActionResult:
        """See `Sink`."""
        return ActionResult(ok=False, error=f"{type(action).__name__} cannot be done in this call")

    def ended(self, summary: CallSummary) -> None:
        """See `Sink`."""
        self.summary = summary


def codec_for(opened: OpenedCall) -> VendorCodec:
    """The codec of one call: its channel, and what the PSR settings say of the account."""
    return PsrServerCodec(
        Channel(opened.channel),
        Side(opened.customer_side),
        FlushMode(settings.PSR_FLUSH),
        chunk_codec=ChunkCodec(settings.PSR_CHUNK_CODEC),
        chunk_ms=settings.PSR_CHUNK_MS,
    )


def _agent(opened: OpenedCall) -> Agent:
    try:
        return agent_of(opened.agent_kind, opened.agent_config)
    except AgentConfigError as error:
        logger.warning("agent cannot be used: %s", error, extra={"call_id": str(opened.call_id)})
        return UnusableAgent(str(error))


def _resampler() -> Method:
    """The RESAMPLER setting; `default` leaves the choice to the product."""
    return Method.FIR if settings.RESAMPLER == DEFAULT_RESAMPLER else Method(settings.RESAMPLER)
