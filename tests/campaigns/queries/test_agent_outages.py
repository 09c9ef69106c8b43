"""An agent that fails is called for once a minute, and people are told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from campaigns.enums import CampaignState, ContactState, EndedBy, Outcome
from campaigns.models import Agent, BridgeNode, CallAttempt, Campaign
from campaigns.policies.eligibility import Gate
from campaigns.queries.agent_outages import LOOK_BACK, agents_out, outage_of, trials_left
from campaigns.queries.attention import concerns
from campaigns.queries.blockers import blockers
from campaigns.queries.why_not import why_not
from campaigns.services.claiming import claim_due
from campaigns.services.dialing import mark
from tests.factories import NOW, make_agent, make_attempt, make_call, make_campaign, make_contact, make_trunk

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
OUT_AT = NOW - MINUTE


@pytest.fixture
def agent(db) -> Agent:
    return make_agent()


def end_call(agent: Agent, ended_by: EndedBy, at: datetime, **fields) -> None:
    """A call of the agent that ended at `at`, of a campaign that is over."""
    past = make_campaign(agent=agent, state=CampaignState.FINISHED)
    attempt = make_attempt(
        make_contact(past, state=ContactState.DONE), outcome=Outcome.ANSWERED, at=at - timedelta(seconds=20)
    )
    CallAttempt.objects.filter(pk=attempt.pk).update(dispatched_at=at - timedelta(seconds=19))
    make_call(attempt, lines=(), started_at=at - timedelta(seconds=10), duration_s=10, ended_by=ended_by, **fields)


def break_down(agent: Agent, at: datetime = OUT_AT) -> None:
    end_call(agent, EndedBy.AGENT_FAILED, at, is_agent_broken=True)


def waiting(agent: Agent, *, contacts: int = 3, **fields) -> Campaign:
    BridgeNode.objects.get_or_create(name="b1", defaults={"capacity": 50, "seen_at": NOW})
    trunk = make_trunk("Fast trunk", calls_per_second=50, max_concurrent_calls=50)
    campaign = make_campaign(agent=agent, trunk=trunk, calls_per_second=50, contacts_filled_at=NOW, **fields)
    for _ in range(contacts):
        make_contact(campaign)
    return campaign


def dial(campaign: Campaign, now: datetime) -> int:
    """How many calls go out at this moment."""
    orders = [mark(claim.attempt_id, claim.fence, now=now) for claim in claim_due(campaign.trunk_id, now=now)]
    return sum(order is not None for order in orders)


def test_three_failures_of_ten_are_an_outage(agent) -> None:
    for number in range(10):
        ended_by = EndedBy.AGENT_FAILED if number >= 7 else EndedBy.CUSTOMER_HANGUP
        end_call(agent, ended_by, OUT_AT + timedelta(seconds=number))
    found = outage_of(agent.pk, NOW)
    assert found is not None
    assert found.since == OUT_AT + timedelta(seconds=9)


@pytest.mark.parametrize("ended_by", [EndedBy.BRIDGE_ERROR, EndedBy.INTERRUPTED, EndedBy.DRAIN, EndedBy.STOPPED])
def test_our_own_faults_neither_make_nor_end_an_outage(agent, ended_by) -> None:
    for number in range(10):
        end_call(agent, ended_by, OUT_AT + timedelta(seconds=number))
    assert outage_of(agent.pk, NOW) is None
    break_down(agent, OUT_AT - MINUTE)
    assert outage_of(agent.pk, NOW) is not None


def test_an_outage_is_the_agents_own_and_ends_by_a_good_call_or_with_time(agent) -> None:
    break_down(agent)
    other = make_agent("Other")
    end_call(other, EndedBy.CUSTOMER_HANGUP, NOW)
    assert [found.name for found, _ in agents_out(NOW)] == [agent.name]
    assert (trials_left(agent.pk, NOW), trials_left(other.pk, NOW)) == (1, None)
    assert outage_of(agent.pk, OUT_AT + LOOK_BACK + MINUTE) is None
    end_call(agent, EndedBy.CUSTOMER_HANGUP, OUT_AT + timedelta(seconds=30))
    assert outage_of(agent.pk, NOW) is None


def test_one_call_a_minute_is_dialed_for_an_agent_that_is_out(agent) -> None:
    break_down(agent)
    campaign = waiting(agent)
    dialed = [dial(campaign, NOW + timedelta(seconds=second)) for second in range(0, 15, 5)]
    assert dialed == [1, 0, 0]
    BridgeNode.objects.update(seen_at=NOW + MINUTE)
    assert dial(campaign, NOW + MINUTE) == 1
    assert CallAttempt.objects.filter(campaign=campaign).count() == 2


def test_campaigns_of_one_agent_share_its_trial(agent) -> None:
    break_down(agent)
    first, _ = waiting(agent), waiting(agent)
    claims = claim_due(first.trunk_id, now=NOW)
    assert len(claims) == 2
    assert sum(mark(claim.attempt_id, claim.fence, now=NOW) is not None for claim in claims) == 1
    released = CallAttempt.objects.get(outcome=Outcome.RELEASED)
    assert released.reason == Gate.AGENT
    assert released.contact.next_attempt_at == NOW + MINUTE


def test_people_are_told(agent) -> None:
    break_down(agent)
    campaign = waiting(agent)
    assert dial(campaign, NOW) == 1
    (told,) = [blocker for blocker in blockers(campaign, NOW) if blocker.code == Gate.AGENT]
    assert told.label.startswith("The agent has been unavailable since 2026-11-20 15:29. It failed")
    assert (told.count, told.opens_at) == (2, NOW + MINUTE)
    contact = campaign.contacts.filter(state="pending").first()
    assert contact is not None
    closed = {gate.code: gate.opens_at for gate in why_not(contact, NOW) if not gate.is_open}
    assert closed[Gate.AGENT] == NOW + MINUTE
    assert [concern.title for concern in concerns(NOW)] == [f"The agent “{agent.name}” does not work."]
