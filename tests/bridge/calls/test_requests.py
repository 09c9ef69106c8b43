"""What customers ask for reaches the database at once, or the disk while that is away, and is never lost."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from bridge.calls import CallDesk
from bridge.session import Action, ActionResult, AddToDnc, PrepareTransfer, ScheduleCallback
from campaigns.enums import ContactState
from campaigns.models import Call, Contact, SuppressedNumber
from campaigns.services.calls import finish_lost_calls
from telephony.protocols.events import TransferTarget
from tests.factories import make_call

pytestmark = pytest.mark.django_db(transaction=True)

TRANSFER = PrepareTransfer((TransferTarget("101"), TransferTarget("102")))


class AwayDatabase(Executor):
    """A database that does not answer."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_exception(OperationalError("the database is away"))
        return future


def desk_at(data_dir: Path, database: Executor | None = None) -> CallDesk:
    return CallDesk(name="node-1", capacity=2, data_dir=data_dir, database=database or ThreadPoolExecutor(1))


def replay_journals(data_dir: Path) -> CallDesk:
    """What the next process does at its start; its desk."""
    desk = desk_at(data_dir)

    async def start_up() -> None:
        await desk.replay_journals()
        await desk.close()

    asyncio.run(start_up())
    return desk


def perform(desk: CallDesk, call_id: UUID, action: Action) -> ActionResult:
    async def scenario() -> ActionResult:
        return await desk.perform(call_id, action)

    return asyncio.run(scenario())


def callback() -> ScheduleCallback:
    return ScheduleCallback(timezone.now() + timedelta(days=2), "after six")


def test_request_is_in_the_database_when_the_agent_is_told(data_dir) -> None:
    call = make_call(duration_s=None, last_seen_at=timezone.now())
    desk = desk_at(data_dir)
    wanted = callback()
    for action in (wanted, TRANSFER, AddToDnc("no")):
        assert perform(desk, call.pk, action) == ActionResult(ok=True)
    call.refresh_from_db()
    assert (call.callback_at, call.callback_note, call.transferred_to) == (wanted.at, "after six", "101")
    assert SuppressedNumber.objects.get().call == call
    assert desk.unwritten.call_ids == []


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (ScheduleCallback(timezone.now() - timedelta(days=1), ""), "The time must lie within the next 90 days."),
        (ScheduleCallback(timezone.now() + timedelta(days=99), ""), "The time must lie within the next 90 days."),
    ],
)
def test_request_that_cannot_be_done_is_refused_in_words(data_dir, action, error) -> None:
    call = make_call(duration_s=None)
    desk = desk_at(data_dir)
    assert perform(desk, call.pk, action) == ActionResult(ok=False, error=error)
    assert perform(desk, uuid4(), AddToDnc("")) == ActionResult(ok=False, error="The call is not known.")
    assert desk.unwritten.call_ids == []


def test_request_is_on_the_disk_while_the_database_is_away(data_dir) -> None:
    call = make_call(duration_s=None, last_seen_at=timezone.now())
    desk = desk_at(data_dir, AwayDatabase())
    assert perform(desk, call.pk, AddToDnc("never")) == ActionResult(ok=True)
    assert perform(desk, call.pk, callback()) == ActionResult(ok=True)
    assert perform(desk, call.pk, TRANSFER).ok is False
    kinds = [json.loads(line.split(" ", 1)[1]).get("kind") for line in spooled(data_dir, call)]
    assert kinds == [None, "dnc", "callback"]
    assert desk.unwritten.call_ids == [call.pk]


def spooled(data_dir: Path, call: Call) -> list[str]:
    return [line for line in (data_dir / "spool" / f"{call.pk}.jsonl").read_text().splitlines() if line]


def test_request_kept_on_the_disk_is_obeyed_by_the_next_process(data_dir) -> None:
    call = make_call(duration_s=None, last_seen_at=timezone.now() - timedelta(hours=1))
    finish_lost_calls(now=timezone.now())
    Contact.objects.update(state=ContactState.PENDING, next_attempt_at=timezone.now())
    wanted = callback()

    async def process() -> None:
        desk = desk_at(data_dir, AwayDatabase())
        await desk.perform(call.pk, wanted)
        await desk.close()

    asyncio.run(process())
    replay_journals(data_dir)
    assert Contact.objects.values_list("callback_at", flat=True).get() == wanted.at
    assert list((data_dir / "spool").glob("*.jsonl")) == []


def test_request_without_database_and_disk_is_not_promised(data_dir) -> None:
    (data_dir / "spool").write_text("a file where the directory should be")
    call = make_call(duration_s=None)
    desk = desk_at(data_dir, AwayDatabase())
    assert perform(desk, call.pk, AddToDnc("")) == ActionResult(ok=False, error="It could not be written down.")
    assert desk.unwritten.call_ids == [call.pk]
