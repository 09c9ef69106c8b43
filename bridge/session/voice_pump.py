"""To the vendor: all that is written to its socket. Paces the agent's audio and keeps the call's deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from bridge.playout import SentAudio
from bridge.session.contracts import CloseCode, EndedBy
from bridge.session.inbox import PlayedOut
from bridge.session.state import CallOver, LiveCall, begin_farewell, prepare_transfer, say_prompt
from bridge.session.turns import OWN_ITEM_PREFIX
from bridge.session.watch import Due, Farewell
from telephony.errors import LocalProtocolError
from telephony.protocols.events import EndUtterance, Hangup, Transfer, VendorCommand, WireMessage

# The recording is handed on this often, so that a killed process loses little of it.
RECORDING_TICK_MS: Final = 1_000


async def speak_to_vendor(call: LiveCall) -> None:
    """Send what is due, report what was heard, act on deadlines; sleeps until the next of these.

    Raises:
        CallOver: a deadline ended the call, or the vendor took nothing for `send_stall_s`.
    """
    try:
        while True:
            call.wake.clear()
            await _send_due(call)
            _report_heard(call)
            if call.recorder is not None:
                call.recorder.tick(call.now_ms())
            await _keep_deadlines(call)
            await _sleep(call, _next_at_ms(call) - call.now_ms())
    finally:
        call.wake.close()


async def transmit(call: LiveCall, command: VendorCommand) -> None:
    """Say one command to the vendor.

    Raises:
        CallOver: it took nothing for `send_stall_s`.
        LocalProtocolError: the vendor's protocol cannot say it.
    """
    for message in call.codec.send(command):
        await _hand_over(call, message)


def speak_at_once(call: LiveCall) -> None:
    """Send what is due, as far as the socket takes it without waiting; the pump is woken only for what is left.

    An agent that speaks in real time says a little fifty times a second, and all of it is due at once.

    Raises:
        LocalProtocolError: the vendor's protocol cannot say it.
    """
    if call.urgent or call.unsent or not call.watch.has_begun:
        call.wake.set()
        return
    for message in _due_messages(call):
        if call.unsent or not call.leg.send_now(message):
            call.unsent.append(message)
        else:
            call.counters.messages_out += 1
    if call.unsent:
        call.wake.set()
        return
    now_ms = call.now_ms()
    due_at_ms = call.playout.next_due_at_ms(now_ms)
    if due_at_ms is not None:
        call.wake.no_later_than((due_at_ms - now_ms) / 1000)


async def _hand_over(call: LiveCall, message: WireMessage) -> None:
    """Send a message after those that wait."""
    if call.unsent or not call.leg.send_now(message):
        call.unsent.append(message)
        await _send_waiting(call)
    else:
        call.counters.messages_out += 1


async def _send_waiting(call: LiveCall) -> None:
    try:
        while call.unsent:
            # Each stays in its place until it is sent, so that nothing overtakes it meanwhile.
            await _send_in_time(call, call.unsent[0])
            call.unsent.popleft()
            call.counters.messages_out += 1
    except CallOver:
        call.unsent.clear()
        raise


async def _send_in_time(call: LiveCall, message: WireMessage) -> None:
    try:
        async with asyncio.timeout(call.limits.send_stall_s):
            await call.leg.send(message)
    except TimeoutError as error:
        raise CallOver(EndedBy.SOCKET_LOST, CloseCode.INTERNAL, "the peer reads nothing") from error


async def _send_due(call: LiveCall) -> None:
    await _send_waiting(call)
    while call.urgent:
        await transmit(call, call.urgent.popleft())
    if not call.watch.has_begun:
        # Some vendors name their stream when they open it, and audio must carry that name. Opening it wakes us.
        return
    for message in _due_messages(call):
        await _hand_over(call, message)
    if call.playout.has_room:
        call.room.set()


def _due_messages(call: LiveCall) -> Iterator[WireMessage]:
    """The messages for what is due, noted as they are taken."""
    for sent in call.playout.due(call.now_ms()):
        if isinstance(sent, EndUtterance):
            yield from call.codec.send(sent)
            continue
        _record(call, sent)
        call.turns.agent_started(sent.command.item_id, sent.heard_from_ms)
        yield from call.codec.send(sent.command)


def _record(call: LiveCall, sent: SentAudio) -> None:
    if call.recorder is not None:
        call.recorder.agent(sent.heard_from_ms, sent.command.pcm, call.codec.capabilities.out_rate_hz)


def _report_heard(call: LiveCall) -> None:
    for heard in call.playout.pop_heard(call.now_ms()):
        call.turns.agent_heard(heard)
        if not heard.item_id.startswith(OWN_ITEM_PREFIX):
            call.inbox.put(PlayedOut(heard.item_id))


async def _keep_deadlines(call: LiveCall) -> None:
    now_ms = call.now_ms()
    match call.watch.due(now_ms, _drained_at_ms(call)):
        case Due.NO_FIRST_EVENT:
            raise CallOver(EndedBy.MEDIA_LOST, CloseCode.IDLE, "no event after the socket opened")
        case Due.ASK_STILL_THERE:
            call.watch.asked()
            say_prompt(call, "still_there")
        case Due.MEDIA_LOST:
            begin_farewell(call, EndedBy.MEDIA_LOST, drain_s=0)
        case Due.MAX_DURATION:
            begin_farewell(call, EndedBy.MAX_DURATION, call.limits.goodbye_s)
        case Due.SAY_FAREWELL:
            await _say_farewell(call)
        case Due.LEAVE if call.watch.farewell is not None:
            raise CallOver(call.watch.farewell.ended_by)
        case _:
            return


async def _say_farewell(call: LiveCall) -> None:
    farewell = call.watch.farewell
    if farewell is None:
        return
    try:
        await transmit(call, farewell.command)
    except LocalProtocolError as error:
        if isinstance(farewell.command, Hangup):
            # A vendor without a hang-up message understands the closing of its socket.
            raise CallOver(farewell.ended_by) from error
        _say_it_otherwise(call, farewell)
        return
    farewell.said_at_ms = call.now_ms()
    if isinstance(farewell.command, Transfer):
        call.transferred_to = farewell.command.targets[0].number
    elif not call.codec.capabilities.confirms_hangup:
        raise CallOver(farewell.ended_by)


def _say_it_otherwise(call: LiveCall, farewell: Farewell) -> None:
    """The vendor cannot hand the customer to this target: try the next, and after the last apologise and hang up."""
    if farewell.others:
        targets = farewell.others
        farewell.command, farewell.others = Transfer(targets[:1]), targets[1:]
        prepare_transfer(call, farewell, targets)
    else:
        say_prompt(call, "apology")
        farewell.command, farewell.ended_by = Hangup(), EndedBy.AGENT_FAILED
        farewell.latest_ms = call.now_ms() + call.limits.drain_s * 1000
        farewell.wait_ms = call.limits.closed_wait_s * 1000
    call.wake.set()


def _drained_at_ms(call: LiveCall) -> float:
    """When all agent audio will have been heard; not before the rest of it is sent."""
    waiting_ms = call.playout.queued_ms
    return max(call.playout.drained_at_ms(), call.now_ms()) + waiting_ms if waiting_ms else call.playout.drained_at_ms()


def _next_at_ms(call: LiveCall) -> float:
    now_ms = call.now_ms()
    candidates = [
        call.watch.next_at_ms(_drained_at_ms(call)),
        call.playout.next_due_at_ms(now_ms) if call.watch.has_begun else None,
        call.playout.next_heard_at_ms(),
        now_ms + RECORDING_TICK_MS if call.recorder is not None else None,
    ]
    return min(at_ms for at_ms in candidates if at_ms is not None)


async def _sleep(call: LiveCall, wait_ms: float) -> None:
    if wait_ms <= 0 or call.wake.is_set():
        # Give the other pumps a turn even when there is always something to send.
        await asyncio.sleep(0)
        return
    await call.wake.wait(wait_ms / 1000)
