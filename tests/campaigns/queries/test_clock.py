"""The database's clock, and nodes whose own clock is off."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import CallAttempt
from campaigns.policies.eligibility import Gate
from campaigns.queries import clock
from campaigns.queries.clock import DatabaseClock, clock_fault, read_clock
from campaigns.queries.health import readiness
from campaigns.queries.why_not import why_not
from campaigns.services.heartbeats import record_clock_fault
from campaigns.tasks import dialing
from tests.factories import NOW, make_campaign, make_contact

pytestmark = pytest.mark.django_db

TEN_MINUTES = timedelta(minutes=10)
needs_server = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a file has the clock of its machine")


class ClockOff:
    """A node's clock that is ten minutes ahead."""

    @staticmethod
    def now() -> datetime:
        return timezone.now() + TEN_MINUTES


def test_a_clock_that_is_right_is_not_off() -> None:
    reading = read_clock()
    assert not reading.is_off
    assert abs(DatabaseClock().now() - timezone.now()) < timedelta(seconds=2)


@needs_server
def test_a_node_that_is_off_reads_the_right_time_and_knows_it(monkeypatch) -> None:
    monkeypatch.setattr(clock, "timezone", ClockOff)
    reading = read_clock()
    assert reading.is_off
    assert reading.skew == pytest.approx(TEN_MINUTES, abs=timedelta(seconds=1))
    assert abs(DatabaseClock().now() - timezone.now()) < timedelta(seconds=1)
    assert {part.name: part.detail for part in readiness(NOW).parts}["clock"].startswith("differs by +600 s")


@needs_server
def test_a_node_that_is_off_claims_nobody_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr(clock, "timezone", ClockOff)
    monkeypatch.setattr(dialing, "clock", DatabaseClock())
    contact = make_contact(make_campaign())
    dialing.tick()
    assert not CallAttempt.objects.exists()
    assert clock_fault(timezone.now())
    assert Gate.CLOCK in [gate.code for gate in why_not(contact, timezone.now()) if not gate.is_open]


def test_a_node_that_is_silent_is_not_off_any_more() -> None:
    record_clock_fault("one", now=NOW)
    record_clock_fault("a node with a very long name that no column holds", now=NOW)
    assert clock_fault(NOW) == "2 of them differ by more than 2 s from the database's"
    assert clock_fault(NOW + timedelta(minutes=1)) == ""


def test_a_reading_is_used_for_a_while(django_assert_num_queries) -> None:
    shared = DatabaseClock()
    first = shared.reading()
    with django_assert_num_queries(0):
        assert shared.reading() is first
    assert connection.vendor == "sqlite" or shared.now() >= first.database_at
