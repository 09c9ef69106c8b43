"""Test calls: the gates they ask, the lines they take, and the statistics they stay out of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, TrunkHold
from campaigns.errors import CallTestRefused
from campaigns.models import (
    BridgeNode,
    CallAttempt,
    Campaign,
    CampaignEvent,
    Contact,
    Heartbeat,
    OutboxEvent,
    SuppressedNumber,
    Trunk,
)
from campaigns.policies.eligibility import Gate
from campaigns.queries.dialing import facts_for
from campaigns.queries.stats import campaign_stats
from campaigns.services.attempts import end_attempt
from campaigns.services.campaigns import finish_all
from campaigns.services.contact_filling import fill_block
from campaigns.services.dialing import claim_due, mark
from campaigns.services.test_calls import Told, claim_test_call
from tests.factories import (
    NOW,
    make_attempt,
    make_campaign,
    make_contact,
    make_customer,
    make_list,
    make_trunk,
    make_user,
)

pytestmark = pytest.mark.django_db

NUMBER = "+84912345678"


@pytest.fixture(autouse=True)
def machinery(db) -> None:
    BridgeNode.objects.create(name="b1", capacity=10, seen_at=NOW)
    Heartbeat.objects.create(name="dial", at=NOW)


def try_out(campaign: Campaign, told: Told | None = None) -> CallAttempt:
    claimed = claim_test_call(campaign.pk, "0912 345 678", told=told or Told(), user=None, now=NOW)
    return CallAttempt.objects.select_related("contact").get(pk=claimed.attempt_id)


@pytest.mark.parametrize("state", list(CampaignState))
def test_a_test_call_is_placed_in_any_state_and_outside_the_window(state: CampaignState) -> None:
    campaign = make_campaign(state=state, calling_window={})
    attempt = try_out(campaign)
    assert mark(attempt.pk, attempt.fence, now=NOW) is not None
    attempt.refresh_from_db()
    assert (attempt.state, attempt.is_test, attempt.phone_number) == (AttemptState.DISPATCHING, True, NUMBER)


@pytest.mark.parametrize(
    ("model", "change", "code"),
    [
        (Trunk, {"is_enabled": False}, Gate.TRUNK_DISABLED),
        (Trunk, {"hold": TrunkHold.AUTH}, Gate.TRUNK_HELD),
        (Trunk, {"throttled_until": NOW + timedelta(minutes=1)}, Gate.TRUNK_THROTTLED),
        (Trunk, {"bucket_at": NOW, "bucket_tokens": -9}, Gate.TRUNK_PACE),
        (BridgeNode, {"capacity": 0}, Gate.BRIDGE),
        (Heartbeat, {"at": NOW - timedelta(hours=1)}, Gate.DIALER),
    ],
)
def test_a_test_call_is_refused_by_the_gate_that_is_closed(model, change, code) -> None:
    campaign = make_campaign()
    model.objects.update(**change)
    with pytest.raises(CallTestRefused) as refusal:
        try_out(campaign)
    assert refusal.value.code == code
    assert not Contact.objects.exists()


def test_a_test_call_obeys_the_do_not_call_list_up_to_the_marker() -> None:
    campaign = make_campaign()
    attempt = try_out(campaign)
    SuppressedNumber.objects.create(phone_number=NUMBER)
    assert mark(attempt.pk, attempt.fence, now=NOW) is None
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.reason) == (Outcome.BLOCKED, Gate.SUPPRESSED)
    with pytest.raises(CallTestRefused, match="do-not-call"):
        try_out(campaign)


def test_the_trunk_that_is_used_is_the_one_that_is_asked() -> None:
    """A draft may be given another trunk while its test call waits to be placed."""
    campaign = make_campaign(state=CampaignState.DRAFT)
    attempt = try_out(campaign)
    Trunk.objects.filter(pk=attempt.trunk_id).update(hold=TrunkHold.MANUAL)
    Campaign.objects.filter(pk=campaign.pk).update(trunk=make_trunk("Another"))
    assert mark(attempt.pk, attempt.fence, now=NOW) is None
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.reason, attempt.posts) == (Outcome.RELEASED, Gate.TRUNK_HELD, 0)


@pytest.mark.parametrize("number", ["113", "1900 1234", "not a number"])
def test_only_numbers_of_people_are_called(number: str) -> None:
    campaign = make_campaign()
    with pytest.raises(CallTestRefused):
        claim_test_call(campaign.pk, number, told=Told(), user=None, now=NOW)


def test_one_number_is_in_one_call_at_a_time() -> None:
    campaign = make_campaign()
    try_out(campaign)
    Trunk.objects.update(bucket_at=None)
    with pytest.raises(CallTestRefused) as refusal:
        try_out(campaign)
    assert refusal.value.code == Gate.NUMBER_BUSY


def test_the_trunks_lines_and_pace_include_test_calls() -> None:
    campaign = make_campaign()
    make_contact(campaign)
    try_out(campaign)
    (after,) = claim_due(campaign.trunk_id, now=NOW)
    assert after.start_in_s == 1
    make_contact(campaign)
    Trunk.objects.update(max_concurrent_calls=1)
    assert claim_due(campaign.trunk_id, now=NOW + timedelta(seconds=5)) == []


def test_the_agent_is_told_what_a_customer_of_the_lists_would_be() -> None:
    campaign = make_campaign()
    campaign.customer_lists.add(make_list(customers=[make_customer(attributes={"plan": "Gold"})]))
    assert try_out(campaign).contact.attributes == {"plan": "Gold"}
    Trunk.objects.update(bucket_at=None)
    CallAttempt.objects.update(state=AttemptState.ENDED, outcome=Outcome.CANCELED, ended_at=NOW, deadline_at=None)
    contact = try_out(campaign, Told("Ada", {"plan": "Blue"})).contact
    assert (contact.name, contact.attributes) == ("Ada", {"plan": "Blue"})


def test_a_test_call_counts_for_the_number_and_in_no_statistics() -> None:
    campaign = make_campaign(contacts_filled_at=NOW)
    before = campaign_stats(campaign.pk, NOW)
    attempt = try_out(campaign)
    assert finish_all(now=NOW) == [campaign.pk]
    mark(attempt.pk, attempt.fence, now=NOW)
    end_attempt(attempt.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=NOW)
    attempt.contact.refresh_from_db()
    assert attempt.contact.state == ContactState.TEST
    assert campaign_stats(campaign.pk, NOW) == before
    assert not OutboxEvent.objects.filter(type="contact.finished").exists()
    real = make_contact(make_campaign(), customer=attempt.contact.customer)
    rested_at = facts_for(real, now=NOW).use.rested_at
    assert rested_at is not None
    assert rested_at > NOW


def test_the_number_may_be_a_contact_as_well() -> None:
    campaign = make_campaign()
    customer = make_customer(NUMBER)
    campaign.customer_lists.add(make_list(customers=[customer]))
    make_attempt(make_contact(campaign, customer=customer, state=ContactState.TEST), outcome=Outcome.ANSWERED)
    while fill_block(campaign.pk, now=NOW):
        pass
    assert sorted(campaign.contacts.values_list("state", flat=True)) == [ContactState.PENDING, ContactState.TEST]


def test_the_log_names_who_called_and_not_the_number() -> None:
    ada = make_user()
    campaign = make_campaign()
    claim_test_call(campaign.pk, NUMBER, told=Told(), user=ada, now=NOW)
    event = CampaignEvent.objects.get()
    assert (event.kind, event.message, event.user) == ("test_call", "Test call to +84•••••678.", ada)
