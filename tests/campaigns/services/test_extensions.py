"""Click-to-call: one extension per call, the longest idle one, and never two calls at once on one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from psycopg.errors import LockNotAvailable

from campaigns.enums import App, AttemptState, ContactState, Outcome
from campaigns.errors import CallTestRefused
from campaigns.models import BridgeNode, CallAttempt, Campaign, Contact, Heartbeat
from campaigns.policies.call_tokens import digest
from campaigns.policies.eligibility import Gate
from campaigns.queries.blockers import blockers
from campaigns.queries.why_not import why_not
from campaigns.services.attempts import connect, end_attempt
from campaigns.services.claiming import claim_due
from campaigns.services.dialing import DialOrder, mark
from campaigns.services.test_calls import Told, claim_test_call
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact, make_trunk

pytestmark = pytest.mark.django_db

ALL_TALK = "All 3 extensions are talking; the next is free when a call ends"


@pytest.fixture(autouse=True)
def machinery(db) -> None:
    BridgeNode.objects.create(name="b1", capacity=100, seen_at=NOW + timedelta(days=1))
    Heartbeat.objects.create(name="dial", at=NOW)


def click_campaign(*extensions: str, contacts: int = 0, **fields) -> Campaign:
    trunk = make_trunk(calls_per_second=100, max_concurrent_calls=100)
    limits = {"calls_per_second": 100, "max_concurrent_calls": 50, "contacts_filled_at": NOW, **fields}
    campaign = make_campaign(trunk=trunk, app=App.DIAL, extensions=list(extensions), **limits)
    for _ in range(contacts):
        make_contact(campaign)
    return campaign


def claim(campaign: Campaign, now: datetime = NOW) -> list[CallAttempt]:
    claims = claim_due(campaign.trunk_id, now=now)
    return [CallAttempt.objects.get(pk=claimed.attempt_id) for claimed in claims]


def marked(attempt: CallAttempt, now: datetime = NOW) -> DialOrder | None:
    return mark(attempt.pk, attempt.fence, now=now)


def test_no_more_calls_start_than_extensions_are_free():
    campaign = click_campaign("101", "102", "103", contacts=5)
    assert [attempt.extension for attempt in claim(campaign)] == ["101", "102", "103"]
    assert claim(campaign, NOW + timedelta(seconds=2)) == []
    assert Contact.objects.filter(state=ContactState.PENDING, next_attempt_at=NOW).count() == 2


def test_the_extension_that_was_idle_longest_is_rung():
    campaign = click_campaign("101", "102", "103", contacts=1)
    for extension, minutes in (("101", 10), ("102", 30), ("103", 20)):
        ended = NOW - timedelta(minutes=minutes)
        elsewhere = make_contact(campaign, state=ContactState.DONE)
        make_attempt(elsewhere, outcome=Outcome.ANSWERED, at=ended - timedelta(seconds=30), extension=extension)
    [attempt] = claim(campaign)
    assert attempt.extension == "102"
    order = marked(attempt)
    assert order is not None
    assert order.request.extension == "102"


def test_an_extension_is_free_again_when_its_call_ends():
    campaign = click_campaign("101", contacts=2)
    [first] = claim(campaign)
    end_attempt(first.pk, outcome=Outcome.NO_ANSWER, reason="test", now=NOW)
    [second] = claim(campaign, NOW + timedelta(seconds=1))
    assert (second.extension, second.contact_id != first.contact_id) == ("101", True)


def test_campaigns_that_share_an_extension_take_turns():
    first = click_campaign("101", contacts=2)
    second = click_campaign("101", contacts=2)
    served = []
    for second_s in range(4):
        now = NOW + timedelta(seconds=2 * second_s)
        [attempt] = claim(first, now)
        served.append(attempt.campaign_id)
        end_attempt(attempt.pk, outcome=Outcome.BUSY, reason="test", now=now + timedelta(seconds=1))
    assert Counter(served) == {first.pk: 2, second.pk: 2}


def test_campaigns_without_an_extension_go_on_beside_those_that_wait_for_one():
    click = click_campaign("101", contacts=2)
    other = make_campaign(trunk=click.trunk, calls_per_second=100)
    for _ in range(2):
        make_contact(other)
    assert sorted(attempt.extension for attempt in claim(click)) == ["", "", "101"]


def late_call(campaign: Campaign, extension: str) -> None:
    """A call that came after its attempt was given up, and goes on."""
    contact = make_contact(campaign, state=ContactState.DONE)
    attempt = make_attempt(contact, outcome=Outcome.UNCONFIRMED, at=NOW - timedelta(hours=9), extension=extension)
    make_call(attempt, duration_s=None)


def test_an_extension_on_which_a_late_call_goes_on_is_not_free():
    campaign = click_campaign("101", "102", contacts=2)
    late_call(campaign, "101")
    assert [attempt.extension for attempt in claim(campaign)] == ["102"]


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (lambda campaign: late_call(campaign, "101"), Gate.EXTENSION),
        (lambda campaign: Campaign.objects.update(extensions=["102"]), Gate.EXTENSION),
    ],
)
def test_the_marker_asks_again(happens, reason):
    campaign = click_campaign("101", contacts=1)
    [attempt] = claim(campaign)
    happens(campaign)
    assert marked(attempt) is None
    attempt.refresh_from_db()
    contact = Contact.objects.get(pk=attempt.contact_id)
    assert (attempt.outcome, attempt.reason, attempt.posts) == (Outcome.RELEASED, reason, 0)
    assert (contact.state, contact.next_attempt_at) == (ContactState.PENDING, NOW)


def test_a_test_call_takes_an_extension_too_or_is_refused():
    campaign = click_campaign("101", "102", contacts=1)
    [attempt] = claim(campaign)
    claimed = claim_test_call(campaign.pk, "0912345678", told=Told(), user=None, now=NOW)
    taken = CallAttempt.objects.get(pk=claimed.attempt_id)
    assert (attempt.extension, taken.extension) == ("101", "102")
    assert marked(taken) is not None
    with pytest.raises(CallTestRefused, match="All 2 extensions are talking") as refused:
        claim_test_call(campaign.pk, "0912345679", told=Told(), user=None, now=NOW)
    assert refused.value.code == Gate.EXTENSION


def test_the_database_refuses_a_second_open_call_on_an_extension():
    campaign = click_campaign("101")
    make_attempt(make_contact(campaign), extension="101")
    make_attempt(make_contact(campaign), extension="101", outcome=Outcome.BUSY)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_attempt(make_contact(campaign), extension="101", state=AttemptState.IN_CALL)


def test_whoever_waits_for_an_extension_is_told_so():
    campaign = click_campaign("101", "102", "103", contacts=4)
    claim(campaign)
    waiting = Contact.objects.get(state=ContactState.PENDING)
    # The pace of the claim is over by then.
    soon = NOW + timedelta(seconds=1)
    closed = {state.code: state.reason for state in why_not(waiting, soon) if not state.is_open}
    assert closed == {Gate.EXTENSION: f"{ALL_TALK}."}
    told = [(blocker.code, blocker.label, blocker.count) for blocker in blockers(campaign, soon)]
    assert told == [(Gate.EXTENSION, ALL_TALK, 1)]


def test_campaigns_without_dial_ask_nothing_about_extensions():
    campaign = make_campaign(trunk=make_trunk(calls_per_second=100), extensions=["101"])
    make_contact(campaign)
    with CaptureQueriesContext(connection) as queries:
        [attempt] = claim(campaign)
        assert marked(attempt) is not None
    asked = [query["sql"] for query in queries if "GROUP BY" in query["sql"] or "EXISTS" in query["sql"]]
    assert not [sql for sql in asked if '"extension"' in sql]
    assert attempt.extension == ""


@contextmanager
def no_longer_than_patience() -> Iterator[None]:
    """Go on where the database gave up waiting for a lock; two that wait for each other are a fault."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise


@pytest.mark.skipif(connection.vendor == "sqlite", reason="threads share one in-memory database; see tests/history")
@pytest.mark.django_db(transaction=True)
def test_workers_at_once_never_take_one_extension():
    """Claims of two campaigns that share extensions, test calls, markers and ends, all at the same time."""
    campaigns = [click_campaign("101", "102", "103", contacts=30), click_campaign("102", "103", "104", contacts=30)]
    faults: list[BaseException] = []
    overlaps: list[tuple[str, int]] = []
    refusals: set[str] = set()
    gate = threading.Barrier(3)

    def begin(campaign: Campaign, number: str, now: datetime) -> list[tuple[UUID, int]]:
        """What a tick claims and a test call; on a busy machine either may wait too long for the trunk."""
        begun: list[tuple[UUID, int]] = []
        with no_longer_than_patience():
            begun += [(attempt.pk, attempt.fence) for attempt in claim(campaign, now)]
        with no_longer_than_patience():
            try:
                claimed = claim_test_call(campaign.pk, number, told=Told(), user=None, now=now)
                begun.append((claimed.attempt_id, claimed.fence))
            except CallTestRefused as refused:
                refusals.add(refused.code)
        return begun

    def work(worker: int) -> None:
        try:
            gate.wait()
            for turn in range(8):
                now = NOW + timedelta(seconds=turn)
                begun = begin(campaigns[worker % 2], f"09123{worker}00{turn:02}", now)
                for attempt_id, fence in begun:
                    mark(attempt_id, fence, now=now)
                open_now = CallAttempt.objects.exclude(state=AttemptState.ENDED).values_list("extension", flat=True)
                overlaps.extend(pair for pair in Counter(open_now).items() if pair[1] > 1 or not pair[0])
                for attempt_id, _ in begun:
                    end_attempt(attempt_id, outcome=Outcome.BUSY, reason="test", now=now)
        except BaseException as fault:  # noqa: BLE001  reported by the test itself
            faults.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (faults, overlaps) == ([], [])
    assert refusals <= {Gate.EXTENSION, Gate.TRUNK_PACE}
    rung = Counter(CallAttempt.objects.values_list("extension", flat=True))
    assert rung.keys() == {"101", "102", "103", "104"}
    assert rung.total() > 8


def token_of(order: DialOrder) -> str:
    return order.request.url.rpartition("/")[2]


@pytest.mark.parametrize("is_written_again", [False, True])
def test_a_call_that_the_database_has_lost_keeps_its_extension(is_written_again: bool):
    """Whoever talks on it would be rung in the middle of the call."""
    campaign = click_campaign("101", contacts=2)
    [lost] = claim(campaign)
    order = marked(lost)
    assert order is not None
    CallAttempt.objects.filter(pk=lost.pk).delete()
    Contact.objects.update(state=ContactState.PENDING, next_attempt_at=NOW + timedelta(seconds=1))
    if is_written_again:
        make_attempt(
            lost.contact,
            pk=lost.pk,
            at=NOW,
            outcome=Outcome.UNCONFIRMED,
            reason="written_again",
            token_digest=digest(token_of(order)),
        )
    opened = connect(token=token_of(order), switch_call_id="sw-1", now=NOW)
    assert opened.extension == "101"
    if is_written_again:
        make_call(opened, duration_s=None)
    assert claim(campaign, NOW + timedelta(seconds=2)) == []


def test_a_lost_call_takes_its_extension_from_nobody():
    """It is rung for another call by now: that the first is let in counts for more."""
    campaign = click_campaign("101", contacts=2)
    [lost] = claim(campaign)
    order = marked(lost)
    assert order is not None
    CallAttempt.objects.filter(pk=lost.pk).delete()
    [other] = claim(campaign, NOW + timedelta(seconds=2))
    assert other.extension == "101"
    assert connect(token=token_of(order), switch_call_id="sw-1", now=NOW).extension == ""
