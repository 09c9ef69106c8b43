"""Other lists for a campaign that runs: who goes, who comes, who comes back, and who is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome
from campaigns.errors import RecordInUse
from campaigns.models import Campaign, CampaignEvent, Contact, Customer, CustomerList
from campaigns.queries.dialing import unfilled_campaign_ids
from campaigns.services.attempts import end_attempt
from campaigns.services.campaign_lists import follow_lists_block
from campaigns.services.definitions import change_campaign
from campaigns.tasks.launching import fill_contacts
from tests.factories import NOW, make_attempt, make_campaign, make_contact, make_customer, make_list, make_user

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def customers() -> list[Customer]:
    return [make_customer() for _ in range(6)]


def running(*lists: CustomerList, **fields) -> Campaign:
    """A running campaign with a contact of every customer on its lists."""
    campaign = make_campaign(contacts_filled_at=NOW, **fields)
    campaign.customer_lists.set(lists)
    for customer in Customer.objects.filter(lists__in=lists).distinct().order_by("pk"):
        make_contact(campaign, customer=customer)
    return campaign


def change(campaign: Campaign, *lists: CustomerList) -> Campaign:
    return change_campaign(campaign.pk, {"customer_lists": lists}, user=None, now=NOW)


def follow(campaign: Campaign, limit: int = 2) -> None:
    while follow_lists_block(campaign.pk, now=LATER, limit=limit):
        pass


def states(campaign: Campaign) -> list[str]:
    return list(Contact.objects.filter(campaign=campaign).order_by("customer_id").values_list("state", flat=True))


def test_who_is_on_no_list_any_more_goes_and_who_is_new_comes(customers) -> None:
    old, kept = make_list(customers=customers[:3]), make_list(customers=customers[2:4])
    campaign = running(old, kept)
    change(campaign, kept, make_list(customers=customers[3:]))
    fill_contacts(campaign_id=campaign.pk)
    assert states(campaign) == ["canceled", "canceled", "pending", "pending", "pending", "pending"]
    gone = Contact.objects.get(customer=customers[0])
    assert (gone.state_reason, gone.next_attempt_at) == ("list_removed", None)
    campaign.refresh_from_db()
    assert (campaign.lists_followed_to, campaign.contacts_filled_at is None) == (None, False)
    assert set(CampaignEvent.objects.values_list("kind", flat=True)) == {"changed", "lists_followed", "contacts_filled"}


def test_who_is_called_or_was_is_left_alone_and_not_called_again(customers) -> None:
    campaign = running(make_list(customers=customers[:3]))
    for customer, state in zip(
        customers, (ContactState.DIALING, ContactState.DONE, ContactState.EXHAUSTED), strict=False
    ):
        Contact.objects.filter(customer=customer).update(state=state, next_attempt_at=None)
    attempt = make_attempt(Contact.objects.get(customer=customers[0]), state=AttemptState.PLACED)
    change(campaign, make_list(customers=customers[5:]))
    follow(campaign)
    assert states(campaign) == ["dialing", "done", "exhausted"]
    end_attempt(attempt.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=LATER)
    left = Contact.objects.get(customer=customers[0])
    assert (left.state, left.state_reason, left.attempts_made) == (ContactState.CANCELED, "list_removed", 1)


def test_who_comes_back_with_a_list_waits_again(customers) -> None:
    first, second = make_list(customers=customers[:2]), make_list(customers=customers[2:3])
    campaign = running(first, second)
    Contact.objects.filter(customer=customers[1]).update(state=ContactState.DIALING, next_attempt_at=None)
    change(campaign, second)
    follow(campaign)
    assert states(campaign) == ["canceled", "dialing", "pending"]
    change(campaign, first, second)
    follow(campaign)
    assert states(campaign) == ["pending", "dialing", "pending"]
    assert set(Contact.objects.values_list("state_reason", flat=True)) == {""}
    assert Contact.objects.get(customer=customers[0]).next_attempt_at == LATER


def test_a_walk_that_died_goes_on_and_a_further_change_begins_anew(customers) -> None:
    first, second = make_list(customers=customers[:4]), make_list(customers=customers[4:])
    campaign = running(first)
    change(campaign, second)
    assert follow_lists_block(campaign.pk, now=NOW, limit=3) is True
    assert unfilled_campaign_ids(LATER) == [campaign.pk]
    assert states(campaign) == ["canceled"] * 3 + ["pending"]
    assert change(campaign, first).lists_followed_to == 0
    follow(campaign)
    assert states(campaign) == ["pending"] * 4


def test_a_campaign_that_is_over_is_not_walked(customers) -> None:
    campaign = running(make_list(customers=customers[:1]))
    change(campaign, make_list(customers=customers[1:]))
    Campaign.objects.update(state=CampaignState.CANCELED)
    assert follow_lists_block(campaign.pk, now=NOW) is False
    assert states(campaign) == ["pending"]


@pytest.mark.parametrize(
    ("lists", "fault"),
    [(0, "Choose at least one customer list."), (1, "The chosen lists are empty. Import customers first.")],
)
def test_lists_it_could_not_go_on_with_are_refused(customers, lists, fault) -> None:
    campaign = running(make_list(customers=customers[:1]))
    with pytest.raises(RecordInUse) as refused:
        change(campaign, *(make_list() for _ in range(lists)))
    assert refused.value.errors == {"customer_lists": [fault]}
    assert campaign.customer_lists.count() == 1


def test_a_draft_takes_any_lists() -> None:
    campaign = make_campaign(state=CampaignState.DRAFT)
    assert change(campaign, make_list()).lists_followed_to is None


def test_every_change_stands_in_the_log_with_before_and_after(customers) -> None:
    old, new, user = make_list(customers=customers[:1]), make_list(customers=customers[1:2]), make_user()
    campaign = running(old, calls_per_second=1.0)
    values = {"customer_lists": [new], "calls_per_second": 2.5, "cadence": {}, "max_attempts": campaign.max_attempts}
    change_campaign(campaign.pk, values, user=user, now=NOW)
    event = CampaignEvent.objects.get()
    assert (event.user, event.message) == (user, "Changed customer lists; calls per second from 1.0 to 2.5; cadence.")
    assert event.details["changes"]["customer_lists"] == {"before": [old.pk], "after": [new.pk]}
    assert event.details["changes"].keys() == {"customer_lists", "calls_per_second", "cadence"}
    change_campaign(campaign.pk, {"calls_per_second": 2.5}, user=user, now=NOW)
    assert CampaignEvent.objects.count() == 1
