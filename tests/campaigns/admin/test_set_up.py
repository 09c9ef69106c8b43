"""Trunks, agents, customers, do-not-call, tokens and endpoints: what people enter, and what is never shown again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.enums import ContactState, TrunkHold
from campaigns.models import (
    Agent,
    AgentPrompt,
    ApiToken,
    Contact,
    Customer,
    CustomerList,
    SuppressedNumber,
    Trunk,
    WebhookDelivery,
    WebhookEndpoint,
)
from campaigns.policies.webhook_messages import new_secret
from campaigns.services.access import authenticate
from telephony.protocols.wav import build_wav
from tests.campaigns.admin.conftest import NOW, PHONE, TRUNK_TOKEN

SECOND = b"\0\0" * 8000


def add(model: str) -> str:
    return reverse(f"admin:campaigns_{model}_add")


def change(row) -> str:
    return reverse(f"admin:campaigns_{row._meta.model_name}_change", args=[row.pk])


def trunk_form(**fields) -> dict[str, object]:
    return {
        "name": "Main",
        "base_url": "https://psr.example.com",
        "auth_scheme": "Bearer",
        "token": "",
        "dial_format": "national",
        "max_concurrent_calls": 10,
        "calls_per_second": 2,
        "is_enabled": "on",
    } | fields


def test_a_trunks_token_goes_in_and_never_comes_out(admin_client, db):
    admin_client.post(add("trunk"), trunk_form(token=TRUNK_TOKEN))
    trunk = Trunk.objects.get()
    assert trunk.token == TRUNK_TOKEN
    page = admin_client.get(change(trunk))
    assert TRUNK_TOKEN not in page.text
    assert re.search(r">\s*set\s*<", page.text)


@pytest.mark.parametrize(("entered", "kept"), [("", TRUNK_TOKEN), ("another", "another")])
def test_an_empty_token_field_keeps_the_token(admin_client, trunk, entered, kept):
    admin_client.post(change(trunk), trunk_form(token=entered, name="Renamed"))
    trunk.refresh_from_db()
    assert (trunk.name, trunk.token) == ("Renamed", kept)


def test_a_token_that_cannot_be_sent_is_refused(admin_client, trunk):
    answer = admin_client.post(change(trunk), trunk_form(token="Bearer another"))
    assert "Enter the token alone" in answer.text
    trunk.refresh_from_db()
    assert trunk.token == TRUNK_TOKEN


def test_a_new_token_ends_the_hold_its_old_one_caused(admin_client, trunk):
    Trunk.objects.update(hold=TrunkHold.AUTH)
    admin_client.post(change(trunk), trunk_form(token="another"))
    assert Trunk.objects.get().hold == TrunkHold.NONE


def test_trunks_are_held_and_released_from_the_list(admin_client, trunk):
    holds = []
    for action in ("hold_by_hand", "release_holds"):
        chosen = {"action": action, "_selected_action": [trunk.pk]}
        admin_client.post(reverse("admin:campaigns_trunk_changelist"), chosen)
        holds.append(Trunk.objects.get().hold)
    assert holds == [TrunkHold.MANUAL, TrunkHold.NONE]


def agent_form(*prompts: Mapping[str, object], **fields: object) -> dict[str, object]:
    form: dict[str, object] = {"name": "Survey", "kind": "scripted", "config": "{}"} | fields
    form |= {"prompts-TOTAL_FORMS": len(prompts), "prompts-INITIAL_FORMS": 0}
    return form | {f"prompts-{at}-{key}": value for at, prompt in enumerate(prompts) for key, value in prompt.items()}


def recording(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("greeting.wav", data, "audio/wav")


def test_an_agent_is_made_with_its_prompt(admin_client, db, data_dir: Path):
    wav = build_wav(SECOND, 8000)
    prompt = {"name": "greeting", "text": "Hello", "recording": recording(wav)}
    assert admin_client.post(add("agent"), agent_form(prompt)).status_code == 302
    kept = AgentPrompt.objects.get()
    assert re.fullmatch(r"[0-9a-f]{32}\.wav", kept.path)
    assert (data_dir / "prompts" / kept.path).read_bytes() == wav


def test_an_agents_version_rises_with_its_configuration(admin_client, agent):
    versions = []
    for fields in ({"name": "Renamed"}, {"name": "Renamed", "config": '{"extension": "101"}'}):
        admin_client.post(change(agent), agent_form(**fields))
        versions.append(Agent.objects.get().version)
    assert versions == [1, 2]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"ID3 not a wav", "cannot be read"),
        (build_wav(SECOND * 2, 8000, channels=2), "mono"),
        (build_wav(SECOND * 61, 8000), "lasts 61 s"),
        (build_wav(b"", 8000), "empty"),
        (build_wav(SECOND, 4000), "4000 Hz"),
        (None, "Choose a WAV file"),
    ],
)
def test_a_recording_that_cannot_be_played_is_refused(admin_client, agent, data_dir: Path, data, text):
    prompt: dict[str, object] = {"name": "greeting", "text": "Hello"}
    if data is not None:
        prompt["recording"] = recording(data)
    answer = admin_client.post(change(agent), agent_form(prompt))
    assert answer.status_code == 200
    assert text in answer.text
    assert not AgentPrompt.objects.exists()
    assert not (data_dir / "prompts").exists()


@pytest.mark.parametrize(
    "config", ["[1, 2]", "not json", '"text"', '{"script": "none such"}', '{"a": "' + "x" * 70_000 + '"}']
)
def test_a_configuration_that_is_no_object_is_refused(admin_client, agent, config):
    answer = admin_client.post(change(agent), agent_form(config=config))
    assert (answer.status_code, Agent.objects.get().config) == (200, {})


def test_a_customer_is_entered_as_people_write_numbers(admin_client, db):
    form = {"phone_number": "0912 345 678", "name": "An", "timezone": "", "attributes": "{}"}
    form |= {"entries-TOTAL_FORMS": "0", "entries-INITIAL_FORMS": "0"}
    assert admin_client.post(add("customer"), form).status_code == 302
    assert Customer.objects.get().phone_number == PHONE
    for wrong in ({"phone_number": "12"}, {"timezone": "Mars/Base"}, {}):
        assert admin_client.post(add("customer"), form | wrong).status_code == 200
    assert Customer.objects.count() == 1


def test_a_list_that_a_campaign_names_stays(admin_client, campaign, customers):
    delete = reverse("admin:campaigns_customerlist_delete", args=[customers.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    campaign.customer_lists.clear()
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert not CustomerList.objects.exists()


def test_suppressing_a_number_blocks_the_contacts_that_wait_on_it(admin_client, campaign, customers):
    contact = Contact.objects.create(
        campaign=campaign, customer=Customer.objects.get(), phone_number=PHONE, next_attempt_at=NOW
    )
    form = {"phone_number": "0912345678", "reason": "asked", "source": "manual", "expires_at_0": "", "expires_at_1": ""}
    assert admin_client.post(add("suppressednumber"), form).status_code == 302
    contact.refresh_from_db()
    assert (SuppressedNumber.objects.get().phone_number, contact.state) == (PHONE, ContactState.BLOCKED)


def test_an_api_token_is_shown_once(admin_client, admin_user):
    shown = admin_client.post(add("apitoken"), {"user": admin_user.pk, "role": "integrator", "name": "CRM"})
    plain = re.search(r"data-secret>([^<]+)<", shown.text)
    assert plain
    token = authenticate(plain[1], NOW)
    assert token is not None
    assert (token.user, token.role, token.name) == (admin_user, "integrator", "CRM")
    assert "no-store" in shown["Cache-Control"]
    assert plain[1] not in admin_client.get(reverse("admin:campaigns_apitoken_changelist")).text
    chosen = {"action": "revoke", "_selected_action": [token.pk]}
    admin_client.post(reverse("admin:campaigns_apitoken_changelist"), chosen)
    assert ApiToken.objects.get().revoked_at is not None
    assert authenticate(plain[1], NOW) is None


def test_a_webhook_secret_is_shown_once_and_again_when_it_is_new(admin_client, db):
    form = {"url": "https://hooks.example.com/x", "description": "", "events": ["call.ended"], "is_enabled": "on"}
    shown = admin_client.post(add("webhookendpoint"), form)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.events, endpoint.secret in shown.text) == (["call.ended"], True)
    assert endpoint.secret not in admin_client.get(change(endpoint)).text
    rotate = reverse("admin:campaigns_webhookendpoint_rotate_secret", args=[endpoint.pk])
    assert "24 hours" in admin_client.get(rotate).text
    assert WebhookEndpoint.objects.get().secret == endpoint.secret
    again = admin_client.post(rotate)
    renewed = WebhookEndpoint.objects.get()
    assert renewed.secret != endpoint.secret
    assert renewed.secret in again.text


def test_a_test_event_is_sent_only_after_asking(admin_client, db):
    endpoint = WebhookEndpoint.objects.create(url="https://hooks.example.com/x", secret=new_secret())
    send = reverse("admin:campaigns_webhookendpoint_send_test", args=[endpoint.pk])
    assert "https://hooks.example.com/x" in admin_client.get(send).text
    assert not WebhookDelivery.objects.exists()
    assert admin_client.post(send).status_code == 302
    assert WebhookDelivery.objects.get().event.type == "webhook.test"


@pytest.mark.parametrize("step", ["send_test", "rotate_secret"])
def test_steps_of_an_endpoint_that_is_not_there_are_404(admin_client, db, step):
    address = reverse(f"admin:campaigns_webhookendpoint_{step}", args=[1])
    assert [admin_client.get(address).status_code, admin_client.post(address).status_code] == [404, 404]


def test_an_endpoint_that_must_not_be_called_is_refused(admin_client, db):
    form = {"url": "https://127.0.0.1/x", "description": "", "events": [], "is_enabled": "on"}
    answer = admin_client.post(add("webhookendpoint"), form)
    assert (answer.status_code, WebhookEndpoint.objects.count()) == (200, 0)


@pytest.mark.parametrize("model", [CustomerList, WebhookEndpoint])
def test_records_go_with_what_they_belong_to(admin_client, world, campaign, model):
    campaign.customer_lists.clear()
    row = world(model)
    delete = reverse(f"admin:campaigns_{model._meta.model_name}_delete", args=[row.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert not model.objects.exists()


def test_a_customer_somebody_called_stays(admin_client, world):
    delete = reverse("admin:campaigns_customer_delete", args=[world(Customer).pk])
    answer = admin_client.post(delete, {"post": "yes"})
    assert (answer.status_code, Customer.objects.count()) == (200, 1)
