"""The buttons that move a campaign: who may press them, what they do, what they say."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

from campaigns.enums import CampaignState, Role, TrunkHold
from campaigns.models import Campaign, Trunk
from campaigns.states import CampaignAction
from campaigns.tasks.launching import fill_contacts
from tests.factories import NOW, make_campaign, make_customer, make_list, make_trunk, make_user

pytestmark = pytest.mark.django_db


class Broker:
    """Takes messages, or is away."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.is_away = False

    def __call__(self, *, kwargs) -> None:
        if self.is_away:
            raise OperationalError("nobody listens")
        self.sent.append(kwargs)


@pytest.fixture(autouse=True)
def broker(monkeypatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(fill_contacts, "apply_async", broker)
    return broker


def ready_campaign() -> Campaign:
    campaign = make_campaign(state=CampaignState.DRAFT)
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    return campaign


def state_of(campaign: Campaign) -> str:
    return Campaign.objects.get(pk=campaign.pk).state


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("action", ["launch", "pause", "resume", "cancel", "finish", "schedule"])
def test_steps_are_for_those_whose_roles_allow_them(client, role, action):
    client.force_login(make_user(role=role))
    campaign = make_campaign()
    may = {Role.MANAGER: {"launch", "pause", "resume", "cancel"}, Role.SUPERVISOR: {"pause", "resume"}}

    answer = client.post(f"/campaigns/{campaign.pk}/{action}/")

    no_button = action in ("finish", "schedule")
    assert answer.status_code == (404 if no_button else 302 if action in may.get(role, ()) else 403)


def test_another_manager_approves_on_the_page(client, settings, broker):
    settings.APPROVAL_OVER_CONTACTS = 1
    campaign = ready_campaign()
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    path = f"/campaigns/{campaign.pk}/"
    client.force_login(make_user("ada", role=Role.MANAGER))
    client.post(f"{path}launch/")
    assert "Approve and launch" not in client.get(path).text
    client.post(f"{path}approve/")
    assert state_of(campaign) == CampaignState.DRAFT
    client.force_login(make_user("sam", role=Role.SUPERVISOR))
    assert client.post(f"{path}approve/").status_code == 403
    client.force_login(make_user("bob", role=Role.MANAGER))
    assert "Approve and launch" in client.get(path).text
    client.post(f"{path}approve/")
    assert state_of(campaign) == CampaignState.RUNNING
    assert broker.sent == [{"campaign_id": campaign.pk}]


@pytest.mark.parametrize("role", [None, *Role])
def test_the_report_before_a_launch_is_for_managers(client, role):
    client.force_login(make_user(role=role))
    campaign = ready_campaign()
    answer = client.get(f"/campaigns/{campaign.pk}/preflight/")
    assert answer.status_code == (200 if role is Role.MANAGER else 403)
    assert ("Before the launch" in client.get(f"/campaigns/{campaign.pk}/").text) is (role is Role.MANAGER)


@pytest.mark.parametrize("role", [None, *Role])
def test_a_manager_lets_a_held_trunk_dial_again(client, role):
    client.force_login(make_user(role=role))
    campaign = make_campaign(trunk=make_trunk(hold=TrunkHold.BREAKER))
    path = f"/campaigns/{campaign.pk}/"
    is_manager = role is Role.MANAGER
    assert ("Release the trunk" in client.get(path).text) is is_manager
    assert client.post(f"{path}release-trunk/").status_code == (302 if is_manager else 403)
    assert (Trunk.objects.get().hold == TrunkHold.NONE) is is_manager
    assert client.post("/campaigns/0/release-trunk/").status_code == (404 if is_manager else 403)


def test_pause_and_resume_move_the_campaign_and_name_who_did_it(client):
    user = make_user(role=Role.SUPERVISOR)
    client.force_login(user)
    campaign = make_campaign("Autumn")

    answer = client.post(f"/campaigns/{campaign.pk}/pause/", follow=True)
    assert "“Autumn” is paused." in answer.content.decode()
    assert state_of(campaign) == CampaignState.PAUSED
    assert campaign.events.get().user == user

    client.post(f"/campaigns/{campaign.pk}/resume/")
    assert state_of(campaign) == CampaignState.RUNNING


@pytest.mark.parametrize("is_away", [False, True])
def test_launch_stands_with_and_without_a_broker(client, broker, is_away):
    client.force_login(make_user(role=Role.MANAGER))
    broker.is_away = is_away
    campaign = ready_campaign()

    client.post(f"/campaigns/{campaign.pk}/launch/")

    assert state_of(campaign) == CampaignState.RUNNING
    assert broker.sent == ([] if is_away else [{"campaign_id": campaign.pk}])


def test_launch_of_an_unready_campaign_says_what_is_missing(client, broker):
    client.force_login(make_user(role=Role.MANAGER))
    campaign = make_campaign(state=CampaignState.DRAFT)

    answer = client.post(f"/campaigns/{campaign.pk}/launch/", follow=True)

    assert state_of(campaign) == CampaignState.DRAFT
    assert broker.sent == []
    assert len(list(answer.context["messages"])) >= 2


def test_a_step_that_makes_no_sense_changes_nothing_and_says_so(client):
    client.force_login(make_user(role=Role.MANAGER))
    campaign = make_campaign(state=CampaignState.FINISHED)

    answer = client.post(f"/campaigns/{campaign.pk}/pause/", follow=True)

    assert "cannot pause" in answer.content.decode()
    assert state_of(campaign) == CampaignState.FINISHED


def test_buttons_are_those_a_person_may_press(client):
    campaign = make_campaign()
    for username, role, expected in (
        ("max", Role.MANAGER, ["launch", "pause", "resume", "cancel"]),
        ("sam", Role.SUPERVISOR, ["pause", "resume"]),
        ("ivy", Role.INTEGRATOR, []),
    ):
        client.force_login(make_user(username, role=role))
        buttons = client.get(f"/campaigns/{campaign.pk}/").context["buttons"]
        assert [CampaignAction(action) for action, _, _ in buttons] == expected


def test_a_reason_stands_in_the_log(client):
    client.force_login(make_user(role=Role.SUPERVISOR))
    campaign = make_campaign()
    client.post(f"/campaigns/{campaign.pk}/pause/", {"reason": "lunch"})
    assert campaign.events.get().message == "Paused: lunch."


def test_archived_campaigns_have_a_tab_of_their_own(client):
    client.force_login(make_user())
    make_campaign("Last year", state=CampaignState.FINISHED, archived_at=NOW)
    assert "Last year" not in client.get("/campaigns/").text
    assert "Last year" in client.get("/campaigns/?state=archived").text
