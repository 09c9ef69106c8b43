"""The watcher of a run: a run is not over while anything of it is still under way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from campaigns.enums import AttemptState, ContactState, Outcome
from tests.factories import make_attempt, make_contact
from tests.history.actors import Run, is_busy
from tests.history.record import send, take
from tests.history.schedule import draw

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path, draw(1), time.time())
    run.queue("answers").mkdir()
    (tmp_path / "orders_done").touch()
    return run


def test_a_socket_that_is_being_let_in_is_still_under_way(run: Run) -> None:
    contact = make_contact(state=ContactState.EXHAUSTED, next_attempt_at=None)
    make_attempt(contact, state=AttemptState.ENDED, outcome=Outcome.UNCONFIRMED)
    send(run.queue("answers"), {"token": "late", "call_id": "c1"})
    arrivals = take(run.queue("answers"))
    next(arrivals)
    # The bridge has it in its hands, and the contact does not show it yet.
    assert is_busy(run)
    assert list(arrivals) == []
    assert not is_busy(run)


def test_a_call_that_has_come_late_is_still_under_way(run: Run) -> None:
    make_contact(state=ContactState.DIALING, next_attempt_at=None)
    assert is_busy(run)
