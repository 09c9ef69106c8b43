"""The admin's first page: what to do next, what goes on, and what waits; only what the person may see."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from campaigns.admin.start import NEXT_STEPS, PLACES
from campaigns.enums import CampaignState, ContactState, TrunkHold
from campaigns.models import Campaign, Contact, Customer, Trunk
from campaigns.queries.attention import Concern, ConcernKind
from tests.campaigns.admin.conftest import NOW, PHONE


def start(client: Client) -> str:
    answer = client.get(reverse("admin:index"))
    assert answer.status_code == 200
    return str(answer.text)


def person(*permissions: str) -> Client:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_an_empty_platform_is_led_to_its_first_campaign(admin_client, db) -> None:
    page = start(admin_client)
    steps = [step.title for step in NEXT_STEPS if f'<a class="start__link" href="{reverse(step.page)}">' in page]
    assert steps == ["Set up a trunk", "Add an agent", "Upload customers", "Make a campaign"]


def test_what_is_set_up_is_not_asked_for_again(admin_client, trunk, agent, customers) -> None:
    page = start(admin_client)
    steps = [step.title for step in NEXT_STEPS if f'<a class="start__link" href="{reverse(step.page)}">' in page]
    assert steps == ["Make a campaign"]


def test_campaigns_show_how_far_they_are(admin_client, campaign) -> None:
    Campaign.objects.update(state=CampaignState.RUNNING, launched_at=NOW)
    customer = Customer.objects.get()
    Contact.objects.create(campaign=campaign, customer=customer, phone_number=PHONE, state=ContactState.DONE)
    Campaign.objects.create(name="Draft one", trunk=campaign.trunk, agent=campaign.agent)
    page = start(admin_client)
    assert "On the way to the first campaign" not in page
    assert "1 of 1 contacts finished" in page
    assert re.findall(r"/campaign/\d+/change/\">([^<]+)</a><span>([^<]+)", page) == [
        ("Spring survey", "Running"),
        ("Draft one", "Draft"),
    ]


def test_problems_lead_to_where_they_are_solved(admin_client, campaign) -> None:
    assert "No problem that you could solve here." in start(admin_client)
    Trunk.objects.update(hold=TrunkHold.MANUAL)
    page = start(admin_client)
    assert f'href="{reverse("admin:campaigns_trunk_change", args=[campaign.trunk_id])}"' in page
    assert "The trunk “Main” is held" in page


def test_the_page_shows_only_what_a_person_may_see(campaign) -> None:
    Trunk.objects.update(hold=TrunkHold.MANUAL)
    page = start(person("view_call"))
    for hidden in ("Spring survey", "is held", "New campaign", "Upload customers", "/admin/campaigns/campaign/"):
        assert hidden not in page
    assert reverse("overview") in page


@pytest.mark.parametrize("kind", ConcernKind)
def test_every_kind_of_concern_has_its_place(admin_client, kind) -> None:
    """A list that refused its filter would send people on, without it."""
    assert admin_client.get(PLACES[kind].url(Concern(kind, "", ""))).status_code == 200


def test_internal_tables_are_in_the_side_bar_alone(admin_client, world) -> None:
    listed = admin_client.get(reverse("admin:app_list", args=["campaigns"])).text
    main = listed[listed.index('id="main"') :]
    found = {name for name in ("campaign", "attemptlog", "heartbeat", "agentprompt") if f"/campaigns/{name}/" in main}
    assert found == {"campaign"}
    assert "/campaigns/heartbeat/" in listed
