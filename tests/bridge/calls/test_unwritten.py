"""What waits for the database stays within its bounds."""

from __future__ import annotations

from uuid import UUID

from bridge.agents.base import Speaker
from bridge.calls import unwritten as unwritten_module
from bridge.calls.database import DatabaseThreads
from bridge.calls.unwritten import Unwritten, draft_of
from bridge.session import Findings, Turn
from tests.bridge.session.fakes import InlineExecutor


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
