"""What the first start makes: groups whose rights in the admin agree with the roles, and the first user and trunk."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from campaigns.admin.site import navigation
from campaigns.enums import CampaignState, Role
from campaigns.models import Campaign, Trunk, WebhookEndpoint
from config.first_start import make_groups, prepare_database
from tests.factories import make_call, make_campaign, make_trunk, make_user

pytestmark = pytest.mark.django_db


def visitor(role: Role, *, is_staff: bool = True) -> Client:
    make_groups()
    client = Client()
    client.force_login(make_user(role=role, is_staff=is_staff))
    return client


def sections(client: Client) -> list[str]:
    request = client.get("/admin/").wsgi_request
    return [item["title"] for section in navigation(request) for item in section["items"]]


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.INTEGRATOR])
def test_who_only_looks_sees_no_secret_in_the_admin(role):
    trunk = make_trunk(token="trunk-token-9876")
    endpoint = WebhookEndpoint.objects.create(url="https://hooks.example.com/x", secret="whsec_very-secret")
    campaign = make_campaign()
    client = visitor(role)
    for row in (trunk, endpoint, campaign):
        page = client.get(reverse(f"admin:campaigns_{row._meta.model_name}_change", args=[row.pk]))
        assert page.status_code == 200
        assert "trunk-token-9876" not in page.content.decode()
        assert "whsec_very-secret" not in page.content.decode()
    assert client.get(reverse("admin:campaigns_apitoken_changelist")).status_code == 403


def test_supervisors_look_into_the_admin_and_pause_on_the_pages():
    campaign = make_campaign(state=CampaignState.RUNNING)
    client = visitor(Role.SUPERVISOR)
    assert "Calls" in sections(client)
    assert not {"API tokens", "Customers", "Contacts", "Call attempts", "Users", "Groups"} & set(sections(client))
    step = reverse("admin:campaigns_campaign_step", args=["pause"])
    assert client.post(f"{step}?ids={campaign.pk}").status_code == 403
    assert client.post(f"/campaigns/{campaign.pk}/pause/").status_code == 302
    assert Campaign.objects.get().state == CampaignState.PAUSED


def test_managers_may_do_everything_in_the_admin_but_make_people():
    client = visitor(Role.MANAGER)
    assert {"API tokens", "Trunks", "Webhook deliveries"} < set(sections(client))
    assert not {"Users", "Groups"} & set(sections(client))
    assert client.get(reverse("admin:campaigns_trunk_add")).status_code == 200
    assert client.get(reverse("admin:auth_user_add")).status_code == 403


@pytest.mark.parametrize(("role", "is_shown"), [(Role.MANAGER, True), (Role.SUPERVISOR, False)])
def test_only_managers_see_numbers_in_full_on_the_pages(role, is_shown):
    call = make_call()
    assert call.attempt is not None
    page = visitor(role).get(f"/calls/{call.pk}/").content.decode()
    assert (call.attempt.phone_number in page) is is_shown


def test_a_role_alone_opens_the_pages_and_not_the_admin():
    client = visitor(Role.SUPERVISOR, is_staff=False)
    assert client.get("/").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_first_start_makes_the_user_the_groups_and_the_trunk_once(settings):
    settings.ADMIN_PASSWORD = "correct horse battery"
    settings.PSR_BASE_URL, settings.PSR_TOKEN = "https://psr.example.com", "t0ken"
    prepare_database()
    Group.objects.get(name=Role.SUPERVISOR).permissions.clear()
    Trunk.objects.update(token="changed since")
    prepare_database()

    admin = User.objects.get()
    assert (admin.username, admin.is_superuser, admin.check_password("correct horse battery")) == ("admin", True, True)
    assert set(Group.objects.values_list("name", flat=True)) == set(Role.values)
    assert not Group.objects.get(name=Role.SUPERVISOR).permissions.exists()
    assert list(Trunk.objects.values_list("name", "token")) == [("default", "changed since")]


def test_the_first_start_makes_its_own_directory(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "not" / "there"
    prepare_database()
    assert settings.DATA_DIR.is_dir()


def test_stopping_is_for_supervisors_too_and_loosening_rules_for_nobody_by_role():
    prepare_database()
    having = {
        name: set(Group.objects.filter(permissions__codename=name).values_list("name", flat=True))
        for name in ("add_dialingstop", "change_dialingstop", "override_rules")
    }
    assert having == {
        "add_dialingstop": {Role.MANAGER, Role.SUPERVISOR},
        "change_dialingstop": {Role.MANAGER},
        "override_rules": set(),
    }
