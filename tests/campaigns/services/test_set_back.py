"""A database that was set back: dialing stops, what was lost is written again, and nobody is called once more.

A savepoint stands for the backup, and rolling back to it for its restore.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns.enums import AttemptState, ContactState, Outcome, StopKind
from campaigns.models import AttemptLog, BridgeNode, CallAttempt, Campaign, CampaignEvent, Contact, DialingStop
from campaigns.queries.attention import concerns
from campaigns.queries.why_not import why_not
from campaigns.services import dialing, set_back
from campaigns.services.attempts import connect
from campaigns.services.dial_journal import Marker
from campaigns.services.dialing_stops import resume_dialing
from campaigns.services.set_back import hold_if_set_back
from campaigns.tasks import dialing as tasks
from campaigns.tasks.dialing import place_call, reap, tick
from tests import fake_psr
from tests.factories import make_campaign, make_contact, make_trunk
from tests.fake_psr import FakePsr

pytestmark = pytest.mark.django_db

ALWAYS = {
    "timezone": "",
    "days": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}


@pytest.fixture
def psr() -> Iterator[FakePsr]:
    with fake_psr.fake_psr() as server:
        yield server


@pytest.fixture
def campaign(psr: FakePsr, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """A running campaign whose claims are placed at once."""
    BridgeNode.objects.create(name="b1", capacity=60, seen_at=timezone.now() + timedelta(hours=1))
    trunk = make_trunk(base_url=psr.url, calls_per_second=100, max_concurrent_calls=100)
    monkeypatch.setattr(tasks.place_call, "delay", place_call)
    return make_campaign(trunk=trunk, calling_window=ALWAYS, calls_per_second=100, max_concurrent_calls=100)


def due(campaign: Campaign) -> Contact:
    return make_contact(campaign, next_attempt_at=timezone.now() - timedelta(seconds=1))


def stop() -> DialingStop:
    return DialingStop.objects.get()


@pytest.mark.parametrize("sees_it", [tick, reap])
def test_a_restored_backup_stops_dialing_and_calls_nobody_again(campaign: Campaign, psr: FakePsr, sees_it) -> None:
    contacts = [due(campaign), due(campaign)]
    backup = transaction.savepoint()
    tick()
    assert len(psr.posts) == 2
    transaction.savepoint_rollback(backup)
    later = due(campaign)
    sees_it()
    tick()
    assert len(psr.posts) == 2
    assert (stop().kind, stop().lifted_at) == (StopKind.DATABASE_SET_BACK, None)
    assert "lacked 2 calls" in stop().reason
    assert "2 were written again" in stop().reason
    written = CallAttempt.objects.order_by("contact")
    assert [(row.contact_id, row.outcome, row.reason, row.posts, row.number, row.is_counted) for row in written] == [
        (contact.pk, Outcome.UNCONFIRMED, "written_again", 1, 1, True) for contact in contacts
    ]
    for contact in contacts:
        contact.refresh_from_db()
        assert (contact.state, contact.attempts_made) == (ContactState.PENDING, 1)
        assert contact.next_attempt_at is not None
        assert contact.next_attempt_at > timezone.now() + timedelta(hours=1)
    # Once a person has looked, whoever was not called is called, and nobody else.
    assert resume_dialing(user=None, now=timezone.now()) == 1
    tick()
    assert [post.attempt_id for post in psr.posts[2:]] == [CallAttempt.objects.get(contact=later).pk]
    assert not hold_if_set_back(now=timezone.now())


def test_a_set_back_database_is_told_to_everybody(campaign: Campaign) -> None:
    contact = due(campaign)
    backup = transaction.savepoint()
    tick()
    transaction.savepoint_rollback(backup)
    tick()
    (closed,) = [gate for gate in why_not(contact, timezone.now()) if gate.code == "dialing_stopped"]
    assert "Was it set back?" in closed.reason
    assert any("Was it set back?" in concern.advice for concern in concerns(timezone.now()))
    assert CampaignEvent.objects.filter(campaign=campaign, kind="dialing_stopped").count() == 1


def test_a_claim_that_lost_its_marker_is_not_given_back(campaign: Campaign, psr: FakePsr) -> None:
    contact = due(campaign)
    ((claim,),) = [dialing.claim_due(campaign.trunk_id, now=timezone.now())]
    backup = transaction.savepoint()
    place_call(attempt_id=str(claim.attempt_id), fence=claim.fence)
    transaction.savepoint_rollback(backup)
    CallAttempt.objects.update(deadline_at=timezone.now())
    reap()
    attempt = CallAttempt.objects.get()
    assert (attempt.state, attempt.outcome, attempt.posts) == (AttemptState.ENDED, Outcome.UNCONFIRMED, 1)
    steps = AttemptLog.objects.order_by("pk").values_list("from_state", "to_state", "reason")
    assert list(steps) == [("", "claimed", "due"), ("claimed", "ended", "written_again")]
    contact.refresh_from_db()
    assert (contact.state, contact.attempts_made) == (ContactState.PENDING, 1)


def test_a_lost_marker_of_an_attempt_that_was_given_back_counts(campaign: Campaign) -> None:
    contact = due(campaign)
    ((claim,),) = [dialing.claim_due(campaign.trunk_id, now=timezone.now())]
    backup = transaction.savepoint()
    place_call(attempt_id=str(claim.attempt_id), fence=claim.fence)
    transaction.savepoint_rollback(backup)
    dialing.release(claim.attempt_id, reason="claim_lease", now=timezone.now(), only_from=AttemptState.CLAIMED)
    assert hold_if_set_back(now=timezone.now())
    attempt = CallAttempt.objects.get()
    assert (attempt.outcome, attempt.number, attempt.is_counted) == (Outcome.UNCONFIRMED, 1, True)
    contact.refresh_from_db()
    assert contact.attempts_made == 1


def test_the_socket_of_a_call_that_was_written_again_is_let_in(campaign: Campaign, psr: FakePsr) -> None:
    due(campaign)
    backup = transaction.savepoint()
    tick()
    transaction.savepoint_rollback(backup)
    tick()
    (post,) = psr.posts
    attempt = connect(token=post.token, switch_call_id=str(post.call_id), now=timezone.now())
    assert (attempt.outcome, attempt.switch_call_id) == (Outcome.ANSWERED, post.call_id)


def test_a_second_restore_is_seen_too(campaign: Campaign, psr: FakePsr) -> None:
    due(campaign)
    backup = transaction.savepoint()
    tick()
    for _ in range(2):
        transaction.savepoint_rollback(backup)
        tick()
        assert stop().kind == StopKind.DATABASE_SET_BACK
        assert CallAttempt.objects.count() == 1
    assert len(psr.posts) == 1


def test_calls_of_contacts_that_are_gone_only_stop(campaign: Campaign) -> None:
    backup = transaction.savepoint()
    due(campaign)
    tick()
    transaction.savepoint_rollback(backup)
    tick()
    assert "lacked 1 calls" in stop().reason
    assert "0 were written again" in stop().reason
    resume_dialing(user=None, now=timezone.now())
    tick()
    assert stop().lifted_at is not None


def test_another_database_beside_an_old_journal_is_not_held(campaign: Campaign, monkeypatch) -> None:
    due(campaign)
    backup = transaction.savepoint()
    tick()
    transaction.savepoint_rollback(backup)
    with transaction.atomic():
        from django.db import connection
        from django.db.migrations.recorder import MigrationRecorder

        MigrationRecorder(connection).migration_qs.update(applied=timezone.now())
    tick()
    assert not DialingStop.objects.exists()


def test_a_marker_that_cannot_be_noted_is_not_sent(campaign: Campaign, psr: FakePsr, data_dir) -> None:
    contact = due(campaign)
    (data_dir / "dialed").write_text("a file stands in the way")
    ((claim,),) = [dialing.claim_due(campaign.trunk_id, now=timezone.now())]
    place_call(attempt_id=str(claim.attempt_id), fence=claim.fence)
    assert psr.posts == []
    contact.refresh_from_db()
    assert (contact.state, contact.state_reason, contact.attempts_made) == (
        ContactState.PENDING,
        "journal_unwritable",
        0,
    )


def test_nothing_missing_costs_one_query(campaign: Campaign, django_assert_num_queries) -> None:
    due(campaign)
    tick()
    with django_assert_num_queries(1):
        assert not hold_if_set_back(now=timezone.now())


def test_one_process_at_a_time_writes_calls_again(
    campaign: Campaign, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once would settle each contact twice, and so count one call as two tries."""
    due(campaign)
    backup = transaction.savepoint()
    tick()
    transaction.savepoint_rollback(backup)
    write_again, refused = set_back._write_again, []

    def looked_at(markers: Iterator[Marker], now: datetime) -> tuple[int, int, datetime | None]:
        with (data_dir / "dialed" / ".lock").open("rb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                refused.append(error)
        return write_again(markers, now)

    monkeypatch.setattr(set_back, "_write_again", looked_at)
    assert hold_if_set_back(now=timezone.now())
    assert len(refused) == 1
