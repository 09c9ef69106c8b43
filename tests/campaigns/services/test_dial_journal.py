"""The journal of markers: what is noted is there after any end of the process, and a damaged line costs itself."""

from __future__ import annotations

import errno
import json
import os
import threading
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from campaigns.services.dial_journal import KEPT_DAYS, Marker, latest_markers, markers_since, note_marker
from tests.factories import NOW


def marker(at: datetime = NOW, contact_id: int = 1) -> Marker:
    return Marker(uuid4(), contact_id, 1, "d" * 64, at)


def day_file(data_dir: Path, at: datetime = NOW) -> Path:
    return data_dir / "dialed" / f"{at:%Y-%m-%d}.jsonl"


def test_what_was_noted_is_read_back_in_its_order(data_dir: Path) -> None:
    assert (latest_markers(20), list(markers_since(None))) == ([], [])
    noted = [marker(NOW + timedelta(hours=10 * hours)) for hours in range(5)]
    for each in noted:
        note_marker(each)
    assert list(markers_since(None)) == noted
    assert list(markers_since(noted[1].at)) == noted[2:]
    assert (latest_markers(2), latest_markers(20)) == (noted[3:], noted)


def test_the_latest_are_found_at_the_end_of_a_long_file(data_dir: Path) -> None:
    noted = [marker(contact_id=10**9 + n) for n in range(60)]
    for each in noted:
        note_marker(each)
    assert latest_markers(7) == noted[-7:]


@pytest.mark.parametrize("cut", [1, 40, 100])
def test_a_torn_line_costs_only_itself(data_dir: Path, cut: int) -> None:
    first, torn, last = marker(), marker(), marker()
    note_marker(first)
    note_marker(torn)
    path = day_file(data_dir)
    whole = path.read_bytes()
    with path.open("rb+") as file:
        file.truncate(len(whole) - cut)
    note_marker(last)
    assert list(markers_since(None)) == [first, last]


def test_lines_of_many_threads_are_all_there(data_dir: Path) -> None:
    noted = [marker() for _ in range(24)]
    threads = [threading.Thread(target=note_marker, args=[each]) for each in noted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.attempt_id for each in markers_since(None)} == {each.attempt_id for each in noted}


def test_around_midnight_threads_write_to_both_days(data_dir: Path) -> None:
    """Each has asked the clock a moment ago: lines of the old day come after the first of the new one."""
    noted = [marker(NOW + timedelta(days=n % 2)) for n in range(400)]
    faults: list[OSError] = []

    def note(markers: list[Marker]) -> None:
        for each in markers:
            try:
                note_marker(each)
            except OSError as fault:
                faults.append(fault)

    threads = [threading.Thread(target=note, args=[noted[n::7]]) for n in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert {each.attempt_id for each in markers_since(None)} == {each.attempt_id for each in noted}


def test_a_line_is_on_the_disk_before_anything_is_sent(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to_the_disk, synced = os.fsync, dict[int, int]()

    def sync(descriptor: int) -> None:
        to_the_disk(descriptor)
        held = os.fstat(descriptor)
        synced[held.st_ino] = held.st_size

    monkeypatch.setattr(os, "fsync", sync)
    for _ in range(2):
        note_marker(marker())
        held = day_file(data_dir).stat()
        assert synced[held.st_ino] == held.st_size
    # A new file is lost with its directory's entry.
    assert day_file(data_dir).parent.stat().st_ino in synced


def test_a_disk_that_fails_fails_everyone_whose_line_it_had(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system forgets what it could not write: syncing again succeeds, and the line is not there."""
    note_marker(marker())
    to_the_disk, write = os.fsync, os.write
    lines, has_failed = [threading.Event(), threading.Event()], threading.Event()
    failures: list[OSError] = []

    def write_and_tell(descriptor: int, data: bytes) -> int:
        written = write(descriptor, data)
        next(line for line in lines if not line.is_set()).set()
        return written

    def fail_once(descriptor: int) -> None:
        if not has_failed.is_set():
            has_failed.set()
            assert lines[1].wait(10)
            raise OSError(errno.EIO, "Input/output error")
        to_the_disk(descriptor)

    def note() -> None:
        try:
            note_marker(marker())
        except OSError as error:
            failures.append(error)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_and_tell)
        patch.setattr(os, "fsync", fail_once)
        threads = [threading.Thread(target=note) for _ in lines]
        threads[0].start()
        assert lines[0].wait(10)
        threads[1].start()
        for thread in threads:
            thread.join(10)
    assert [failure.errno for failure in failures] == [errno.EIO, errno.EIO]
    note_marker(marker())


def test_old_days_go_and_nobody_else_may_read(data_dir: Path) -> None:
    old = NOW - timedelta(days=KEPT_DAYS + 1)
    note_marker(marker(old))
    note_marker(marker(NOW))
    assert [path.name for path in (data_dir / "dialed").iterdir()] == [day_file(data_dir).name]
    assert (day_file(data_dir).stat().st_mode & 0o777, day_file(data_dir).parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )


def test_no_number_and_no_token_is_written(data_dir: Path) -> None:
    note_marker(Marker(UUID(int=1), 5, 2, "ab" * 32, NOW))
    line = day_file(data_dir).read_text().strip().partition(" ")[2]
    told = {"a": UUID(int=1).hex, "c": 5, "n": 2, "d": "ab" * 32, "t": "2026-11-20T08:30:00+00:00"}
    assert json.loads(line) == told
