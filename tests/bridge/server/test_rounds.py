"""The loop's rests, with a loop, a clock and a rest that remember; and on a real loop, where nothing may be late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import pairwise

import pytest
import uvloop

from bridge.server.rounds import MIN_CALLS, ROUND_S, Rounds


class Machine:
    """A loop, its clock and its rests. `work_s` passes before each callback."""

    def __init__(self, *, calls: int = MIN_CALLS, work_s: float = 0.0) -> None:
        self.calls = calls
        self.work_s = work_s
        self.now_s = 100.0
        self.rests: list[float] = []
        self.ready: deque[Callable[[], None]] = deque()

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.ready.append(callback)

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now_s += seconds

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_s += self.work_s
            self.ready.popleft()()


def rounds_of(machine: Machine) -> Rounds:
    return Rounds(machine.call_soon, lambda: machine.calls, clock=lambda: machine.now_s, rest=machine.rest)


def test_rounds_begin_every_two_milliseconds_whatever_the_work_takes() -> None:
    machine = Machine(work_s=0.0005)
    rounds_of(machine).look()
    machine.turn()
    begins = []
    for _ in range(5):
        machine.turn()
        begins.append(machine.now_s)
    assert [later - earlier for earlier, later in pairwise(begins)] == pytest.approx([ROUND_S] * 4)
    assert machine.rests == pytest.approx([ROUND_S - 0.0005] * 5)


def test_a_loop_with_too_much_to_do_does_not_rest() -> None:
    machine = Machine(work_s=3 * ROUND_S)
    rounds_of(machine).look()
    machine.turn(20)
    assert machine.rests == []
    assert len(machine.ready) == 1


def test_after_a_long_round_the_next_is_not_hurried() -> None:
    machine = Machine()
    rounds_of(machine).look()
    machine.turn()
    machine.work_s = 10 * ROUND_S
    machine.turn()
    machine.work_s = 0.0
    machine.turn(3)
    assert machine.rests == pytest.approx([ROUND_S] * 3)


def test_a_clock_that_jumps_back_makes_no_long_rest() -> None:
    machine = Machine()
    rounds_of(machine).look()
    machine.turn()
    machine.now_s -= 3_600
    machine.turn()
    assert machine.rests == [ROUND_S]


def test_few_calls_need_no_rounds_and_many_begin_them_once() -> None:
    machine = Machine(calls=MIN_CALLS - 1)
    rounds = rounds_of(machine)
    rounds.look()
    assert not machine.ready
    machine.calls = MIN_CALLS
    rounds.look()
    rounds.look()
    assert len(machine.ready) == 1
    machine.calls = 0
    machine.turn()
    assert not machine.ready
    machine.calls = MIN_CALLS
    rounds.look()
    assert len(machine.ready) == 1


def test_what_is_sent_meanwhile_comes_in_the_next_round() -> None:
    """On the loop that serves calls: timers, sockets and other callbacks have their turn in every round."""
    calls = MIN_CALLS

    async def scenario() -> list[bytes]:
        nonlocal calls
        Rounds(asyncio.get_running_loop().call_soon, lambda: calls).look()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        async with asyncio.timeout(30), await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            heard = []
            for number in range(50):
                writer.write(b"%02d" % number)
                heard.append(await reader.readexactly(2))
                await asyncio.sleep(0.001)
            writer.close()
            await writer.wait_closed()
        calls = 0
        return heard

    assert uvloop.run(scenario()) == [b"%02d" % number for number in range(50)]
