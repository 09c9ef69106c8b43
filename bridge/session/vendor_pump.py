"""From the vendor: reads its socket, never waits for anyone else, and hands on what matters."""

from __future__ import annotations

from typing import assert_never

from bridge.agents.base import BargeIn
from bridge.audio.resample import Resampler
from bridge.audio.vad import SpeechStarted
from bridge.session.contracts import CloseCode, EndedBy
from bridge.session.guard import Violation
from bridge.session.inbox import CustomerAudio, KeyPressed
from bridge.session.state import CallOver, LiveCall, barge_in
from telephony.errors import RemoteProtocolError
from telephony.protocols.events import (
    PCM16_SAMPLE_BYTES,
    AudioReceived,
    Closed,
    DtmfReceived,
    Ignored,
    Opened,
    PlaybackAcknowledged,
    VendorEvent,
    WireMessage,
)

_CLEAN_CLOSES = frozenset({CloseCode.NORMAL, CloseCode.GOING_AWAY, CloseCode.NO_STATUS})


async def hear_vendor(call: LiveCall) -> None:
    """Read until the call is over.

    Raises:
        CallOver: the vendor closed, the socket was lost, or the peer broke a bound.
    """

    def hear(message: WireMessage) -> float:
        now_s = call.clock()
        for event in _read(call, message, now_s):
            if isinstance(event, AudioReceived):
                _hear(call, event, (now_s - call.started_s) * 1000)
            else:
                _handle(call, event)
        if not call.guard.is_over_rate:
            return 0.0
        # Nothing is read for the rest of the second, so that the peer's own socket fills, not our memory.
        call.counters.flood_pauses += 1
        return call.guard.pause_s(call.clock())

    await call.leg.listen(hear)
    raise _socket_ended(call)


def _read(call: LiveCall, message: WireMessage, now_s: float) -> list[VendorEvent]:
    call.counters.messages_in += 1
    _enforce(call.guard.received(len(message), now_s))
    try:
        events = call.codec.receive(message)
    except RemoteProtocolError as error:
        call.counters.bad_messages += 1
        if error.close_code is not None:
            raise CallOver(EndedBy.PEER_VIOLATION, error.close_code, error.code) from error
        _enforce(call.guard.malformed())
        return []
    call.guard.well_formed()
    return events


def _enforce(violation: Violation | None) -> None:
    if violation is not None:
        raise CallOver(EndedBy.PEER_VIOLATION, violation.close_code, violation.reason)


def _handle(call: LiveCall, event: Opened | DtmfReceived | PlaybackAcknowledged | Closed | Ignored) -> None:
    match event:
        case Opened():
            call.watch.event(call.now_ms())
            call.wake.set()
        case DtmfReceived(digit=digit):
            call.watch.event(call.now_ms())
            call.inbox.put(KeyPressed(digit))
        case PlaybackAcknowledged():
            _played(call, event)
        case Closed(reason=reason):
            call.is_closed_by_vendor = True
            farewell = call.watch.farewell
            raise CallOver(EndedBy.CUSTOMER_HANGUP if farewell is None else farewell.ended_by, detail=reason)
        case Ignored():
            call.counters.ignored_messages += 1
        case _:
            assert_never(event)


def _played(call: LiveCall, ack: PlaybackAcknowledged) -> None:
    now_ms = call.now_ms()
    cut = call.playout.acknowledge(ack, now_ms)
    if cut is not None:
        call.turns.agent_cut(cut, now_ms)
    call.wake.set()


def _hear(call: LiveCall, audio: AudioReceived, now_ms: float) -> None:
    call.counters.frames_in += 1
    call.watch.media(now_ms)
    pcm, sent_at_hz, other = audio
    rate_hz = call.codec.capabilities.in_rate_hz
    if sent_at_hz != rate_hz:
        # Whoever streams both legs says the rate it sends at.
        pcm, other = _at_rate(call, audio, rate_hz), None
    if not pcm:
        return
    if (recorder := call.recorder) is not None:
        began_ms = now_ms - len(pcm) * 1000 / (PCM16_SAMPLE_BYTES * rate_hz)
        recorder.customer(began_ms, pcm, rate_hz)
        if other and call.is_listening:
            # The person on the other leg takes the agent's place.
            recorder.agent(began_ms, other, rate_hz)
    if not call.is_agent_gone:
        call.inbox.put_audio(CustomerAudio(pcm, now_ms, other or b""))
    if (ear := call.ear) is not None and call.barge_in is BargeIn.BRIDGE:
        for change in ear.feed(pcm):
            if isinstance(change, SpeechStarted):
                barge_in(call)


def _at_rate(call: LiveCall, audio: AudioReceived, rate_hz: int) -> bytes:
    """Audio of a vendor that sends at another rate than it should, at the call's rate."""
    if call.from_odd_rate is None or call.from_odd_rate.from_hz != audio.rate_hz:
        call.from_odd_rate = Resampler(audio.rate_hz, rate_hz, call.resampler)
    return call.from_odd_rate.process(audio.pcm)


def _socket_ended(call: LiveCall) -> CallOver:
    if call.watch.farewell is not None:
        return CallOver(call.watch.farewell.ended_by)
    code = call.leg.close_code
    ended_by = EndedBy.VENDOR_CLOSED if code in _CLEAN_CLOSES else EndedBy.SOCKET_LOST
    return CallOver(ended_by, detail=f"socket closed with {code}")
