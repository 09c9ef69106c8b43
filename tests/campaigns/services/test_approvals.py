"""Two pairs of eyes on a large campaign."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from campaigns.enums import CampaignState
from campaigns.errors import ApprovalNeeded, CampaignNotReady, IllegalTransition, RecordInUse
from campaigns.models import Campaign, CampaignEvent
from campaigns.queries.attention import concerns
from campaigns.services.campaigns import approve_launch, launch
from campaigns.services.definitions import change_campaign
from tests.factories import NOW, make_campaign, make_customer, make_list, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limit(settings) -> None:
    settings.APPROVAL_OVER_CONTACTS = 2


@pytest.fixture
def ada(db) -> User:
    return make_user("ada")


@pytest.fixture
def bob(db) -> User:
    return make_user("bob")


def draft(customers: int = 3, **fields) -> Campaign:
    campaign = make_campaign(state=CampaignState.DRAFT, **fields)
    campaign.customer_lists.add(make_list(customers=[make_customer() for _ in range(customers)]))
    return campaign


def asked(campaign: Campaign, user: User) -> Campaign:
    with pytest.raises(ApprovalNeeded):
        launch(campaign.pk, now=NOW, user=user)
    campaign.refresh_from_db()
    return campaign


@pytest.mark.parametrize(("most", "customers"), [(0, 9), (2, 2)])
def test_a_small_campaign_is_launched_by_one(settings, ada, most: int, customers: int) -> None:
    settings.APPROVAL_OVER_CONTACTS = most
    assert launch(draft(customers).pk, now=NOW, user=ada).state == CampaignState.RUNNING


def test_a_large_campaign_waits_for_another_person_and_both_are_named(ada, bob) -> None:
    campaign = asked(asked(draft(), ada), bob)
    assert (campaign.state, campaign.approval_asked_by) == (CampaignState.DRAFT, ada)
    assert f"“{campaign.name}” waits for approval." in [concern.title for concern in concerns(NOW)]
    launched = approve_launch(campaign.pk, user=bob, now=NOW)
    assert (launched.state, launched.approved_by) == (CampaignState.RUNNING, bob)
    log = CampaignEvent.objects.order_by("id").values_list("kind", "user__username")
    assert list(log) == [("approval_asked", "ada"), ("approved", "bob"), ("launch", "bob")]


def test_nobody_approves_their_own(ada) -> None:
    campaign = asked(draft(), ada)
    with pytest.raises(IllegalTransition, match="Another manager"):
        approve_launch(campaign.pk, user=ada, now=NOW)


def test_what_nobody_asked_for_is_not_approved(ada) -> None:
    with pytest.raises(IllegalTransition):
        approve_launch(draft().pk, user=ada, now=NOW)


def test_a_change_withdraws_what_was_asked_and_approved(ada, bob) -> None:
    campaign = asked(draft(starts_at=NOW + timedelta(hours=1)), ada)
    assert approve_launch(campaign.pk, user=bob, now=NOW).state == CampaignState.SCHEDULED
    change_campaign(campaign.pk, {"max_attempts": 9}, user=ada, now=NOW)
    with pytest.raises(CampaignNotReady, match="another manager"):
        launch(campaign.pk, now=NOW + timedelta(hours=1))
    asked(campaign, ada)
    assert approve_launch(campaign.pk, user=bob, now=NOW + timedelta(hours=1)).state == CampaignState.RUNNING


def test_an_approved_launch_begins_at_its_time_by_itself(ada, bob) -> None:
    campaign = asked(draft(starts_at=NOW + timedelta(hours=1)), ada)
    approve_launch(campaign.pk, user=bob, now=NOW)
    assert launch(campaign.pk, now=NOW + timedelta(hours=1)).state == CampaignState.RUNNING


def test_what_cannot_be_launched_is_not_asked_for(ada) -> None:
    campaign = draft(calling_window={"timezone": "", "days": {}})
    with pytest.raises(CampaignNotReady) as refusal:
        launch(campaign.pk, now=NOW, user=ada)
    assert not isinstance(refusal.value, ApprovalNeeded)
    campaign.refresh_from_db()
    assert campaign.approval_asked_at is None


def test_a_small_campaign_does_not_grow_large_behind_the_second_pair_of_eyes(ada) -> None:
    campaign = launch(draft(1).pk, now=NOW, user=ada)
    more = make_list(customers=[make_customer() for _ in range(3)])
    with pytest.raises(RecordInUse, match="second person"):
        change_campaign(campaign.pk, {"customer_lists": [more]}, user=ada, now=NOW)
