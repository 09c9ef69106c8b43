"""A worker and its database that do not belong together: it dials nobody, and says what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from campaigns.models import BridgeNode, CallAttempt, Contact, Heartbeat
from campaigns.queries.fitness import MACHINE_SEEN, Unfit, known_migrations, machine_name, unfit
from campaigns.queries.why_not import why_not
from campaigns.services.heartbeats import record_heartbeat
from campaigns.tasks.dialing import reap, tick
from config.management.commands.serve import refuse_shared_file
from tests.factories import make_campaign, make_contact

pytestmark = pytest.mark.django_db

needs_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="another database is no file")


def other_version() -> None:
    MigrationRecorder(connection).record_applied("campaigns", "0999_of_tomorrow")


def older_schema() -> None:
    MigrationRecorder(connection).migration_qs.filter(app="campaigns").delete()


def other_machine() -> None:
    record_heartbeat("machine:0123456789abcdef", now=timezone.now())


def due_contact() -> Contact:
    BridgeNode.objects.create(name="b1", capacity=5, seen_at=timezone.now() + timedelta(hours=1))
    record_heartbeat("dial", now=timezone.now())
    days = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    campaign = make_campaign(calling_window={"timezone": "", "days": days})
    return make_contact(campaign, next_attempt_at=timezone.now() - timedelta(seconds=1))


def closed_gates(contact: Contact) -> dict[str, str]:
    return {gate.code.value: gate.reason for gate in why_not(contact, timezone.now()) if not gate.is_open}


def test_this_version_fits_its_own_database() -> None:
    assert "0001_initial" in known_migrations()
    reap()
    assert unfit(timezone.now()) is None


@pytest.mark.parametrize(
    ("change", "fault", "told"),
    [
        (other_version, Unfit.SCHEMA, "The dial worker is of another version than the database; migrate it,"),
        (older_schema, Unfit.SCHEMA, "The dial worker is of another version than the database; migrate it,"),
        pytest.param(other_machine, Unfit.SHARED_FILE, "The dial worker shares the SQLite file", marks=needs_sqlite),
    ],
)
def test_a_worker_that_does_not_fit_claims_nobody_and_says_so(change, fault, told) -> None:
    contact = due_contact()
    assert closed_gates(contact) == {}
    change()
    assert unfit(timezone.now()) is fault
    tick()
    assert not CallAttempt.objects.exists()
    closed = closed_gates(contact)
    assert list(closed) == ["dialer_not_running"]
    assert closed["dialer_not_running"].startswith(told)


@needs_sqlite
def test_a_second_machine_does_not_start_on_the_same_file() -> None:
    reap()
    refuse_shared_file()
    other_machine()
    with pytest.raises(CommandError, match="Another machine uses this SQLite file"):
        refuse_shared_file()
    Heartbeat.objects.exclude(name=machine_name()).update(at=timezone.now() - MACHINE_SEEN)
    refuse_shared_file()
