"""What the database will never take is given up, what it may yet take is put off."""

from __future__ import annotations

import asyncio

import pytest
from django.db import DataError, IntegrityError, OperationalError

from bridge.calls import database as database_module
from bridge.calls.database import INTEGRITY_TRIES, DatabaseThreads
from tests.bridge.session.fakes import InlineExecutor

# The work runs in this thread, whose connection an earlier test may have left open.
pytestmark = pytest.mark.django_db


def settled(*failures: Exception | None) -> tuple[bool, int, int]:
    """Whether work is off the list that meets these, how often it was tried, and how much was given up."""
    threads, left = DatabaseThreads(InlineExecutor()), list(failures)

    def work() -> None:
        if left and (failure := left.pop(0)) is not None:
            raise failure

    is_settled = asyncio.run(threads.settle(work))
    return is_settled, len(failures) - len(left), threads.given_up


CLASH = IntegrityError("Key (phone_number)=(+84901234567) already exists")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "RIVAL_S", 0)


def test_a_clash_with_a_rival_is_tried_again():
    assert settled(CLASH, None) == (True, 2, 0)


def test_a_clash_that_stays_is_given_up_and_counted(caplog):
    assert settled(*[CLASH] * 9) == (True, INTEGRITY_TRIES, 1)
    assert "given up: IntegrityError" in caplog.text
    assert "+84901234567" not in caplog.text


def test_a_database_that_goes_away_meanwhile_puts_it_off():
    assert settled(CLASH, OperationalError("away"), None) == (False, 2, 0)


def test_what_no_column_holds_is_given_up_at_once():
    assert settled(DataError("too long"), None) == (True, 1, 1)
