"""Every model has its pages, they show what they should, and never a secret."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import RequestFactory
from django.urls import reverse

from campaigns.admin.base import RecordAdmin
from campaigns.admin.site import navigation
from campaigns.models import AgentPrompt
from tests.campaigns.admin.conftest import PHONE, TRUNK_TOKEN, WEBHOOK_SECRET

MODELS = sorted(
    (model for model in apps.get_app_config("campaigns").get_models() if not model._meta.auto_created),
    key=lambda model: model.__name__,
)
RECORDS = [model for model in MODELS if isinstance(admin.site._registry.get(model), RecordAdmin)]


SET_UP = [model for model in MODELS if model not in RECORDS and model is not AgentPrompt]


def url(model: type, page: str, *args: object) -> str:
    return reverse(f"admin:campaigns_{model._meta.model_name}_{page}", args=args)  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_list_and_a_page(model, world, admin_client):
    row = world(model)
    listed = admin_client.get(url(model, "changelist"), {"q": "a"} if admin.site._registry[model].search_fields else {})
    shown = admin_client.get(url(model, "changelist"))
    page = admin_client.get(url(model, "change", row.pk))
    assert [listed.status_code, shown.status_code, page.status_code] == [200, 200, 200]
    for answer in (shown, page):
        assert TRUNK_TOKEN not in answer.text
        assert WEBHOOK_SECRET not in answer.text
        assert "d" * 64 not in answer.text


@pytest.mark.parametrize("model", SET_UP)
def test_what_people_set_up_can_be_added(model, world, admin_client):
    assert admin_client.get(url(model, "add")).status_code == 200


@pytest.mark.parametrize("model", RECORDS)
def test_records_are_read_only(model, world, admin_client):
    row = world(model)
    assert admin_client.get(url(model, "add")).status_code == 403
    assert admin_client.post(url(model, "change", row.pk), {}).status_code == 403
    assert admin_client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_the_front_page_shows_the_side_bar(admin_client):
    page = admin_client.get(reverse("admin:index"))
    assert page.status_code == 200
    assert "Webhook endpoints" in page.text


def test_the_side_bar_shows_only_what_a_person_may_see(db):
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_call"))
    request = RequestFactory().get("/admin/")
    request.user = User.objects.get(pk=user.pk)
    sections = navigation(request)
    assert [(section.get("title"), [item["title"] for item in section["items"]]) for section in sections] == [
        (None, ["Start", "Supervisor pages"]),
        ("Results", ["Calls"]),
    ]


def test_nobody_sees_the_admin_without_signing_in(client, world):
    answer = client.get(reverse("admin:campaigns_customer_changelist"))
    assert answer.status_code == 302
    assert PHONE not in answer.text
