"""An opening that takes longer than its socket waits leaves no call that nobody carries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Event
from uuid import UUID

import pytest
from django.utils import timezone

from bridge.calls import CallDesk, CallRefused, OpenedCall, openings
from bridge.calls.desk import _end_late
from bridge.calls.streams import open_stream
from campaigns.enums import AttemptState
from campaigns.models import Call, CallAttempt
from campaigns.services.calls import open_psr_call
from campaigns.services.stream_calls import open_stream_call
from campaigns.tasks import results
from telephony.protocols.events import Opened
from tests.bridge.calls.test_desk import FlakyDatabase, waiting_attempt
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


class SlowDatabase(FlakyDatabase):
    """Begins its first piece of work, or says that it is done, only when it is let go."""

    def __init__(self, *, is_slow_to_begin: bool) -> None:
        super().__init__()
        self.may_go = Event()
        self._is_slow_to_begin = is_slow_to_begin

    def submit(self, fn: Callable, /, *args, **kwargs) -> Future:
        if self.may_go.is_set():
            return super().submit(fn, *args, **kwargs)

        def work() -> object:
            if self._is_slow_to_begin:
                self.may_go.wait()
            try:
                return fn(*args, **kwargs)
            finally:
                self.may_go.wait()

        return super().submit(work)


def desk_on(database: FlakyDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CallDesk:
    monkeypatch.setattr(results.process_call, "apply_async", lambda **_: None)
    monkeypatch.setattr(openings, "OPEN_DEADLINE_S", 0.1)
    return CallDesk(name="node-1", capacity=2, data_dir=tmp_path, database=database)


async def refused(desk: CallDesk, token: str, call_id: str = "psr-1") -> tuple[int, str]:
    with pytest.raises(CallRefused) as refusal:
        await desk.open(token=token, vendor_call_id=call_id, query={})
    return refusal.value.status, refusal.value.code


@pytest.mark.parametrize("is_slow_to_begin", [True, False])
def test_call_that_was_opened_too_late_is_taken_over_by_the_next_try(is_slow_to_begin, tmp_path, monkeypatch):
    token, attempt = waiting_attempt()
    database = SlowDatabase(is_slow_to_begin=is_slow_to_begin)
    desk = desk_on(database, tmp_path, monkeypatch)

    async def scenario() -> OpenedCall:
        assert await refused(desk, token) == (503, "database_unavailable")
        assert desk.live_calls == 0
        database.may_go.set()
        await asyncio.wait([asyncio.wrap_future(each) for each in database.futures])
        opened, _ = await desk.open(token=token, vendor_call_id="psr-1", query={})
        # And by that one alone.
        assert await refused(desk, token) == (409, "token_used")
        await desk.close(leave_s=0)
        return opened

    opened = asyncio.run(scenario())
    assert [opened.call_id] == [call.id for call in Call.objects.all() if call.ended_at is None]
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.IN_CALL


def test_a_try_while_the_opening_still_hangs_joins_it(tmp_path, monkeypatch):
    token, _ = waiting_attempt()
    database = SlowDatabase(is_slow_to_begin=False)
    desk = desk_on(database, tmp_path, monkeypatch)

    ids: list[UUID] = []

    async def scenario() -> None:
        assert (await refused(desk, token))[0] == 503
        assert (await refused(desk, token))[0] == 503
        async with asyncio.TaskGroup() as group:
            third = group.create_task(desk.open(token=token, vendor_call_id="psr-1", query={}))
            await asyncio.sleep(0)
            database.may_go.set()
        ids.append(third.result()[0].call_id)
        await desk.close(leave_s=0)

    asyncio.run(scenario())
    assert database.work_done == 2  # the opening, and the node's row at the end
    assert list(Call.objects.values_list("id", flat=True)) == ids


def test_call_that_was_opened_too_late_and_that_nobody_comes_for_is_ended(tmp_path, monkeypatch):
    token, attempt = waiting_attempt()
    database = SlowDatabase(is_slow_to_begin=False)
    desk = desk_on(database, tmp_path, monkeypatch)

    async def scenario() -> None:
        assert (await refused(desk, token))[0] == 503
        await _end_late(desk, keep_s=0)
        database.may_go.set()
        await asyncio.wait([asyncio.wrap_future(each) for each in database.futures])
        await _end_late(desk)
        assert (desk.openings.overdue(), desk.gauges.totals) == ([], {})
        await _end_late(desk, keep_s=0)
        assert await refused(desk, token) == (410, "token_used")
        await desk.close()

    asyncio.run(scenario())
    assert Call.objects.get().ended_by == "bridge_error"
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.ENDED


def test_opening_that_failed_after_all_is_begun_again(tmp_path, monkeypatch):
    token, _ = waiting_attempt()
    database = SlowDatabase(is_slow_to_begin=True)
    desk = desk_on(database, tmp_path, monkeypatch)

    async def scenario() -> None:
        assert (await refused(desk, token, "psr-2"))[0] == 503
        database.may_go.set()
        await asyncio.wait([asyncio.wrap_future(each) for each in database.futures])
        # Undone before it was committed, and forgotten.
        assert desk.openings.overdue(0) == []
        await desk.open(token=token, vendor_call_id="psr-1", query={})
        await desk.close(leave_s=0)

    asyncio.run(scenario())
    assert Call.objects.get().vendor_call_id == "psr-1"


def test_stream_that_was_opened_too_late_is_taken_over_too(tmp_path, monkeypatch):
    endpoint = make_endpoint()
    database = SlowDatabase(is_slow_to_begin=False)
    desk = desk_on(database, tmp_path, monkeypatch)

    async def scenario() -> None:
        with pytest.raises(CallRefused):
            await open_stream(desk, endpoint_id=endpoint.pk, opened=Opened("c-1"))
        database.may_go.set()
        call, _ = await open_stream(desk, endpoint_id=endpoint.pk, opened=Opened("c-1"))
        ids.append(call.call_id)
        await desk.close(leave_s=0)

    ids: list[UUID] = []
    asyncio.run(scenario())
    assert list(Call.objects.values_list("id", flat=True)) == ids


def test_what_is_not_wanted_any_more_is_undone():
    token, attempt = waiting_attempt()
    endpoint = make_endpoint()
    now = timezone.now()
    for refusal in (
        lambda: open_psr_call(token=token, vendor_call_id="p", query={}, now=now, is_wanted=lambda: False),
        lambda: open_stream_call(endpoint_id=endpoint.pk, opened=Opened("c"), now=now, is_wanted=lambda: False),
    ):
        with pytest.raises(CallRefused) as refused_with:
            refusal()
        assert (refused_with.value.status, refused_with.value.code) == (503, "too_late")
    assert not Call.objects.exists()
    assert CallAttempt.objects.get().state == attempt.state
