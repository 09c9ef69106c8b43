"""The alarm by which the voice pump sleeps: what wakes it, and when."""

from __future__ import annotations

import asyncio

import pytest

from bridge.session.alarm import Alarm
from tests.bridge import virtual_time


def test_waiting_ends_when_its_time_has_come():
    async def scenario() -> list[float]:
        alarm, loop, woke_s = Alarm(), asyncio.get_running_loop(), []
        # Later, sooner and the same: a timer that was kept must be neither early nor late.
        for wait_s in (1.0, 5.0, 0.5, 0.5, 2.0):
            await alarm.wait(wait_s)
            woke_s.append(loop.time())
        alarm.close()
        return woke_s

    assert virtual_time.run(scenario()) == pytest.approx([1.0, 6.0, 6.5, 7.0, 9.0], abs=0.002)


def test_waiting_ends_when_it_is_set_and_the_timer_stays():
    async def scenario() -> list[float]:
        alarm, loop, woke_s = Alarm(), asyncio.get_running_loop(), []
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
        alarm, loop = Alarm(), asyncio.get_running_loop()
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
