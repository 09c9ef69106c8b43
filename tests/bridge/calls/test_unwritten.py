"""What waits for the database stays within its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest
from django.db import DataError, IntegrityError

from bridge.agents.base import Speaker
from bridge.calls import unwritten as unwritten_module
from bridge.calls.database import DatabaseThreads
from bridge.calls.unwritten import Unwritten, draft_of
from bridge.session import Findings, Turn
from campaigns.services.calls import TurnDraft
from tests.bridge.session.fakes import InlineExecutor

# The work runs in this thread, whose connection an earlier test may have left open.
pytestmark = pytest.mark.django_db


def turn(seq: int) -> Turn:
    return Turn(seq, Speaker.AGENT, f"item-{seq}", "word", "word", 100, 900)


def test_turns_are_bounded_and_the_loss_is_counted(monkeypatch):
    monkeypatch.setattr(unwritten_module, "MAX_TURNS", 10)
    unwritten = Unwritten(DatabaseThreads(InlineExecutor()))
    for seq in range(25):
        unwritten.add_turn(UUID(int=1), draft_of(turn(seq)))
    unwritten.add_turn(UUID(int=1), draft_of(turn(24)))
    assert (unwritten.turns, unwritten.lost_turns) == (10, 15)


def test_findings_are_bounded_and_the_oldest_give_way(monkeypatch):
    monkeypatch.setattr(unwritten_module, "MAX_FINDINGS", 2)
    unwritten = Unwritten(DatabaseThreads(InlineExecutor()))
    for number in (1, 2, 1, 3):
        unwritten.set_findings(UUID(int=number), Findings((), "completed"))
    assert unwritten.call_ids == [UUID(int=2), UUID(int=3)]


@pytest.mark.parametrize("refusal", [DataError, IntegrityError])
def test_turns_the_database_refuses_of_one_call_hold_up_no_other(refusal, monkeypatch):
    written: list[set[UUID]] = []

    def record(turns: Mapping[UUID, Sequence[TurnDraft]]) -> None:
        if UUID(int=2) in turns:
            raise refusal("not this one")
        written.append(set(turns))

    monkeypatch.setattr(unwritten_module, "record_turns", record)
    unwritten = Unwritten(DatabaseThreads(InlineExecutor()))
    for number in (1, 2, 3):
        unwritten.add_turn(UUID(int=number), draft_of(turn(1)))
    assert asyncio.run(unwritten.write_turns())
    assert (written, unwritten.turns) == ([{UUID(int=1)}, {UUID(int=3)}], 0)


def test_turns_of_many_calls_are_written_in_few_goes(monkeypatch):
    sizes: list[int] = []
    monkeypatch.setattr(unwritten_module, "record_turns", lambda turns: sizes.append(sum(map(len, turns.values()))))
    monkeypatch.setattr(unwritten_module, "MAX_BATCH_TURNS", 20)
    unwritten = Unwritten(DatabaseThreads(InlineExecutor()))
    for number in range(50):
        unwritten.add_turn(UUID(int=number), draft_of(turn(1)))
    assert asyncio.run(unwritten.write_turns())
    assert (sizes, unwritten.turns) == ([20, 20, 10], 0)
