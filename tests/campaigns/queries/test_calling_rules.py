"""The rules asked of real rows: what closes each gate, until when, and that no call slips past one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.enums import AttemptState, ContactState, Outcome, RuleProfileName
from campaigns.models import (
    BlackoutDate,
    BridgeNode,
    CallAttempt,
    Campaign,
    Contact,
    Customer,
    DialingStop,
    DncList,
    DncNumber,
    DncVersion,
    Heartbeat,
    Trunk,
)
from campaigns.policies.eligibility import Gate
from campaigns.queries.blockers import blockers
from campaigns.queries.calling_rules import calls_to
from campaigns.queries.why_not import why_not
from campaigns.services.claiming import claim_due
from campaigns.services.dialing import mark
from tests.factories import NOW, make_attempt, make_campaign, make_contact, make_customer

pytestmark = pytest.mark.django_db

# 08:30 UTC is 15:30 in Hanoi, inside the hours of every profile.
TODAY = date(2026, 11, 20)
SAYS_YES = {"consent": "yes"}
ALWAYS = {
    "timezone": "",
    "days": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}


@pytest.fixture(autouse=True)
def platform(db) -> None:
    BridgeNode.objects.create(name="b1", capacity=10, seen_at=NOW)
    Heartbeat.objects.create(name="dial", at=NOW)


@pytest.fixture
def contact(db) -> Contact:
    """Somebody who consented, in an advertising campaign in Vietnam with a fresh register."""
    import_register(NOW - timedelta(days=30))
    campaign = make_campaign(
        rule_profile=RuleProfileName.VN_ADS, consent_attribute="consent", contacts_filled_at=NOW, calls_per_second=50
    )
    return make_contact(campaign, attributes=SAYS_YES)


def import_register(as_of: datetime, *numbers: str) -> DncList:
    register, _ = DncList.objects.get_or_create(name="Register")
    register.current = DncVersion.objects.create(
        list=register, state="current", file_name="a", path="a", as_of=as_of, size_bytes=1, created_at=NOW
    )
    register.save()
    DncNumber.objects.bulk_create(DncNumber(phone_number=number, version=register.current) for number in numbers)
    return register


def closed(contact: Contact, now: datetime = NOW) -> dict[Gate, tuple[str, datetime | None]]:
    return {gate.code: (gate.reason, gate.opens_at) for gate in why_not(contact, now) if not gate.is_open}


def dial(contact: Contact, now: datetime = NOW) -> CallAttempt:
    """The contact's attempt after a claim and the marker, whatever became of it."""
    for claim in claim_due(contact.campaign.trunk_id, now=now):
        mark(claim.attempt_id, claim.fence, now=now)
    return contact.attempts.get()


@pytest.mark.django_db(transaction=True)
def test_a_call_that_keeps_all_rules_is_marked_with_what_let_it_through(contact: Contact) -> None:
    assert closed(contact) == {}
    attempt = dial(contact)
    assert (attempt.state, attempt.posts) == (AttemptState.DISPATCHING, 1)
    assert attempt.allowed_by == {
        "profile": "vn_ads@1",
        "zones": ["Asia/Ho_Chi_Minh"],
        "calls_24h": 0,
        "calls_7d": 0,
        "caps": [1, 3],
        "window": {"timezone": "", "ranges": [[[480, 1200]]], "legal_hours": [480, 1020]},
        "dnc": DncVersion.objects.get().pk,
        "consent": "given",
    }


def stop() -> None:
    DialingStop.objects.create(at=NOW, reason="Wrong list.")


def list_the_number() -> None:
    import_register(NOW, Contact.objects.get().phone_number)


def black_out() -> None:
    BlackoutDate.objects.create(date=TODAY)


def withdraw() -> None:
    Customer.objects.update(attributes={"consent": "no"})


NEXT_MORNING = datetime.fromisoformat("2026-11-21T08:00:00+07:00")
CASES: list[tuple[Any, Gate, str, datetime | None, str]] = [
    (stop, Gate.STOPPED, "All dialing is stopped: Wrong list.", None, "pending"),
    (
        lambda: Trunk.objects.update(allowed_countries=["US"]),
        Gate.COUNTRY,
        "The trunk “Main trunk” may not call VN.",
        None,
        "blocked",
    ),
    (
        lambda: Campaign.objects.update(rule_profile=RuleProfileName.US_TCPA, calling_window=ALWAYS),
        Gate.COUNTRY,
        "The profile us_tcpa@1 may not call VN.",
        None,
        "blocked",
    ),
    (list_the_number, Gate.SUPPRESSED, "It is on the imported list “Register”.", None, "blocked"),
    (
        lambda: DncVersion.objects.update(as_of=NOW - timedelta(days=31, hours=12, minutes=1)),
        Gate.DNC_LISTS,
        "A do-not-call list is 32 days old; the rules allow 31. Import a new one.",
        None,
        "pending",
    ),
    (
        lambda: DncList.objects.update(is_active=False),
        Gate.DNC_LISTS,
        "The rules ask for an imported do-not-call list, and there is none. Import one.",
        None,
        "pending",
    ),
    (lambda: Contact.objects.update(attributes={}), Gate.CONSENT, "There is no consent.", None, "blocked"),
    (withdraw, Gate.CONSENT, "Consent was withdrawn.", None, "blocked"),
    (
        lambda: Contact.objects.update(attributes={"consent": "2026-11-19"}),
        Gate.CONSENT,
        "Consent has run out.",
        None,
        "blocked",
    ),
    (
        lambda: Campaign.objects.update(consent_attribute=""),
        Gate.CONSENT,
        "There is no consent.",
        None,
        "blocked",
    ),
    (
        black_out,
        Gate.BLACKOUT,
        "2026-11-20 is a blackout date in Asia/Ho_Chi_Minh.",
        NEXT_MORNING,
        "pending",
    ),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("happens", "code", "reason", "opens_at", "state"), CASES)
def test_what_happens_after_the_claim_still_stops_the_call(contact, happens, code, reason, opens_at, state) -> None:
    (claim,) = claim_due(contact.campaign.trunk_id, now=NOW)
    happens()
    explained = closed(contact)
    assert explained[code] == (reason, opens_at)
    assert mark(claim.attempt_id, claim.fence, now=NOW) is None
    attempt = CallAttempt.objects.get()
    contact.refresh_from_db()
    assert (attempt.posts, attempt.reason, contact.state) == (0, code.value, state)
    assert attempt.allowed_by is None


@pytest.mark.parametrize("happens", [case[0] for case in CASES if case[4] == "pending"])
def test_nobody_is_claimed_who_could_not_be_called(contact, happens) -> None:
    happens()
    assert claim_due(contact.campaign.trunk_id, now=NOW) == []
    assert not CallAttempt.objects.exists()


def test_a_campaign_says_what_its_rules_wait_for(contact: Contact) -> None:
    stop()
    DncList.objects.update(is_active=False)
    Campaign.objects.update(calling_window=ALWAYS | {"timezone": "Asia/Ho_Chi_Minh"})
    black_out()
    told = {blocker.code: (blocker.count, blocker.opens_at) for blocker in blockers(contact.campaign, NOW)}
    midnight = datetime.fromisoformat("2026-11-21T00:00:00+07:00")
    assert told[Gate.STOPPED] == (1, None)
    assert told[Gate.DNC_LISTS] == (1, None)
    assert told[Gate.BLACKOUT] == (1, midnight)


COUNTING: list[tuple[dict[str, Any], bool]] = [
    ({"outcome": Outcome.BUSY}, True),
    ({"outcome": Outcome.ANSWERED}, True),
    ({"outcome": Outcome.UNCONFIRMED}, True),
    ({"outcome": Outcome.FAILED}, True),
    ({"outcome": Outcome.RELEASED, "is_counted": False}, False),
    ({"outcome": Outcome.BLOCKED, "is_counted": False, "dispatched_at": None}, False),
    ({"state": AttemptState.DISPATCHING, "is_counted": False}, True),
    ({"state": AttemptState.UNKNOWN, "is_counted": False}, True),
    ({"state": AttemptState.IN_CALL, "is_counted": False}, True),
    ({"state": AttemptState.CLAIMED, "is_counted": False, "dispatched_at": None}, False),
]


@pytest.mark.parametrize(("call", "is_one"), COUNTING)
def test_a_call_counts_from_its_marker_unless_it_never_left(contact: Contact, call, is_one) -> None:
    elsewhere = make_contact(make_campaign(), customer=contact.customer, state=ContactState.DIALING)
    make_attempt(elsewhere, at=NOW - timedelta(hours=5), **call)
    assert len(calls_to(contact.phone_number, NOW)) == is_one
    assert (Gate.NUMBER_CAP in closed(contact)) is is_one


@pytest.mark.django_db(transaction=True)
def test_calls_of_another_campaign_fill_the_cap_until_they_leave_the_window(contact: Contact) -> None:
    elsewhere = make_contact(make_campaign(), customer=contact.customer, state=ContactState.DONE)
    at = NOW - timedelta(hours=23)
    earlier = make_attempt(elsewhere, at=at, outcome=Outcome.NO_ANSWER)
    assert earlier.dispatched_at is not None
    opens_at = earlier.dispatched_at + timedelta(hours=24)
    assert closed(contact) == {Gate.NUMBER_CAP: ("The number has had 1 of 1 calls in 24 hours.", opens_at)}
    attempt = dial(contact)
    contact.refresh_from_db()
    assert (attempt.reason, attempt.posts, contact.next_attempt_at) == ("number_cap", 0, opens_at)
    assert Gate.NUMBER_CAP not in closed(contact, opens_at)
    assert Gate.NUMBER_CAP in closed(contact, opens_at - timedelta(seconds=1))


def test_an_unconfirmed_call_rests_as_long_as_the_profile_says(contact: Contact) -> None:
    Campaign.objects.update(rule_override={"calls_per_day": 5, "calls_per_week": 9})
    earlier = make_attempt(contact, at=NOW - timedelta(hours=5), outcome=Outcome.UNCONFIRMED)
    assert earlier.dispatched_at is not None
    assert closed(contact) == {
        Gate.RECENT_CALL: (
            "Its last call, in whichever campaign, was a moment ago.",
            earlier.dispatched_at + timedelta(hours=24),
        )
    }


def test_foreign_numbers_are_refused_at_the_marker_too(settings) -> None:
    contact = make_contact(make_campaign(calling_window=ALWAYS), customer=make_customer("+6591234567"))
    assert closed(contact) == {Gate.COUNTRY: ("This installation may not call SG.", None)}
    settings.ALLOWED_COUNTRIES = ["VN", "SG"]
    assert closed(contact) == {}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plan")
def test_counting_the_calls_to_a_number_reads_one_range_of_an_index() -> None:
    contact = make_contact()
    attempt = make_attempt(contact, outcome=Outcome.BUSY)
    with connection.cursor() as cursor:
        columns = [field.attname for field in CallAttempt._meta.concrete_fields]
        changed = {"id": "gen_random_uuid()", "phone_number": "'+849' || (10000000 + n %% 10000)", "number": "NULL"}
        values = ", ".join(changed.get(column, f'"{column}"') for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        cursor.execute(
            f"INSERT INTO campaigns_callattempt ({names}) SELECT {values} FROM campaigns_callattempt,"
            " generate_series(1, 30000) n WHERE id = %s",
            [attempt.pk],
        )
        cursor.execute("ANALYZE campaigns_callattempt")
    with CaptureQueriesContext(connection) as queries:
        assert len(calls_to("+84910000007", NOW)) == 3
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "attempt_by_phone" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(("profile", "column", "asks"), [("custom", "", False), ("custom", "consent", True)])
def test_a_campaign_that_names_a_consent_column_asks_for_consent(contact: Contact, profile, column, asks) -> None:
    Campaign.objects.update(rule_profile=profile, consent_attribute=column)
    Contact.objects.update(attributes={"consent": "no"})
    assert (Gate.CONSENT in closed(Contact.objects.get())) is asks
