"""How a bridge leaves: it waits for its calls, says goodbye to them, and goes; on virtual time, with a fake desk."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field

import uvicorn

from bridge.calls import CallDesk
from bridge.server.process import GOODBYE_S, BridgeServer
from tests.bridge.virtual_time import run

DRAIN_S = 30.0
TICK_S = 0.1


@dataclass
class FakeDesk:
    """A desk with calls that end when the test says so, or `leaves_after_s` after the goodbye."""

    live_calls: int
    leaves_after_s: float = float("inf")
    is_draining: bool = False
    stopped_at_s: list[float] = field(default_factory=list)

    def stop_all(self) -> None:
        loop = asyncio.get_running_loop()
        self.stopped_at_s.append(loop.time())
        if self.leaves_after_s < float("inf"):
            loop.call_later(self.leaves_after_s, self.leave)

    def leave(self) -> None:
        self.live_calls = 0


async def left_after(desk: FakeDesk, *signals_at_s: float, calls_end_at_s: float = float("inf")) -> float:
    """When the server stops, in seconds of the loop's clock."""
    config = uvicorn.Config("unused:application", log_config=None)
    server = BridgeServer(config, desk, DRAIN_S, lambda: None)  # type: ignore[arg-type]  # as much of a desk as it needs
    server.servers = []
    loop = asyncio.get_running_loop()
    for at_s in signals_at_s:
        loop.call_at(at_s, server.handle_exit, signal.SIGTERM, None)
    if calls_end_at_s < float("inf"):
        loop.call_at(calls_end_at_s, desk.leave)
    ticks = 0
    while not await server.on_tick(ticks):
        ticks += 1
        await asyncio.sleep(TICK_S)
    return loop.time()


def test_a_bridge_without_calls_leaves_at_once() -> None:
    desk = FakeDesk(0)
    assert run(left_after(desk, 1.0)) <= 1.0 + 2 * TICK_S
    assert desk.is_draining


def test_calls_end_by_themselves_while_no_new_ones_are_taken() -> None:
    desk = FakeDesk(80)
    assert 20.0 <= run(left_after(desk, 1.0, calls_end_at_s=20.0)) <= 20.0 + 2 * TICK_S
    assert (desk.is_draining, desk.stopped_at_s) == (True, [])


def test_calls_that_last_too_long_are_told_goodbye_once() -> None:
    desk = FakeDesk(80, leaves_after_s=4.0)
    left_at_s = run(left_after(desk, 1.0))
    (stopped_at_s,) = desk.stopped_at_s
    assert 0 <= stopped_at_s - (1.0 + DRAIN_S) <= 2 * TICK_S
    assert 0 <= left_at_s - stopped_at_s - 4.0 <= 2 * TICK_S


def test_a_second_signal_asks_for_the_goodbye_now() -> None:
    desk = FakeDesk(80, leaves_after_s=4.0)
    assert run(left_after(desk, 1.0, 3.0)) <= 3.0 + 4.0 + 3 * TICK_S


def test_a_call_that_does_not_leave_is_left() -> None:
    desk = FakeDesk(1)
    assert run(left_after(desk, 1.0, 3.0)) <= 3.0 + GOODBYE_S + 3 * TICK_S
    assert GOODBYE_S <= 15


def test_the_fake_has_what_the_server_asks_of_a_desk() -> None:
    for name in ("live_calls", "stop_all"):
        assert hasattr(CallDesk, name)
