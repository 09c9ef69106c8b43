"""A process tells how it keeps up; a database that hangs holds up no call; calls leave nothing behind."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from bridge.agents.base import Brief
from bridge.agents.echo import EchoAgent
from bridge.calls import CallDesk
from bridge.calls.gauges import REMEMBERED_CALLS, Gauges
from bridge.calls.pulse import LoopLag
from bridge.session import CallSummary, EndedBy, Limits, Turn, bridge_call
from bridge.session.contracts import Counters
from tests.bridge.calls.test_journal import turn
from tests.bridge.session.fakes import MemorySink, ScriptedLeg, WordCodec

# A busy test machine may take its time; a statement's deadline is five seconds.
HARDLY_NOTICED_S = 0.7


def test_lag_is_the_worst_since_it_was_asked_for(caplog) -> None:
    async def scenario() -> list[float]:
        lag = LoopLag()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(lag.watch())
            # Real time, as it is real processor time that makes a loop late.
            await asyncio.sleep(0.01)
            time.sleep(0.3)  # noqa: ASYNC251 the blocked loop is what is tested
            await asyncio.sleep(0.15)
            watching.cancel()
        return [lag.take(), lag.take()]

    worst_ms, afterwards_ms = asyncio.run(scenario())
    assert worst_ms > 150
    assert afterwards_ms == 0
    assert [record.message for record in caplog.records if record.name == "bridge.calls.pulse"] == [
        "the event loop was late"
    ]


def test_gauges_add_up_what_calls_tell() -> None:
    gauges = Gauges()
    assert (gauges.first_audio_ms, gauges.totals) == (0, {})
    for number in range(REMEMBERED_CALLS):
        counters = Counters(dropped_ms=10, bad_messages=1, first_audio_ms=number)
        gauges.ended(CallSummary(EndedBy.AGENT_FAILED if number < 3 else EndedBy.DRAIN, 1_000, counters=counters))
    gauges.ended(CallSummary(EndedBy.CUSTOMER_HANGUP, 1_000))
    assert gauges.first_audio_ms == 95
    assert gauges.totals == {"calls": 101, "agent_failures": 3, "dropped_audio_ms": 1_000, "bad_messages": 100}


class HangingDatabase(ThreadPoolExecutor):
    """Every statement hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__(4)
        self.let_go = threading.Event()

    def submit(self, fn, /, *args, **kwargs):
        return super().submit(self.let_go.wait)


class DeskSink(MemorySink):
    """Tells the desk of every turn, as a consumer's sink does."""

    def __init__(self, desk: CallDesk, call_id: UUID) -> None:
        super().__init__()
        self._desk, self._call_id = desk, call_id

    def turn(self, turn: Turn) -> None:
        super().turn(turn)
        self._desk.turn(self._call_id, turn)


async def talk_for_a_second(leg: ScriptedLeg) -> None:
    leg.say("open")
    await leg.silence(1.0)
    leg.say("bye")


def test_a_database_that_hangs_holds_up_no_calls_audio(tmp_path: Path) -> None:
    """In real time: virtual time stands still while a thread works. A call that waited would have gaps of seconds."""
    database = HangingDatabase()

    async def one_call(desk: CallDesk, number: int) -> list[float]:
        loop, call_id = asyncio.get_running_loop(), UUID(int=number + 1)
        desk.turn(call_id, turn(0))
        leg = ScriptedLeg(talk_for_a_second)
        async with asyncio.TaskGroup() as group:
            group.create_task(leg.play())
            sink = DeskSink(desk, call_id)
            await bridge_call(
                leg, WordCodec(), EchoAgent({"delay_ms": 100}), Brief(str(number)), Limits(), loop.time, sink
            )
        return [at for at, message in leg.sent if isinstance(message, bytes)]

    async def scenario() -> list[list[float]]:
        desk = CallDesk(name="node-1", capacity=9, data_dir=tmp_path, database=database)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(desk.run())
            async with asyncio.TaskGroup() as calls:
                carried = [calls.create_task(one_call(desk, number)) for number in range(5)]
            writing.cancel()
            database.let_go.set()
        await desk.journal.close()
        return [call.result() for call in carried]

    for sent_at in asyncio.run(scenario()):
        assert len(sent_at) > 10
        assert max(later - sooner for sooner, later in pairwise(sent_at)) < HARDLY_NOTICED_S


class WillingDatabase(ThreadPoolExecutor):
    """Every statement is done at once."""

    def submit(self, fn, /, *args, **kwargs):
        return super().submit(int)


def test_calls_leave_no_task_thread_file_or_note_behind(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("campaigns.tasks.results.process_call.apply_async", lambda **_: None)

    async def one_call(desk: CallDesk, number: int) -> None:
        call_id = UUID(int=number + 1)
        desk.turn(call_id, turn(0))
        await desk.journal.flush()
        await desk.finish(call_id, CallSummary(EndedBy.CUSTOMER_HANGUP, 1_000), None)

    async def scenario() -> tuple[set[str], set[str]]:
        desk = CallDesk(name="node-1", capacity=9, data_dir=tmp_path, database=WillingDatabase(1))
        for number in range(10):
            await one_call(desk, number)
        before = held()
        for number in range(10, 110):
            await one_call(desk, number)
        after = held()
        assert (desk.unwritten.call_ids, desk.live_calls) == ([], 0)
        await desk.close()
        return before, after

    before, after = asyncio.run(scenario())
    assert after - before == set()
    assert list((tmp_path / "spool").iterdir()) == []


def held() -> set[str]:
    """Tasks, threads and open files of this process, by name."""
    files = {f"file {path.name} {path.readlink()}" for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    threads = {f"thread {thread.name}" for thread in threading.enumerate()}
    return files | threads | {f"tasks {len(asyncio.all_tasks())}"}
