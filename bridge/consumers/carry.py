"""Carries a call that was opened, from its accepted socket to its recorded end, whatever happens in between."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeAlias

from django.conf import settings

from bridge.agent_settings import agent_of
from bridge.agents.base import Agent, Brief
from bridge.agents.registry import AgentConfigError, UnusableAgent, own_transfer_targets
from bridge.audio.recorder import Recorder
from bridge.audio.resample import Method
from bridge.calls import CallDesk, LiveEntry, OpenedCall, broken_summary
from bridge.checks import DEFAULT_RESAMPLER
from bridge.consumers.resume import ResumableLeg, live_legs
from bridge.session import Action, ActionResult, CallSummary, CloseCode, Findings, Limits, Turn, bridge_call
from telephony.protocols.events import VendorCodec

logger = logging.getLogger(__name__)

Connect: TypeAlias = Callable[[], Awaitable[ResumableLeg]]


async def carry(
    desk: CallDesk,
    opened: OpenedCall,
    entry: LiveEntry,
    make_codec: Callable[[], VendorCodec],
    key: Hashable,
    connect: Connect,
) -> None:
    """Hold the conversation and record its end.

    `connect` gives the leg of the accepted socket; a further socket of the same call finds that leg by `key`.
    """
    sink = _DeskSink(desk, opened)
    leg: ResumableLeg | None = None
    try:
        leg = await connect()
        codec, agent = make_codec(), _agent(opened)
        recorder = _recorder(desk, opened)
        with live_legs.holding(key, leg, opened.allowed_networks):
            await bridge_call(
                leg,
                codec,
                agent,
                brief_of(opened, agent),
                Limits(max_call_s=opened.max_call_s),
                time.monotonic,
                sink,
                recorder=recorder,
                resampler=_resampler(),
                stop=entry.stop,
            )
    except Exception:  # the top of a consumer: whatever broke, this call is finished and the others go on
        logger.exception("call broke", extra={"call_id": str(opened.call_id)})
        if leg is not None:
            await leg.close(CloseCode.INTERNAL)
    finally:
        # Whoever cancels again while the end is written must not stop that.
        await asyncio.shield(_finish(desk, opened, sink))


def brief_of(opened: OpenedCall, agent: Agent) -> Brief:
    """What the agent is told of the call before it speaks."""
    return Brief(
        call_id=str(opened.call_id),
        config=opened.agent_config,
        parameters=opened.parameters,
        prompts=opened.prompts,
        customer_number=opened.customer_number,
        own_number=opened.own_number,
        is_outbound=opened.is_outbound,
        transfer_targets=(*opened.transfer_targets, *own_transfer_targets(agent)),
    )


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
        return await self._desk.perform(self._call_id, action)

    def ended(self, summary: CallSummary) -> None:
        """See `Sink`."""
        self.summary = summary


async def _finish(desk: CallDesk, opened: OpenedCall, sink: _DeskSink) -> None:
    recording = desk.recordings.path_of(opened.call_id)
    has_recording = settings.RECORD_CALLS and await asyncio.to_thread(recording.is_file)
    await desk.finish(opened.call_id, sink.summary, recording if has_recording else None)


def _recorder(desk: CallDesk, opened: OpenedCall) -> Recorder | None:
    return Recorder(desk.recordings.path_of(opened.call_id), desk.recordings.threads) if settings.RECORD_CALLS else None


def _agent(opened: OpenedCall) -> Agent:
    try:
        return agent_of(opened.agent_kind, opened.agent_config)
    except AgentConfigError as error:
        logger.warning("agent cannot be used: %s", error, extra={"call_id": str(opened.call_id)})
        return UnusableAgent(str(error))


def _resampler() -> Method:
    """The RESAMPLER setting; `default` leaves the choice to the product."""
    return Method.FIR if settings.RESAMPLER == DEFAULT_RESAMPLER else Method(settings.RESAMPLER)
