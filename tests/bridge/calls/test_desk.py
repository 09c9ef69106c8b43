"""The desk: places, one writer, bounds, and a database that is away for a while."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from bridge.agents.base import Speaker
from bridge.calls import CallDesk, CallRefused
from bridge.calls.database import _with_fresh_connection
from bridge.session import Answer, CallSummary, EndedBy, Findings, Turn
from campaigns.enums import AttemptState, Outcome
from campaigns.models import BridgeNode, Call, CallAttempt, SuppressedNumber
from campaigns.policies import call_tokens
from campaigns.services.attempts import token_keys
from campaigns.services.calls import finish_lost_calls
from campaigns.tasks import results
from tests.factories import make_attempt

pytestmark = pytest.mark.django_db(transaction=True)


class FlakyDatabase(Executor):
    """Runs work on the test's own threads, or fails as a database does that is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.work_done = 0
        self.futures: list[Future] = []
        self._threads = ThreadPoolExecutor(1)
        self._news = asyncio.Event()

    async def has_done(self, pieces: int) -> None:
        """Wait until so many pieces of work have come."""
        while self.work_done < pieces:
            self._news.clear()
            await self._news.wait()

    def submit(self, fn, /, *args, **kwargs):
        if self.is_away:
            future: Future = Future()
            future.set_exception(OperationalError("the database is away"))
            return future
        self.work_done += 1
        self._news.set()
        future = self._threads.submit(fn, *args, **kwargs)
        self.futures.append(future)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._threads.shutdown(wait=True)


@pytest.fixture
def database(monkeypatch) -> FlakyDatabase:
    monkeypatch.setattr(results.process_call, "apply_async", lambda **_: None)
    return FlakyDatabase()


@pytest.fixture
def desk(tmp_path: Path, database: FlakyDatabase) -> CallDesk:
    return CallDesk(name="node-1", capacity=2, data_dir=tmp_path, database=database)


def waiting_attempt() -> tuple[str, CallAttempt]:
    now = timezone.now()
    attempt = make_attempt(at=now - timedelta(seconds=5), deadline_at=now + timedelta(minutes=1))
    assert attempt.number is not None
    claims = call_tokens.CallTokenClaims(attempt.id, attempt.contact_id, attempt.number, now + timedelta(minutes=5))
    token = call_tokens.mint(claims, keys=token_keys())
    attempt.token_digest = call_tokens.digest(token)
    attempt.save()
    return token, attempt


def turn(seq: int, text: str, end_ms: int | None = 900) -> Turn:
    return Turn(seq, Speaker.AGENT, f"item-{seq}", text, text, 100, end_ms)


SUMMARY = CallSummary(
    EndedBy.AGENT_HANGUP, 12_000, disposition="completed", answers=(Answer("solved", "Solved?", "yes", 5_000),)
)


def test_call_is_opened_written_and_finished(desk, tmp_path):
    token, attempt = waiting_attempt()

    async def scenario():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        assert desk.live_calls == 1
        desk.turn(opened.call_id, turn(1, "Hel", None))
        desk.turn(opened.call_id, turn(1, "Hello"))
        await desk.finish(opened.call_id, SUMMARY, tmp_path / "recordings" / "calls" / "x.wav")
        assert (desk.live_calls, desk.unwritten.turns) == (0, 0)
        await desk.close()

    asyncio.run(scenario())
    call = Call.objects.get()
    assert (call.ended_by, call.disposition, call.recording_path) == (
        "agent_hangup",
        "completed",
        "recordings/calls/x.wav",
    )
    assert call.answers == [{"key": "solved", "question": "Solved?", "value": "yes", "at_ms": 5_000}]
    assert call.metrics["duration_ms"] == 12_000
    assert list(call.turns.values_list("seq", "text", "end_ms")) == [(1, "Hello", 900)]
    attempt.refresh_from_db()
    assert (attempt.state, attempt.outcome) == (AttemptState.ENDED, Outcome.ANSWERED)


def test_forged_token_costs_no_database_work(desk, database):
    async def scenario():
        with pytest.raises(CallRefused) as refused:
            await desk.open(token="forged-token-0000.signature", vendor_call_id="psr-1", query={})
        return refused.value.status

    assert asyncio.run(scenario()) == 403
    assert database.work_done == 0


def test_database_that_is_away_refuses_new_calls_and_keeps_live_ones(desk, database):
    token, _ = waiting_attempt()

    async def scenario():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        database.is_away = True
        with pytest.raises(CallRefused) as refused:
            await desk.open(token=token, vendor_call_id="psr-2", query={})
        assert refused.value.status == 503
        desk.turn(opened.call_id, turn(1, "Hello"))
        await desk.finish(opened.call_id, SUMMARY, None)
        assert desk.unwritten.turns == 1
        database.is_away = False
        await desk.close()

    asyncio.run(scenario())
    call = Call.objects.get()
    assert call.ended_by == "agent_hangup"
    assert call.turns.count() == 1


def test_what_was_learned_outlives_a_bridge_that_dies(desk, database):
    token, attempt = waiting_attempt()

    async def scenario():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        desk.learned(opened.call_id, Findings(SUMMARY.answers))
        desk.learned(opened.call_id, Findings(SUMMARY.answers, "do_not_call"))
        assert await desk.unwritten.write(opened.call_id)
        assert desk.unwritten.call_ids == []

    asyncio.run(scenario())
    Call.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    finish_lost_calls(now=timezone.now())
    call = Call.objects.get()
    assert (call.ended_by, call.disposition) == ("interrupted", "do_not_call")
    assert call.answers == [{"key": "solved", "question": "Solved?", "value": "yes", "at_ms": 5_000}]
    assert SuppressedNumber.objects.get().phone_number == attempt.phone_number


def test_desk_beats_for_its_calls_as_often_as_it_is_told(tmp_path, database):
    token, _ = waiting_attempt()
    desk = CallDesk(name="node-1", capacity=2, data_dir=tmp_path, call_heartbeat_s=0.01, database=database)

    async def scenario():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        async with asyncio.TaskGroup() as group:
            running = group.create_task(desk.run())
            # One piece of work opened the call and one is the node's own beat: the others are the call's.
            await asyncio.wait_for(database.has_done(5), 10)
            running.cancel()
        await desk.finish(opened.call_id, SUMMARY, None)
        await desk.close()

    asyncio.run(scenario())
    call = Call.objects.get()
    assert call.last_seen_at > call.started_at


def test_call_whose_row_is_gone_holds_nobody_up(desk, database):
    token, _ = waiting_attempt()

    async def scenario():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        desk.turn(uuid4(), turn(1, "to nobody"))
        desk.learned(uuid4(), Findings((), "completed"))
        desk.turn(opened.call_id, turn(1, "Hello"))
        await desk.close(leave_s=0)

    asyncio.run(scenario())
    assert list(Call.objects.get().turns.values_list("text", flat=True)) == ["Hello"]


class HangingDatabase(FlakyDatabase):
    """One that takes work and does not come back."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False

    def submit(self, fn, /, *args, **kwargs):
        if not self.hangs:
            return super().submit(fn, *args, **kwargs)
        self.work_done += 1
        self._news.set()
        return Future()


def test_end_whose_writing_was_broken_off_is_written_when_the_process_leaves(tmp_path, database):
    token, _ = waiting_attempt()
    hanging = HangingDatabase()
    desk = CallDesk(name="node-1", capacity=2, data_dir=tmp_path, database=hanging)

    async def scenario():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        hanging.hangs = True
        async with asyncio.TaskGroup() as group:
            finishing = group.create_task(desk.finish(opened.call_id, SUMMARY, None))
            await hanging.has_done(2)
            finishing.cancel()
        hanging.hangs = False
        await desk.close()

    asyncio.run(scenario())
    assert Call.objects.get().ended_by == "agent_hangup"


def test_call_that_is_cancelled_as_the_process_leaves_is_waited_for(desk):
    token, _ = waiting_attempt()
    began, log = asyncio.Event(), []

    async def carried():
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            # The recording is completed first.
            await asyncio.sleep(0.05)
            await asyncio.shield(desk.finish(opened.call_id, SUMMARY, None))
            log.append("finished")

    async def scenario():
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(carried())
            await began.wait()
            calling.cancel()
            await desk.close()
            log.append("closed")

    asyncio.run(scenario())
    assert sorted(log) == ["closed", "finished"]
    assert Call.objects.get().ended_by == "agent_hangup"


def test_a_round_that_breaks_leaves_the_process_and_its_other_rounds_alone(desk, database, monkeypatch, caplog):
    broken = asyncio.Event()

    async def abandoned():
        broken.set()
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(desk.journal, "abandoned", abandoned)

    async def scenario():
        async with asyncio.TaskGroup() as group:
            running = group.create_task(desk.run())
            await broken.wait()
            await database.has_done(1)
            assert not running.done()
            running.cancel()
        await desk.close()

    asyncio.run(scenario())
    assert "round broke" in caplog.text


def test_desk_has_no_more_places_than_its_capacity(desk):
    with desk.seat(), desk.seat(), pytest.raises(CallRefused) as refused, desk.seat():
        pass
    assert (refused.value.status, refused.value.code) == (503, "bridge_full")
    assert desk.live_calls == 0


def test_draining_desk_takes_no_call(desk):
    desk.is_draining = True
    with pytest.raises(CallRefused) as refused, desk.seat():
        pass
    assert refused.value.code == "draining"


def test_call_that_was_being_opened_when_all_were_stopped_is_stopped_too(desk):
    token, _ = waiting_attempt()

    async def scenario():
        with desk.seat():
            desk.is_draining = True
            desk.stop_all()
            _, entry = await desk.open(token=token, vendor_call_id="psr-1", query={})
        assert entry.stop.is_told
        await desk.close(leave_s=0)

    asyncio.run(scenario())


def test_desk_shows_itself_live_and_leaves_no_trace(desk, database):
    async def scenario():
        async with asyncio.TaskGroup() as group:
            running = group.create_task(desk.run())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.wait_for(asyncio.wrap_future(database.futures[0]), 10)
            running.cancel()
        read = database.submit(_with_fresh_connection, lambda: list(BridgeNode.objects.values_list("name", "capacity")))
        seen = await asyncio.wrap_future(read)
        await desk.close()
        return seen

    assert asyncio.run(scenario()) == [("node-1", 2)]
    assert not BridgeNode.objects.exists()
