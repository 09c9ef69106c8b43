"""What holds a campaign back: counted for all its contacts at once, and never nothing while nobody is called."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.enums import AttemptState, CampaignState, ContactState, TrunkHold
from campaigns.models import (
    AttemptLog,
    BridgeNode,
    CallAttempt,
    Campaign,
    Contact,
    Customer,
    Heartbeat,
    SuppressedNumber,
    Trunk,
)
from campaigns.policies.calling_window import default_calling_window
from campaigns.policies.eligibility import Gate
from campaigns.queries.blockers import Blocker, blockers
from campaigns.services.claiming import claim_due
from tests.factories import NOW, make_attempt, make_campaign, make_contact, make_customer

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=7)
WINDOWS: tuple[dict[str, object], ...] = (
    {},
    {"days": {"fri": [["05:00", "06:00"]]}},
    {"timezone": "UTC", "days": {"fri": [["08:00", "09:00"]]}},
)


@pytest.fixture(autouse=True)
def machinery(db) -> None:
    BridgeNode.objects.create(name="b1", capacity=10, seen_at=NOW)
    Heartbeat.objects.create(name="dial", at=NOW)


@pytest.fixture
def contact(db) -> Contact:
    return make_contact(make_campaign(contacts_filled_at=NOW))


def test_nothing_holds_a_campaign_that_dials(contact: Contact) -> None:
    assert blockers(contact.campaign, NOW) == []


def test_blockers_count_who_waits_for_what(contact: Contact) -> None:
    campaign = contact.campaign
    for reason, minutes in (("outside_window", 5), ("outside_window", 9), ("no_answer", 3), ("", 1)):
        make_contact(campaign, state_reason=reason, next_attempt_at=NOW + timedelta(minutes=minutes))
    assert blockers(campaign, NOW) == [
        Blocker("not_due", "Waiting for their time", 1, NOW + timedelta(minutes=1)),
        Blocker("no_answer", "To be tried again after: no answer", 1, NOW + timedelta(minutes=3)),
        Blocker("outside_window", "Waiting for the calling window", 2, NOW + timedelta(minutes=5)),
    ]


@pytest.mark.parametrize(
    ("model", "change", "expected"),
    [
        (Campaign, {"state": CampaignState.PAUSED}, Blocker(Gate.CAMPAIGN, "The campaign is paused", 1)),
        (
            Campaign,
            {"state": CampaignState.SCHEDULED, "starts_at": LATER},
            Blocker(Gate.CAMPAIGN, "The campaign is scheduled", 1, LATER),
        ),
        (
            Campaign,
            {"contacts_filled_at": None},
            Blocker("contacts_filling", "Contacts are still being made of the lists", 0),
        ),
        (Campaign, {"calling_window": {}}, Blocker(Gate.WINDOW, "The calling window is never open", 1)),
        (
            Campaign,
            {"calling_window": {"timezone": "UTC", "days": {"fri": [["10:00", "11:00"]]}}},
            Blocker(Gate.WINDOW, "The calling window is closed in UTC", 1, NOW.replace(hour=10, minute=0)),
        ),
        (Trunk, {"token": ""}, Blocker(Gate.TRUNK_DISABLED, "The trunk is disabled or has no token", 1)),
        (
            Trunk,
            {"hold": TrunkHold.AUTH},
            Blocker(Gate.TRUNK_HELD, "The trunk is held: PSR refused the token (401/403)", 1),
        ),
        (
            Trunk,
            {"throttled_until": LATER},
            Blocker(Gate.TRUNK_THROTTLED, "The switch asked for a pause", 1, LATER),
        ),
        (BridgeNode, {"is_draining": True}, Blocker(Gate.BRIDGE, "No bridge is running", 1)),
        (BridgeNode, {"live_calls": 10}, Blocker(Gate.BRIDGE, "All 10 calls the bridges can take are in use", 1)),
    ],
)
def test_a_blocker_is_named(contact: Contact, model, change, expected) -> None:
    model.objects.update(**change)
    assert blockers(contact.campaign, NOW) == [expected]


def test_a_campaign_without_contacts_waits_for_nobody() -> None:
    BridgeNode.objects.all().delete()
    make_customer()
    assert blockers(make_campaign(contacts_filled_at=NOW), NOW) == []


@pytest.mark.parametrize(
    ("model", "change", "expected"),
    [
        (Heartbeat, {"at": NOW - timedelta(minutes=2)}, "The dial worker took its last message 120 s ago"),
        (Campaign, {"bucket_at": NOW}, "Waiting for their turn at the campaign's pace"),
        (Trunk, {"bucket_at": NOW}, "Waiting for their turn at the trunk's pace"),
    ],
)
def test_who_is_due_waits_for_the_machinery(contact: Contact, model, change, expected) -> None:
    model.objects.update(**change)
    assert [blocker.label for blocker in blockers(contact.campaign, NOW)] == [expected]


def test_what_only_the_next_contacts_know_is_asked_of_them(contact: Contact) -> None:
    SuppressedNumber.objects.create(phone_number=contact.phone_number)
    assert [(blocker.code, blocker.count) for blocker in blockers(contact.campaign, NOW)] == [(Gate.SUPPRESSED, 1)]


def test_a_rule_that_put_contacts_off_is_named(contact: Contact) -> None:
    make_contact(contact.campaign, state_reason="trunk_disabled", next_attempt_at=LATER)
    (blocker,) = blockers(contact.campaign, NOW)
    assert blocker.label == "Waiting until this holds: The trunk is enabled and has a token"


@pytest.mark.parametrize("contacts", [1, 40])
def test_the_cost_does_not_grow_with_the_contacts(contacts: int) -> None:
    campaign = make_campaign(contacts_filled_at=NOW, bucket_at=NOW)
    for _ in range(contacts):
        make_contact(campaign)
    with CaptureQueriesContext(connection) as queries:
        assert blockers(campaign, NOW)[0].count == contacts
    assert len(queries) <= 12


def test_a_running_campaign_that_calls_nobody_always_says_why() -> None:
    silent = 0
    for seed in range(50):
        dice = random.Random(seed)
        campaign = _some_world(dice)
        claimed = claim_due(campaign.trunk_id, now=NOW)
        served = CallAttempt.objects.filter(pk__in=[claim.attempt_id for claim in claimed], campaign=campaign)
        is_waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING).exists()
        if is_waiting and not served.exists():
            silent += 1
            assert blockers(campaign, NOW), f"seed {seed}"
        _forget()
    assert silent > 20


def _some_world(dice: random.Random) -> Campaign:
    """Two running campaigns on one trunk, in which some things are as they should not be; one of the campaigns."""

    def is_off(one_in: int = 8) -> bool:
        return dice.randrange(one_in) == 0

    def around_now(seconds: int) -> datetime:
        return NOW + timedelta(seconds=dice.randint(-seconds, seconds))

    BridgeNode.objects.update(capacity=dice.choice([0, 1, 60, 60]), seen_at=NOW - timedelta(seconds=60 * is_off()))
    Heartbeat.objects.update(at=NOW - timedelta(seconds=300 * is_off()))
    own, other = (
        make_campaign(
            contacts_filled_at=None if is_off() else NOW,
            priority=dice.choice([0, 0, 1]),
            max_concurrent_calls=dice.choice([1, 60]),
            calls_per_second=dice.choice([0.1, 100]),
            calling_window=dice.choice(WINDOWS) if is_off(3) else default_calling_window(),
            bucket_at=dice.choice([None, around_now(3)]),
            bucket_tokens=dice.choice([0, 1]),
        )
        for _ in range(2)
    )
    Trunk.objects.update(
        is_enabled=not is_off(12),
        token="" if is_off(12) else "token",
        hold=TrunkHold.AUTH if is_off(12) else TrunkHold.NONE,
        throttled_until=around_now(400) if is_off() else None,
        max_concurrent_calls=dice.choice([1, 60]),
        calls_per_second=dice.choice([0.1, 100]),
        bucket_at=dice.choice([None, around_now(3)]),
    )
    for campaign in (own, other):
        for _ in range(dice.choice([0, 1, 3, 55 if is_off() else 2])):
            make_contact(
                campaign, next_attempt_at=around_now(300), state_reason=dice.choice(["", "busy", "number_cap"])
            )
    for contact in Contact.objects.filter(campaign=own):
        if is_off(4):
            elsewhere = make_contact(other, customer=contact.customer, state=ContactState.DIALING)
            make_attempt(elsewhere, state=AttemptState.IN_CALL)
        if is_off(4):
            Contact.objects.filter(pk=contact.pk).update(timezone="America/New_York")
    return own


def _forget() -> None:
    for model in (AttemptLog, CallAttempt, Contact, Campaign, Customer):
        model.objects.all().delete()
