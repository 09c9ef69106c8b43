"""The journal's files: what is on the disk is found again, whatever was torn off, and only after its writer died."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.spool import Spool, decode, encode

CALL, OTHER = UUID(int=1), UUID(int=2)
TURNS = [{"kind": "turn", "seq": seq, "text": f"Xin chào {seq}\n"} for seq in range(3)]
JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def records_in(spool: Spool) -> list[list]:
    return [list(left.records) for left in spool.abandoned(100)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def dead(directory: Path, owner: str = "dead") -> Spool:
    """A process that wrote something and is gone."""
    spool = Spool(directory, owner)
    spool.append({CALL: TURNS})
    spool.release()
    return spool


def test_records_of_a_dead_process_are_found_in_their_order(directory) -> None:
    writer = Spool(directory, "writer")
    writer.append({CALL: TURNS[:2], OTHER: TURNS[:1]})
    writer.append({CALL: TURNS[2:]})
    reader = Spool(directory, "reader")
    assert records_in(reader) == []
    writer.release()
    assert {left.call_id: list(left.records) for left in reader.abandoned(100)} == {CALL: TURNS, OTHER: TURNS[:1]}


def test_own_journals_are_nobodys_left_behind(directory) -> None:
    writer = Spool(directory, "writer")
    writer.append({CALL: TURNS})
    assert records_in(writer) == []


def test_journal_that_was_replayed_is_removed_with_its_writers_lock(directory) -> None:
    dead(directory)
    (directory / "dead.lock").touch()
    reader = Spool(directory, "reader")
    (left,) = reader.abandoned(100)
    reader.remove(left.path)
    assert reader.abandoned(100) == []
    assert list(directory.iterdir()) == []
    reader.remove(CALL)


def test_one_round_takes_no_more_than_it_is_told(directory) -> None:
    Spool(directory, "dead").append({UUID(int=number): TURNS for number in range(5)})
    (directory / "dead.lock").unlink()
    assert len(Spool(directory, "reader").abandoned(2)) == 2


@given(st.integers(0, 2**32))
def test_a_file_cut_anywhere_keeps_every_whole_record(cut) -> None:
    lines = [encode(turn) for turn in TURNS]
    raw = b"".join(lines)
    cut %= len(raw) + 1
    whole = sum(len(b"".join(lines[: number + 1])) <= cut for number in range(len(lines)))
    records, skipped_bytes = decode(raw[:cut])
    assert records == TURNS[:whole]
    assert skipped_bytes == cut - len(b"".join(lines[:whole]))


def test_every_offset_of_a_whole_journal_can_be_its_end(directory, monkeypatch) -> None:
    monkeypatch.setattr("bridge.calls.spool.NAMELESS_AFTER_S", -1.0)
    dead(directory)
    (path,) = directory.glob("*.jsonl")
    raw = path.read_bytes()
    reader = Spool(directory, "reader")
    for cut in range(len(raw) + 1):
        path.write_bytes(raw[:cut])
        (left,) = reader.abandoned(100)
        assert list(left.records) == TURNS[: len(left.records)]
        assert left.skipped_bytes + len(b"".join(raw[:cut].splitlines(keepends=True)[: len(left.records) + 1])) >= cut
    (left,) = reader.abandoned(100)
    assert list(left.records) == TURNS


def test_a_torn_or_changed_line_costs_only_itself(directory) -> None:
    writer = Spool(directory, "writer")
    writer.append({CALL: TURNS[:1]})
    path = directory / f"{CALL}.jsonl"
    with path.open("ab") as file:
        file.write(encode(TURNS[1])[:-9])
    writer.append({CALL: TURNS[2:]})
    writer.release()
    (left,) = Spool(directory, "reader").abandoned(100)
    assert list(left.records) == [TURNS[0], TURNS[2]]
    assert left.skipped_bytes == len(encode(TURNS[1])) - 9 + 1


def test_file_without_a_name_is_left_alone_while_it_is_young(directory) -> None:
    directory.mkdir()
    path = directory / f"{CALL}.jsonl"
    path.write_bytes(encode(TURNS[0])[:5])
    reader = Spool(directory, "reader")
    assert reader.abandoned(100) == []
    os.utime(path, (0, 0))
    (left,) = reader.abandoned(100)
    assert (left.records, left.skipped_bytes) == ((), 5)


def test_foreign_files_are_left_alone(directory) -> None:
    directory.mkdir()
    (directory / "notes.jsonl").write_text("mine")
    os.utime(directory / "notes.jsonl", (0, 0))
    assert Spool(directory, "reader").abandoned(100) == []


def test_nobody_else_may_read_what_was_said(directory) -> None:
    Spool(directory, "writer").append({CALL: TURNS})
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_a_lock_taken_away_while_it_was_taken_is_taken_again(directory) -> None:
    for _ in range(20):
        clearing = Spool(directory, "clearing")
        cleared = threading.Thread(target=lambda spool=clearing: [spool.abandoned(1) for _ in range(20)])
        cleared.start()
        writer = Spool(directory, "writer")
        writer.append({CALL: TURNS})
        cleared.join()
        assert Spool(directory, "reader").abandoned(100) == []
        writer.release()
        writer.remove(CALL)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(raw) -> None:
    decode(raw)


@given(st.dictionaries(JSON_TEXT, JSON_TEXT | st.integers() | st.none() | st.lists(JSON_TEXT), max_size=4))
def test_every_record_comes_back(record) -> None:
    assert decode(encode(record)) == ([record], 0)
