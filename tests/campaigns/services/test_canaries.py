"""Careful starts: so many calls, then a look at them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, CanaryState, Outcome
from campaigns.models import BridgeNode, CallAttempt, Campaign, CampaignEvent
from campaigns.policies.eligibility import Gate
from campaigns.queries.blockers import blockers
from campaigns.services.campaigns import launch, pause, resume
from campaigns.services.canaries import judge_canaries
from campaigns.services.claiming import claim_due
from campaigns.services.contact_filling import fill_block
from tests.factories import NOW, make_campaign, make_customer, make_list, make_trunk

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture
def campaign(db) -> Campaign:
    """Launched, with twenty contacts, of whose first four calls half must answer and one in four may fail."""
    BridgeNode.objects.create(name="b1", capacity=100, seen_at=NOW)
    made = make_campaign(
        state=CampaignState.DRAFT,
        trunk=make_trunk(calls_per_second=100, max_concurrent_calls=100),
        calls_per_second=100,
        max_concurrent_calls=100,
        canary_calls=4,
        canary_answered_min=0.5,
        canary_failed_max=0.25,
    )
    made.customer_lists.add(make_list(customers=[make_customer() for _ in range(20)]))
    launch(made.pk, now=NOW)
    while fill_block(made.pk, now=NOW):
        pass
    return made


def claimed(campaign: Campaign, now=NOW) -> list[CallAttempt]:
    ids = [claim.attempt_id for claim in claim_due(campaign.trunk_id, now=now)]
    return list(CallAttempt.objects.filter(pk__in=ids))


def end(attempts: list[CallAttempt], *outcomes: Outcome) -> None:
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        attempt.state, attempt.outcome, attempt.ended_at = AttemptState.ENDED, outcome, NOW
        attempt.is_counted = outcome is not Outcome.RELEASED
        attempt.answered_at = NOW if outcome is Outcome.ANSWERED else None
        if outcome is Outcome.RELEASED:
            attempt.number = None
        attempt.save()


def canary_of(campaign: Campaign) -> tuple[str, str]:
    campaign.refresh_from_db()
    return campaign.state, campaign.canary_state


def test_no_more_than_the_first_calls_begin_until_they_are_judged(campaign: Campaign) -> None:
    first = claimed(campaign)
    assert len(first) == 4
    assert claimed(campaign, NOW + SECOND) == []
    judge_canaries(now=NOW)
    assert canary_of(campaign) == (CampaignState.RUNNING, CanaryState.RUNNING)
    assert Gate.CANARY in [blocker.code for blocker in blockers(campaign, NOW + SECOND)]
    end(first[:1], Outcome.RELEASED)
    assert len(claimed(campaign, NOW + SECOND)) == 1


def test_it_goes_on_when_they_went_well(campaign: Campaign) -> None:
    end(claimed(campaign), Outcome.ANSWERED, Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.FAILED)
    judge_canaries(now=NOW)
    assert canary_of(campaign) == (CampaignState.RUNNING, CanaryState.PASSED)
    assert CampaignEvent.objects.filter(kind="canary_passed").count() == 1
    assert len(claimed(campaign, NOW + SECOND)) == 16


def test_it_is_paused_with_the_numbers_when_they_did_not(campaign: Campaign) -> None:
    end(claimed(campaign), Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.FAILED, Outcome.FAILED)
    judge_canaries(now=NOW)
    judge_canaries(now=NOW)
    assert canary_of(campaign) == (CampaignState.PAUSED, CanaryState.FAILED)
    event = CampaignEvent.objects.get(kind="pause")
    assert "of the first 4 calls 4 are decided, 1 were answered" in event.message


def test_resuming_after_bad_calls_looks_at_the_next(campaign: Campaign) -> None:
    end(claimed(campaign), *[Outcome.NO_ANSWER] * 4)
    judge_canaries(now=NOW)
    resume(campaign.pk, now=NOW + SECOND)
    assert canary_of(campaign) == (CampaignState.RUNNING, CanaryState.RUNNING)
    assert len(claimed(campaign, NOW + 2 * SECOND)) == 4


def test_resuming_after_bad_calls_without_a_look(campaign: Campaign) -> None:
    end(claimed(campaign), *[Outcome.NO_ANSWER] * 4)
    judge_canaries(now=NOW)
    Campaign.objects.update(canary_calls=0)
    resume(campaign.pk, now=NOW + SECOND)
    assert canary_of(campaign) == (CampaignState.RUNNING, CanaryState.NONE)
    assert len(claimed(campaign, NOW + 2 * SECOND)) == 16


def test_a_pause_in_between_changes_nothing(campaign: Campaign) -> None:
    claimed(campaign)
    pause(campaign.pk, now=NOW)
    resume(campaign.pk, now=NOW + SECOND)
    assert canary_of(campaign) == (CampaignState.RUNNING, CanaryState.RUNNING)
    assert claimed(campaign, NOW + 2 * SECOND) == []
