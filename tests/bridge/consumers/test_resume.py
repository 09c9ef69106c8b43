"""A leg that outlives one lost connection, on virtual time."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from bridge.calls import CallRefused
from bridge.consumers.resume import LiveLegs, ResumableLeg, go_on
from bridge.session import CloseCode, Hear, listen_by
from telephony.protocols.events import WireMessage
from tests.bridge.virtual_time import run


class Socket:
    """A socket whose peer says these messages and is then gone with a code."""

    def __init__(self, *messages: WireMessage, code: int = CloseCode.ABNORMAL) -> None:
        self._messages = deque(messages)
        self._code = code
        self.close_code: int | None = None
        self.sent: list[WireMessage] = []
        self.closed_with: int | None = None

    async def receive(self) -> WireMessage | None:
        if self._messages:
            return self._messages.popleft()
        self.close_code = self.close_code or self._code
        return None

    async def listen(self, hear: Hear) -> None:
        await listen_by(self.receive, hear)

    def send_now(self, message: str | bytes) -> bool:
        return False

    async def send(self, message: WireMessage) -> None:
        self.sent.append(message)

    async def close(self, code: int) -> None:
        self.closed_with = code
        self.close_code = self.close_code or code


async def read_all(leg: ResumableLeg) -> list[WireMessage]:
    messages: list[WireMessage] = []

    def hear(message: WireMessage) -> float:
        messages.append(message)
        return 0.0

    await leg.listen(hear)
    return messages


def test_the_reader_sees_one_stream_over_two_sockets():
    async def scenario() -> None:
        first, second = Socket("b"), Socket("d", code=CloseCode.NORMAL)
        leg = ResumableLeg(first, grace_s=10, unread=["a"])
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read_all(leg))
            await asyncio.sleep(9.9)
            assert (leg.is_waiting, leg.close_code) == (True, None)
            await leg.send("dropped")
            assert leg.resume(second, ["c"])
            await leg.send("heard")
        assert reading.result() == ["a", "b", "c", "d"]
        assert (first.sent, second.sent, leg.close_code) == ([], ["heard"], CloseCode.NORMAL)

    run(scenario())


def test_nobody_is_waited_for_longer_than_the_grace():
    async def scenario() -> None:
        leg = ResumableLeg(Socket(), grace_s=10)
        began_s = asyncio.get_running_loop().time()
        assert await read_all(leg) == []
        assert asyncio.get_running_loop().time() - began_s == 10
        assert (leg.close_code, leg.resume(Socket("late"))) == (CloseCode.ABNORMAL, False)

    run(scenario())


@pytest.mark.parametrize(
    ("code", "grace_s", "has_ended"), [(CloseCode.NORMAL, 10, False), (1006, 0, False), (1006, 10, True)]
)
def test_a_close_is_final_and_so_is_a_loss_after_our_own(code: int, grace_s: float, has_ended: bool):
    async def scenario() -> None:
        leg = ResumableLeg(Socket(code=code), grace_s=grace_s)
        if has_ended:
            await leg.close(CloseCode.NORMAL)
        assert await read_all(leg) == []
        assert asyncio.get_running_loop().time() == 0

    run(scenario())


def test_a_line_that_is_lost_again_is_given_up():
    async def scenario() -> None:
        leg = ResumableLeg(Socket(), grace_s=10)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read_all(leg))
            await asyncio.sleep(1)
            leg.resume(Socket("b"))
        assert reading.result() == ["b"]
        assert asyncio.get_running_loop().time() == 1

    run(scenario())


def test_live_legs_are_found_while_they_wait():
    async def scenario() -> None:
        legs, leg = LiveLegs(), ResumableLeg(Socket(), grace_s=10)
        with legs.holding("key", leg, ("203.0.113.0/24",)):
            with pytest.raises(CallRefused) as live:
                legs.waiting("key", "203.0.113.7")
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(read_all(leg))
                await asyncio.sleep(1)
                with pytest.raises(CallRefused) as elsewhere:
                    legs.waiting("key", "198.51.100.7")
                assert (legs.waiting("key", "203.0.113.7"), legs.waiting("other", "")) == (leg, None)
                reading.cancel()
        assert (live.value.status, elsewhere.value.status) == (409, 403)
        assert legs.waiting("key", "203.0.113.7") is None

    run(scenario())


def test_who_brings_a_socket_stays_until_the_call_is_over():
    async def scenario() -> None:
        legs, leg, late = LiveLegs(), ResumableLeg(Socket(), grace_s=10), Socket()
        async with asyncio.TaskGroup() as group:
            with legs.holding("key", leg):
                group.create_task(read_all(leg))
                await asyncio.sleep(1)
                staying = group.create_task(go_on(leg, Socket("b")))
                await asyncio.sleep(1)
                assert not staying.done()
        await go_on(leg, late)
        assert late.closed_with == CloseCode.GONE

    run(scenario())
