"""Why nobody is called: for a contact every gate, for a campaign what holds it back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, TrunkHold
from campaigns.models import BridgeNode, Campaign, Contact, SuppressedNumber, Trunk
from campaigns.policies.eligibility import LABELS, Gate
from campaigns.queries.why_not import Blocker, blockers, why_not
from campaigns.services.claiming import claim_due
from tests.factories import NOW, make_attempt, make_campaign, make_contact, make_customer

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=7)


@pytest.fixture(autouse=True)
def bridge(db) -> BridgeNode:
    return BridgeNode.objects.create(name="b1", capacity=10, seen_at=NOW)


@pytest.fixture
def contact(db) -> Contact:
    return make_contact(make_campaign(contacts_filled_at=NOW))


def closed(contact: Contact) -> dict[Gate, object]:
    return {gate.code: gate.opens_at for gate in why_not(contact, NOW) if not gate.is_open}


def test_every_gate_is_shown_and_open_when_the_contact_can_be_called(contact: Contact) -> None:
    gates = why_not(contact, NOW)
    assert closed(contact) == {}
    assert len(gates) == len({gate.code for gate in gates}) == len(LABELS)
    assert len(claim_due(contact.campaign.trunk_id, now=NOW)) == 1


@pytest.mark.parametrize(
    ("model", "change", "code", "opens_at"),
    [
        (Contact, {"state": ContactState.DONE}, Gate.CONTACT, None),
        (Contact, {"next_attempt_at": LATER}, Gate.NOT_DUE, LATER),
        (Campaign, {"state": CampaignState.PAUSED}, Gate.CAMPAIGN, None),
        (Campaign, {"calling_window": {}}, Gate.WINDOW, None),
        (Campaign, {"bucket_tokens": 0, "bucket_at": NOW}, Gate.CAMPAIGN_PACE, NOW + timedelta(seconds=1)),
        (Trunk, {"bucket_tokens": 0.5, "bucket_at": NOW}, Gate.TRUNK_PACE, NOW + timedelta(seconds=0.5)),
        (Trunk, {"is_enabled": False}, Gate.TRUNK_DISABLED, None),
        (Trunk, {"hold": TrunkHold.MANUAL}, Gate.TRUNK_HELD, None),
        (Trunk, {"throttled_until": LATER}, Gate.TRUNK_THROTTLED, LATER),
        (BridgeNode, {"capacity": 0}, Gate.BRIDGE, None),
        (BridgeNode, {"seen_at": NOW - timedelta(minutes=1)}, Gate.BRIDGE, None),
    ],
)
def test_one_gate_closes_and_nobody_is_claimed(contact: Contact, model, change, code, opens_at) -> None:
    model.objects.update(**change)
    assert closed(contact) == {code: opens_at}
    assert claim_due(contact.campaign.trunk_id, now=NOW) == []


def test_suppressed_number(contact: Contact) -> None:
    SuppressedNumber.objects.create(phone_number=contact.phone_number, expires_at=LATER)
    assert closed(contact) == {Gate.SUPPRESSED: None}
    SuppressedNumber.objects.update(expires_at=NOW)
    assert closed(contact) == {}


def test_a_call_elsewhere_and_the_rest_after_it(contact: Contact, settings) -> None:
    elsewhere = make_contact(make_campaign(), customer=contact.customer, state=ContactState.DIALING)
    call = make_attempt(elsewhere, state=AttemptState.IN_CALL, is_counted=False)
    assert closed(contact) == {Gate.NUMBER_BUSY: None}
    call.state, call.outcome, call.ended_at, call.is_counted = AttemptState.ENDED, Outcome.ANSWERED, NOW, True
    call.save()
    assert call.dispatched_at is not None
    assert closed(contact) == {Gate.RECENT_CALL: call.dispatched_at + timedelta(seconds=settings.REDIAL_MIN_S)}


def test_lines_in_use(contact: Contact) -> None:
    Trunk.objects.update(max_concurrent_calls=1)
    Campaign.objects.update(max_concurrent_calls=1)
    make_attempt(make_contact(contact.campaign, state=ContactState.DIALING))
    assert set(closed(contact)) == {Gate.CAMPAIGN_LINES, Gate.TRUNK_LINES}


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
