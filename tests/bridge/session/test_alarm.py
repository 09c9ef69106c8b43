"""The alarm by which the voice pump sleeps: what wakes it, and when."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from bridge.session.alarm import EXACT_S, Alarm
from tests.bridge import virtual_time


def test_waiting_ends_when_its_time_has_come():
    async def scenario() -> list[float]:
        loop, woke_s = asyncio.get_running_loop(), list[float]()
        alarm = Alarm(loop.time)
        # Later, sooner and the same: a timer that was kept must be neither early nor late.
        for wait_s in (1.0, 5.0, 0.5, 0.5, 2.0):
            await alarm.wait(wait_s)
            woke_s.append(loop.time())
        alarm.close()
        return woke_s

    assert virtual_time.run(scenario()) == pytest.approx([1.0, 6.0, 6.5, 7.0, 9.0], abs=0.002)


def test_waiting_ends_when_it_is_set_and_the_timer_stays():
    async def scenario() -> list[float]:
        loop, woke_s = asyncio.get_running_loop(), list[float]()
        alarm = Alarm(loop.time)
        loop.call_later(0.1, alarm.set)
        await alarm.wait(1.0)
        woke_s.append(loop.time())
        await alarm.wait(1.0)
        woke_s.append(loop.time())
        assert alarm.is_set()
        alarm.clear()
        await alarm.wait(2.0)
        woke_s.append(loop.time())
        alarm.close()
        return woke_s

    assert virtual_time.run(scenario()) == pytest.approx([0.1, 0.1, 2.1], abs=0.002)


def test_a_canceled_wait_leaves_the_alarm_usable():
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop.time)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await alarm.wait(1.0)
        alarm.set()
        alarm.clear()
        await alarm.wait(0.5)
        alarm.close()
        alarm.close()
        return loop.time()

    assert virtual_time.run(scenario()) == pytest.approx(0.7, abs=0.002)


def test_a_wait_under_way_can_be_shortened_but_not_drawn_out():
    async def scenario() -> list[float]:
        loop, woke_s = asyncio.get_running_loop(), list[float]()
        alarm = Alarm(loop.time)
        alarm.no_later_than(0.1)
        loop.call_later(0.5, alarm.no_later_than, 0.2)
        loop.call_later(0.6, alarm.no_later_than, 5.0)
        await alarm.wait(3.0)
        woke_s.append(loop.time())
        await alarm.wait(1.0)
        woke_s.append(loop.time())
        alarm.close()
        return woke_s

    assert virtual_time.run(scenario()) == pytest.approx([0.7, 1.7], abs=0.002)


def test_nobody_is_woken_before_the_time_on_the_loop_that_calls_run_on():
    async def scenario() -> list[float]:
        alarm, early_s = Alarm(time.monotonic), list[float]()
        # A loop of uvloop rounds these, some to nothing at all, and gives such a timer as a plain handle.
        for wait_s in (0.0002, 0.0004, 0.0006, 0.0014, 0.0003) * 4:
            until_s = time.monotonic() + wait_s
            await alarm.wait(wait_s)
            early_s.append(until_s - time.monotonic())
            asyncio.get_running_loop().call_soon(alarm.set)
            await alarm.wait(wait_s)
            alarm.clear()
        alarm.close()
        return early_s

    assert max(uvloop.run(scenario())) <= EXACT_S
