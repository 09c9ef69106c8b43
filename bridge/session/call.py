"""`bridge_call`: everything between the accepted socket and the summary of the call."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from datetime import UTC, datetime

from bridge.agents.base import Agent, Brief
from bridge.audio.recorder import Recorder, Recording
from bridge.audio.resample import Method
from bridge.session.agent_pump import converse
from bridge.session.contracts import CallSummary, Clock, CloseCode, EndedBy, Leg, Limits, Sink, Stop, WallClock
from bridge.session.state import CallOver, LiveCall, open_call, stop_for_drain
from bridge.session.vendor_pump import hear_vendor
from bridge.session.voice_pump import speak_to_vendor, transmit
from telephony.errors import LocalProtocolError
from telephony.protocols.events import Hangup, ReportError, VendorCodec

logger = logging.getLogger(__name__)

# Leaving must not hang on a peer that no longer reads, nor on a disk that no longer writes.
PARTING_S = 1.0
RECORDING_CLOSE_S = 5.0
_CLEAN_CLOSES = frozenset({CloseCode.NORMAL, CloseCode.GOING_AWAY})


async def bridge_call(
    leg: Leg,
    codec: VendorCodec,
    agent: Agent,
    brief: Brief,
    limits: Limits,
    clock: Clock,
    sink: Sink,
    *,
    recorder: Recorder | None = None,
    resampler: Method = Method.FIR,
    stop: Stop | None = None,
    wall_clock: WallClock | None = None,
) -> CallSummary:
    """Carry one conversation between a vendor's leg and an agent until either ends it; how it went.

    `stop` ends it from outside. `wall_clock` is the machine's unless given. Whatever happens, the vendor is
    hung up, the agent closed, the recording completed and `sink.ended` told exactly once; an error of our own is then
    raised on, a cancellation too.
    """
    async with asyncio.TaskGroup() as errands:
        call = open_call(
            leg,
            codec,
            brief,
            limits,
            clock,
            wall_clock or _time_of_day,
            sink,
            errands,
            recorder=recorder,
            resampler=resampler,
        )
        over = CallOver(EndedBy.BRIDGE_ERROR, CloseCode.INTERNAL)
        try:
            over = await _run_pumps(call, agent, stop)
        except asyncio.CancelledError:
            # An errand that breaks cancels the call too; that is no leaving of the process's.
            if not call.is_errand_broken:
                over = CallOver(EndedBy.DRAIN, CloseCode.GOING_AWAY)
            raise
        finally:
            summary = await _leave(call, over)
            sink.ended(summary)
    return summary


def _time_of_day() -> datetime:
    return datetime.now(UTC)


async def _run_pumps(call: LiveCall, agent: Agent, stop: Stop | None) -> CallOver:
    over = CallOver(EndedBy.BRIDGE_ERROR, CloseCode.INTERNAL, "the pumps stopped by themselves")
    task = asyncio.current_task()
    requested = task.cancelling() if task else 0
    try:
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(hear_vendor(call))
            pumps.create_task(speak_to_vendor(call))
            pumps.create_task(converse(call, agent))
            if stop is not None:
                pumps.create_task(_obey_stop(call, stop))
    except* CallOver as ends:
        over = _first(ends)
    # Up to Python 3.12 a group leaves the request by which it woke its own task; in 3.11.2 no timeout ends after that.
    if task and task.cancelling() > requested:
        task.uncancel()
    return over


async def _obey_stop(call: LiveCall, stop: Stop) -> None:
    if await stop.wait():
        raise CallOver(EndedBy.STOPPED, CloseCode.NORMAL)
    stop_for_drain(call)


def _first(ends: ExceptionGroup[CallOver]) -> CallOver:
    """The end that was seen first, however deep its group."""
    end = ends.exceptions[0]
    return _first(end) if isinstance(end, ExceptionGroup) else end


async def _leave(call: LiveCall, over: CallOver) -> CallSummary:
    ended_ms = call.now_ms()
    await _part(call, over)
    interruption = call.playout.interrupt(ended_ms, is_line_gone=True)
    for cut in interruption.cuts if interruption is not None else ():
        call.turns.agent_cut(cut, ended_ms)
    call.counters.dropped_ms = call.inbox.dropped_ms
    if call.recorder is not None:
        recording = await _close_recording(call.recorder.close())
        call.counters.recording_lost_ms = recording.lost_ms if recording is not None else round(ended_ms)
    return CallSummary(
        ended_by=over.ended_by,
        duration_ms=round(ended_ms),
        disposition=call.disposition,
        answers=tuple(call.answers),
        transferred_to=call.transferred_to,
        detail=over.detail,
        is_agent_broken=call.is_agent_broken,
        counters=call.counters,
    )


async def _part(call: LiveCall, over: CallOver) -> None:
    """Say what went wrong, if anything did, hang up where the vendor was not told yet, and close the socket."""
    farewell = call.watch.farewell
    was_told = farewell is not None and farewell.said_at_ms is not None
    try:
        async with asyncio.timeout(PARTING_S):
            if not was_told and not call.is_closed_by_vendor and call.leg.close_code is None:
                if over.close_code not in _CLEAN_CLOSES:
                    await transmit(call, _report_of(over))
                await transmit(call, Hangup())
            await call.leg.close(over.close_code)
    except (TimeoutError, CallOver, LocalProtocolError) as error:
        logger.info("the vendor could not be told of the end: %s", type(error).__name__)


def _report_of(over: CallOver) -> ReportError:
    """What the vendor is told: its own fault in our words, of ours only that it is."""
    if over.close_code == CloseCode.INTERNAL:
        return ReportError("the bridge cannot go on", is_ours=True)
    return ReportError(over.detail, is_ours=False)


async def _close_recording(closing: Future[Recording]) -> Recording | None:
    try:
        async with asyncio.timeout(RECORDING_CLOSE_S):
            return await asyncio.wrap_future(closing)
    except (TimeoutError, OSError) as error:
        logger.warning("recording not completed: %s", repr(error))
        return None
