"""`trunks/`, `agents/` and `suppressed-numbers/`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.enums import ContactState, SuppressionSource, TrunkHold
from campaigns.models import Agent, SuppressedNumber, Trunk
from tests.factories import make_agent, make_campaign, make_contact, make_customer, make_trunk

TRUNKS = "/api/v1/trunks/"
AGENTS = "/api/v1/agents/"
SUPPRESSED = "/api/v1/suppressed-numbers/"


def test_a_trunk_is_created_and_its_token_never_shown(manager):
    answer = manager.post(
        TRUNKS,
        {
            "name": "Main",
            "base_url": "https://psr.example.com/",
            "auth_scheme": "Basic",
            "token": "top-secret",
            "max_concurrent_calls": 20,
            "calls_per_second": 2,
        },
    )
    trunk = Trunk.objects.get()
    assert answer.status_code == 201
    assert (trunk.base_url, trunk.token, trunk.calls_per_second) == ("https://psr.example.com", "top-secret", 2.0)
    shown = manager.get(f"{TRUNKS}{trunk.pk}/")
    assert shown.json() == answer.json()
    assert (shown.json()["has_token"], "token" in shown.json()) == (True, False)
    assert b"top-secret" not in answer.content + shown.content + manager.get(TRUNKS).content


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_url": "ftp://psr.example.com"}, "base_url"),
        ({"base_url": "https://psr.example.com/path"}, "base_url"),
        ({"base_url": "https://user:secret@psr.example.com"}, "base_url"),
        ({"base_url": "psr.example.com"}, "base_url"),
        ({"base_url": "http://[::1"}, "base_url"),
        ({"base_url": 5}, "base_url"),
        ({"auth_scheme": "Digest"}, "auth_scheme"),
        ({"auth_scheme": None}, "auth_scheme"),
        ({"auth_scheme": ["Basic"]}, "auth_scheme"),
        ({"max_concurrent_calls": 0}, "max_concurrent_calls"),
        ({"max_concurrent_calls": "10"}, "max_concurrent_calls"),
        ({"max_concurrent_calls": 1.0}, "max_concurrent_calls"),
        ({"max_concurrent_calls": True}, "max_concurrent_calls"),
        ({"max_concurrent_calls": 2**63}, "max_concurrent_calls"),
        ({"calls_per_second": 0}, "calls_per_second"),
        ({"calls_per_second": "1"}, "calls_per_second"),
        ({"is_enabled": "yes"}, "is_enabled"),
        ({"is_enabled": 1}, "is_enabled"),
        ({"hold": ""}, "hold"),
        ({"bucket_tokens": 5}, "bucket_tokens"),
        ({"token": 5}, "token"),
        ({"token": "Bearer secret"}, "token"),
        ({"token": "mã"}, "token"),
    ],
)
def test_a_trunk_is_refused_with_the_field_at_fault(manager, change, field):
    trunk = make_trunk()
    before = Trunk.objects.values().get()
    answer = manager.patch(f"{TRUNKS}{trunk.pk}/", change)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert Trunk.objects.values().get() == before


@pytest.mark.parametrize(
    ("hold", "change", "after"),
    [
        (TrunkHold.AUTH, {"token": "new"}, TrunkHold.NONE),
        (TrunkHold.REDIRECT, {"base_url": "https://new.example.com"}, TrunkHold.NONE),
        (TrunkHold.AUTH, {"calls_per_second": 5}, TrunkHold.AUTH),
        (TrunkHold.MANUAL, {"token": "new"}, TrunkHold.MANUAL),
    ],
)
def test_a_hold_by_the_switch_ends_when_its_cause_is_changed(manager, hold, change, after):
    trunk = make_trunk(hold=hold, hold_detail="401")
    answer = manager.patch(f"{TRUNKS}{trunk.pk}/", change)
    assert (answer.status_code, answer.json()["hold"]) == (200, after)
    trunk.refresh_from_db()
    assert trunk.hold == after


def test_a_person_releases_a_held_trunk(manager):
    trunk = make_trunk(hold=TrunkHold.MANUAL, hold_detail="tests")
    answer = manager.post(f"{TRUNKS}{trunk.pk}/release/")
    assert (answer.status_code, answer.json()["hold"], answer.json()["hold_detail"]) == (200, "", "")


def test_a_trunk_that_is_used_cannot_be_deleted(manager):
    trunk = make_campaign().trunk
    answer = manager.delete(f"{TRUNKS}{trunk.pk}/")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")


def test_a_trunk_nobody_uses_can_be_deleted(manager):
    assert manager.delete(f"{TRUNKS}{make_trunk().pk}/").status_code == 204
    assert Trunk.objects.count() == 0


def test_an_agent_gets_a_new_version_when_it_will_speak_differently(manager):
    made = manager.post(AGENTS, {"name": "Survey", "kind": "scripted", "config": {"script": "customer_survey"}}).json()
    path = f"{AGENTS}{made['id']}/"
    versions = [
        manager.patch(path, change).json()["version"]
        for change in ({"name": "Survey 2"}, {"config": {"extension": "101"}}, {"config": {"extension": "101"}}, {})
    ]
    assert (made["version"], versions) == (1, [1, 2, 2, 2])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "A", "kind": "parrot"}, ["kind"]),
        ({"name": "A", "config": "{}"}, ["config"]),
        ({"name": "A", "config": {"text": "a\u0000b"}}, ["config"]),
        ({"name": "A", "config": {"list": [{"deep": "\u0007"}]}}, ["config"]),
        ({"name": "A", "config": {"script": "none such"}}, ["config"]),
        ({"name": "A", "kind": "echo", "config": {"delay_ms": -1}}, ["config"]),
        ({"name": "A", "version": 7}, ["version"]),
        ({"name": ""}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
    ],
)
def test_an_agent_is_refused_with_the_field_at_fault(manager, body, fields):
    answer = manager.post(AGENTS, body)
    assert (answer.status_code, list(answer.json()["errors"]), Agent.objects.count()) == (422, fields, 0)


def test_a_realtime_agent_needs_instructions_and_the_installations_key(manager, settings):
    body = {"name": "A", "kind": "openai_realtime", "config": {"instructions": "Ask {{ name }} how they are."}}
    assert manager.post(AGENTS, body).json()["errors"]["config"][0].startswith("OPENAI_API_KEY is not set")
    settings.OPENAI_API_KEY = "sk-1"
    told = manager.post(AGENTS, body | {"config": {"api_key": "sk-1"}}).json()["errors"]["config"]
    assert told == ["api_key: secrets do not belong here; set OPENAI_API_KEY in the environment or .env"]
    assert manager.post(AGENTS, body).status_code == 201


def test_an_agent_of_a_campaign_cannot_be_deleted(manager):
    agent = make_campaign().agent
    assert manager.delete(f"{AGENTS}{agent.pk}/").json()["code"] == "in_use"


def test_an_agent_nobody_uses_can_be_deleted(manager):
    assert manager.delete(f"{AGENTS}{make_agent().pk}/").status_code == 204


def test_a_suppressed_number_blocks_waiting_contacts_at_once(integrator):
    contact = make_contact(customer=make_customer("+84912345678"))
    answer = integrator.post(SUPPRESSED, {"phone_number": "0912345678", "reason": "asked by e-mail"})
    contact.refresh_from_db()
    assert (answer.status_code, answer.json()["source"], answer.json()["reason"]) == (201, "api", "asked by e-mail")
    assert contact.state == ContactState.BLOCKED


def test_suppressing_a_number_twice_keeps_the_stricter_expiry(integrator):
    integrator.post(SUPPRESSED, {"phone_number": "0912345678"})
    answer = integrator.post(SUPPRESSED, {"phone_number": "+84912345678", "expires_at": "2030-01-01T00:00:00+07:00"})
    assert (answer.status_code, answer.json()["expires_at"], SuppressedNumber.objects.count()) == (201, None, 1)


@pytest.mark.parametrize(
    "moment", ["2030-01-01", "2030-01-01T00:00:00", "2030-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "soon", 5, True]
)
def test_an_expiry_needs_a_date_that_exists_and_a_zone(integrator, moment):
    answer = integrator.post(SUPPRESSED, {"phone_number": "0912345678", "expires_at": moment})
    assert (answer.status_code, answer.json()["code"], list(answer.json()["errors"])) == (
        422,
        "bad_datetime",
        ["expires_at"],
    )


def test_a_manager_changes_and_lifts_a_suppression(manager):
    entry = SuppressedNumber.objects.create(phone_number="+84912345678", source=SuppressionSource.IMPORT)
    path = f"{SUPPRESSED}{entry.pk}/"
    changed = manager.patch(path, {"reason": "until spring", "expires_at": "2030-03-01T00:00:00Z"})
    entry.refresh_from_db()
    assert (changed.status_code, entry.reason, entry.expires_at) == (
        200,
        "until spring",
        datetime(2030, 3, 1, tzinfo=UTC),
    )
    assert (manager.delete(path).status_code, SuppressedNumber.objects.count()) == (204, 0)


def test_a_suppression_keeps_its_number(manager):
    entry = SuppressedNumber.objects.create(phone_number="+84912345678")
    answer = manager.patch(f"{SUPPRESSED}{entry.pk}/", {"phone_number": "0987654321"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")


def test_many_numbers_are_suppressed_and_the_bad_ones_named(integrator):
    answer = integrator.post(
        f"{SUPPRESSED}bulk/",
        {"phone_numbers": ["0912345678", "nonsense", "+84912345678", "0987654321"], "reason": "list"},
    )
    assert answer.status_code == 200
    assert (answer.json()["accepted"], [(row["index"], row["code"]) for row in answer.json()["rejected"]]) == (
        2,
        [(1, "bad_phone")],
    )
    assert set(SuppressedNumber.objects.values_list("phone_number", "reason")) == {
        ("+84912345678", "list"),
        ("+84987654321", "list"),
    }


@pytest.mark.parametrize("numbers", [[], ["1"] * 1001, "0912345678", [84912345678], None, {}])
def test_a_bulk_is_refused_as_a_whole_when_it_is_no_list_of_texts(integrator, numbers):
    answer = integrator.post(f"{SUPPRESSED}bulk/", {"phone_numbers": numbers})
    assert (answer.status_code, SuppressedNumber.objects.count()) == (422, 0)
