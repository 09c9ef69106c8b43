"""Why a contact is not called: every gate."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, TrunkHold
from campaigns.models import BridgeNode, Campaign, Contact, Heartbeat, SuppressedNumber, Trunk
from campaigns.policies.eligibility import LABELS, Gate
from campaigns.queries.why_not import why_not
from campaigns.services.claiming import claim_due
from tests.factories import NOW, make_attempt, make_campaign, make_contact

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=7)


@pytest.fixture(autouse=True)
def machinery(db) -> None:
    BridgeNode.objects.create(name="b1", capacity=10, seen_at=NOW)
    Heartbeat.objects.create(name="dial", at=NOW)


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
        (Campaign, {"bucket_tokens": -1, "bucket_at": NOW}, Gate.CAMPAIGN_PACE, NOW + timedelta(seconds=2)),
        (Trunk, {"bucket_tokens": -0.5, "bucket_at": NOW}, Gate.TRUNK_PACE, NOW + timedelta(seconds=1.5)),
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


def test_a_campaign_that_was_passed_over_waits_for_its_turn(contact: Contact) -> None:
    make_campaign(bucket_at=NOW - timedelta(seconds=1))
    assert closed(contact) == {Gate.TURN: None}
    Campaign.objects.filter(pk=contact.campaign_id).update(bucket_at=NOW - timedelta(seconds=1), bucket_tokens=0)
    assert closed(contact) == {}


@pytest.mark.parametrize("at", [None, NOW - timedelta(minutes=2)])
def test_without_dial_workers_nobody_is_called(contact: Contact, at) -> None:
    Heartbeat.objects.all().delete()
    if at is not None:
        Heartbeat.objects.create(name="dial", at=at)
    assert closed(contact) == {Gate.DIALER: None}
