"""The journal: what a killed process had told a second before is in the database afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from bridge.agents.base import Speaker
from bridge.calls import CallDesk
from bridge.calls import journal as journal_module
from bridge.calls.journal import Journal
from bridge.calls.records import turn_record
from bridge.calls.spool import Record, Spool, decode
from bridge.calls.unwritten import draft_of
from bridge.session import Answer, CallSummary, EndedBy, Findings, Turn
from campaigns.models import Call
from campaigns.services.calls import finish_lost_calls
from tests.bridge.calls.test_requests import AwayDatabase, desk_at, replay_journals, spooled
from tests.factories import make_call

ROOT = Path(__file__).resolve().parents[3]
CALL = UUID(int=1)
SUMMARY = CallSummary(EndedBy.CUSTOMER_HANGUP, 9_000, "completed", (Answer("solved", "Solved?", "yes", 5_000),))

# A bridge whose database is away, as it lives: it says which turns it took, and when they had a second to be kept.
DOOMED = """
import asyncio, sys, django
django.setup()
from pathlib import Path
from uuid import UUID
from tests.bridge.calls.test_journal import desk_at, AwayDatabase, turn
async def main():
    desk = desk_at(Path(sys.argv[1]), AwayDatabase())
    async with asyncio.TaskGroup() as group:
        group.create_task(desk.run())
        for seq in range(3):
            desk.turn(UUID(sys.argv[2]), turn(seq))
        await asyncio.sleep(1)
        print("kept", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def turn(seq: int, text: str = "") -> Turn:
    return Turn(seq, Speaker.CUSTOMER, f"item-{seq}", text or f"Câu {seq}", "", seq * 1_000, seq * 1_000 + 500)


def run_process(data_dir: Path, work: Callable[[CallDesk], None]) -> None:
    """A process that never reached its database, and ended."""

    async def life() -> None:
        desk = desk_at(data_dir, AwayDatabase())
        work(desk)
        await desk.close()

    asyncio.run(life())


@pytest.fixture
def live(transactional_db) -> Call:
    return make_call(duration_s=None, lines=(), last_seen_at=timezone.now() - timedelta(hours=1))


def test_turns_told_a_second_before_the_kill_are_in_the_database_afterwards(live, data_dir) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(data_dir),
        "ENV_FILE": str(data_dir / "none.env"),
        "SECRET_KEY": "only-for-this-test-" + "x" * 40,
    }
    command = [sys.executable, "-c", DOOMED, str(data_dir), str(live.pk)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        replay_journals(data_dir)
        assert live.turns.count() == 0, "its process is alive"
        process.send_signal(signal.SIGKILL)
    replay_journals(data_dir)
    assert list(live.turns.values_list("seq", "text")) == [(0, "Câu 0"), (1, "Câu 1"), (2, "Câu 2")]
    assert list((data_dir / "spool").iterdir()) == []


def test_everything_a_process_told_comes_back_with_its_end(live, data_dir) -> None:
    def tell(desk: CallDesk) -> None:
        desk.turn(live.pk, turn(0, "Ye"))
        desk.turn(live.pk, turn(0, "Yes"))
        desk.learned(live.pk, Findings(SUMMARY.answers))

    async def life() -> None:
        desk = desk_at(data_dir, AwayDatabase())
        tell(desk)
        await desk.finish(live.pk, SUMMARY, None)
        await desk.close()

    asyncio.run(life())
    replay_journals(data_dir)
    replay_journals(data_dir)
    live.refresh_from_db()
    assert (live.ended_by, live.disposition, live.metrics["duration_ms"]) == ("customer_hangup", "completed", 9_000)
    assert live.answers == [{"key": "solved", "question": "Solved?", "value": "yes", "at_ms": 5_000}]
    assert list(live.turns.values_list("text", flat=True)) == ["Yes"]


def test_call_the_sweeper_ended_gets_its_turns_and_answers_late(live, data_dir) -> None:
    def tell(desk: CallDesk) -> None:
        desk.turn(live.pk, turn(0))
        desk.learned(live.pk, Findings(SUMMARY.answers))

    run_process(data_dir, tell)
    finish_lost_calls(now=timezone.now())
    replay_journals(data_dir)
    live.refresh_from_db()
    assert (live.ended_by, live.turns.count(), len(live.answers)) == ("interrupted", 1, 1)


def test_journal_of_a_call_that_was_erased_is_erased(live, data_dir) -> None:
    run_process(data_dir, lambda desk: desk.turn(live.pk, turn(0)))
    Call.objects.all().delete()
    replay_journals(data_dir)
    assert list((data_dir / "spool").glob("*.jsonl")) == []


def test_record_of_another_version_costs_only_itself(live, data_dir) -> None:
    def tell(desk: CallDesk) -> None:
        for record in ({"kind": "turn", "mood": "merry"}, {"kind": "song"}, {"no": "kind"}):
            desk.journal.note(live.pk, record)
        desk.turn(live.pk, turn(0))

    run_process(data_dir, tell)
    replay_journals(data_dir)
    assert live.turns.count() == 1


@pytest.mark.parametrize(
    "strange",
    [{"seq": "first"}, {"speaker": "choir"}, {"text": None}, {"start_ms": "soon"}, {"confidence": "high"}],
    ids=lambda fields: next(iter(fields)),
)
def test_record_with_values_of_another_version_costs_only_itself(live, data_dir, strange) -> None:
    def tell(desk: CallDesk) -> None:
        desk.journal.note(live.pk, {**turn_record(draft_of(turn(0))), **strange})
        desk.turn(live.pk, turn(1))

    run_process(data_dir, tell)
    replay_journals(data_dir)
    assert list(live.turns.values_list("seq", flat=True)) == [1]
    assert list((data_dir / "spool").glob("*.jsonl")) == []


def test_end_with_values_of_another_version_leaves_the_call_to_the_sweeper(live, data_dir) -> None:
    def tell(desk: CallDesk) -> None:
        at = timezone.now().isoformat()
        desk.journal.note(live.pk, {"kind": "end", "at": at, "end": {"ended_by": 7, "disposition": None}})
        desk.turn(live.pk, turn(1))

    run_process(data_dir, tell)
    replay_journals(data_dir)
    live.refresh_from_db()
    assert (live.ended_at, live.turns.count()) == (None, 1)


def test_damage_is_counted_and_the_rest_kept(live, data_dir) -> None:
    def tell(desk: CallDesk) -> None:
        for seq in range(2):
            desk.turn(live.pk, turn(seq))

    run_process(data_dir, tell)
    path = data_dir / "spool" / f"{live.pk}.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    desk = replay_journals(data_dir)
    assert live.turns.count() == 1
    assert desk.gauges.totals["journal_skipped_bytes"] > 0


def test_journal_ends_with_its_call(live, data_dir, monkeypatch) -> None:
    monkeypatch.setattr("campaigns.tasks.results.process_call.apply_async", lambda **_: None)

    async def life() -> None:
        desk = desk_at(data_dir)
        desk.turn(live.pk, turn(0))
        await desk.journal.flush()
        assert len(spooled(data_dir, live)) == 2
        await desk.finish(live.pk, SUMMARY, None)
        assert list((data_dir / "spool").glob("*.jsonl")) == []
        await desk.close()

    asyncio.run(life())
    assert list((data_dir / "spool").iterdir()) == []


def test_disk_that_refuses_gets_the_notes_again_within_bounds(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(journal_module, "MAX_NOTES", 3)
    spool = tmp_path / "spool"
    spool.touch()

    async def life() -> tuple[bool, bool]:
        journal = Journal(spool)
        for seq in range(5):
            journal.note(CALL, {"kind": "turn", "seq": seq})
        refused = await journal.flush()
        spool.unlink()
        written = await journal.flush()
        assert journal.lost_notes == 2
        await journal.close()
        return refused, written

    assert asyncio.run(life()) == (False, True)
    assert (spool / f"{CALL}.jsonl").read_text().count("turn") == 3


def test_a_round_that_was_broken_off_is_made_again(tmp_path, monkeypatch) -> None:
    """As by the deadline of a customer's request, while an earlier round still waits for a slow disk."""
    is_fast = threading.Event()
    append = Spool.append

    def append_slowly(spool: Spool, lines: Mapping[UUID, Iterable[Record]]) -> None:
        is_fast.wait(10)
        append(spool, lines)

    monkeypatch.setattr(Spool, "append", append_slowly)

    async def life() -> None:
        journal = Journal(tmp_path)
        async with asyncio.TaskGroup() as group:
            for seq in range(2):
                journal.note(CALL, {"kind": "turn", "seq": seq})
                group.create_task(journal.flush())
                await asyncio.sleep(0)
            journal.note(CALL, {"kind": "turn", "seq": 2})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await journal.flush()
            is_fast.set()
        await journal.close()

    asyncio.run(life())
    records, _ = decode((tmp_path / f"{CALL}.jsonl").read_bytes())
    assert [record["seq"] for record in records if "seq" in record] == [0, 1, 2]
