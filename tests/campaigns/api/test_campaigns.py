"""`campaigns/`: drafts, their life, their numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.enums import CampaignState, ContactState, Outcome
from campaigns.models import BridgeNode, CallAttempt, Campaign, CampaignEvent, Contact, Heartbeat, Trunk
from campaigns.tasks.dialing import place_call
from campaigns.tasks.launching import fill_contacts
from tests.factories import (
    make_agent,
    make_attempt,
    make_campaign,
    make_contact,
    make_customer,
    make_list,
    make_trunk,
)

CAMPAIGNS = "/api/v1/campaigns/"
ALWAYS = {
    "timezone": "",
    "days": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}


def draft(**fields) -> dict:
    return {
        "name": "Survey",
        "customer_lists": [make_list().pk],
        "agent": make_agent().pk,
        "trunk": make_trunk().pk,
    } | fields


def ready_campaign(**fields) -> Campaign:
    """A draft with one customer on its list."""
    campaign = make_campaign(state=CampaignState.DRAFT, calling_window=ALWAYS, **fields)
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    return campaign


def path(campaign: Campaign, action: str = "") -> str:
    return f"{CAMPAIGNS}{campaign.pk}/{action}"


def test_a_draft_is_created_with_its_defaults(manager):
    answer = manager.post(CAMPAIGNS, draft(parameter_template={"name": "{{ customer.name }}"}, holidays="vn"))
    campaign = Campaign.objects.get()
    assert campaign.holidays == "VN"
    shown = answer.json()
    assert (answer.status_code, shown["id"], shown["state"], shown["app"]) == (201, campaign.pk, "draft", "bot")
    assert shown["customer_lists"] == list(campaign.customer_lists.values_list("pk", flat=True))
    assert shown["parameter_template"] == {"name": "{{ customer.name }}"}
    assert (shown["cadence"], shown["calling_window"]) == (campaign.cadence, campaign.calling_window)
    assert campaign.created_by is not None
    assert campaign.created_by.username == "api-manager"
    assert manager.get(path(campaign)).json() == shown


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"agent": 0}, ["agent"]),
        ({"agent": "1"}, ["agent"]),
        ({"agent": 2**63}, ["agent"]),
        ({"agent": None}, ["agent"]),
        ({"customer_lists": [0]}, ["customer_lists"]),
        ({"customer_lists": 1}, ["customer_lists"]),
        ({"customer_lists": [True]}, ["customer_lists"]),
        ({"app": "robot"}, ["app"]),
        ({"channel": "mono_c"}, ["channel"]),
        ({"extension": "12345678"}, ["extension"]),
        ({"extension": "1"}, ["extension"]),
        ({"extension": None}, ["extension"]),
        ({"extensions": ["101", "1"]}, ["extensions"]),
        ({"extensions": "101"}, ["extensions"]),
        ({"extensions": [str(number) for number in range(100, 201)]}, ["extensions"]),
        ({"audio_file": "../../etc/passwd"}, ["audio_file"]),
        ({"audio_file": "/etc/hello.wav"}, ["audio_file"]),
        ({"max_concurrent_calls": 0}, ["max_concurrent_calls"]),
        ({"calls_per_second": -1}, ["calls_per_second"]),
        ({"max_attempts": 21}, ["max_attempts"]),
        ({"ring_timeout_s": 301}, ["ring_timeout_s"]),
        ({"priority": 40_000}, ["priority"]),
        ({"cadence": {"waits": []}}, ["cadence"]),
        ({"cadence": {"waits_s": {"busy": ["soon"]}}}, ["cadence"]),
        ({"cadence": {"rules": [{"outcome": "answered", "waits": [60]}]}}, ["cadence"]),
        ({"cadence": {"rules": [{"waits": ["next_week"]}]}}, ["cadence"]),
        ({"calling_window": {"days": {"monday": []}}}, ["calling_window"]),
        ({"calling_window": {"timezone": "Mars/Base"}}, ["calling_window"]),
        ({"holidays": "Mars"}, ["holidays"]),
        ({"parameter_template": {"name": "{{ customer.shoe_size }}"}}, ["parameter_template"]),
        ({"parameter_template": {"name": "{{ customer.name "}}, ["parameter_template"]),
        ({"starts_at": "2026-12-01T08:00:00"}, ["starts_at"]),
        ({"state": "running"}, ["state"]),
        ({"name": "Survey\u0000"}, ["name"]),
    ],
)
def test_a_draft_is_refused_with_the_field_at_fault(manager, fields, at_fault):
    answer = manager.post(CAMPAIGNS, draft(**fields))
    assert (answer.status_code, list(answer.json()["errors"]), Campaign.objects.count()) == (422, at_fault, 0)


def test_a_draft_can_be_changed_as_a_whole(manager):
    campaign, other = make_campaign(state=CampaignState.DRAFT), make_list()
    answer = manager.patch(path(campaign), {"customer_lists": [other.pk], "app": "dial", "extension": "200"})
    assert (answer.status_code, answer.json()["customer_lists"], answer.json()["extension"]) == (200, [other.pk], "200")


def test_extensions_are_a_pool_and_extension_the_short_way_to_write_one(manager):
    created = manager.post(CAMPAIGNS, draft(app="dial", extensions=["102", "101", "102"])).json()
    assert (created["extensions"], created["extension"]) == (["102", "101"], "102")
    campaign = Campaign.objects.get()
    for given, extensions in (("103", ["103"]), ("", [])):
        changed = manager.patch(path(campaign), {"extension": given}).json()
        assert (changed["extensions"], changed["extension"]) == (extensions, given)
    refused = manager.patch(path(campaign), {"extension": "101", "extensions": ["101"]})
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["extension"])


def test_people_come_and_go_while_the_campaign_runs(manager):
    campaign = make_campaign(app="dial", extensions=["101", "102"])
    answer = manager.patch(path(campaign), {"extensions": ["102", "103"]})
    assert (answer.status_code, answer.json()["extensions"]) == (200, ["102", "103"])
    event = CampaignEvent.objects.get()
    assert (event.message, event.details["changes"]["extensions"]["before"]) == (
        "Changed extensions.",
        ["101", "102"],
    )
    copy = manager.post(path(campaign, "clone/"), {"name": "Again"}).json()
    assert copy["extensions"] == ["102", "103"]


def test_a_running_campaign_changes_its_pace_but_not_its_agent(manager):
    campaign = make_campaign(calls_per_second=1.0)
    assert manager.patch(path(campaign), {"calls_per_second": 3}).json()["calls_per_second"] == 3.0
    refused = manager.patch(path(campaign), {"agent": make_agent("Other").pk, "calls_per_second": 9})
    campaign.refresh_from_db()
    assert (refused.status_code, refused.json()["code"], list(refused.json()["errors"])) == (409, "in_use", ["agent"])
    assert campaign.calls_per_second == 3.0


def test_a_campaign_that_is_over_only_changes_its_name(manager):
    campaign = make_campaign(state=CampaignState.FINISHED)
    assert manager.patch(path(campaign), {"name": "Old survey"}).json()["name"] == "Old survey"
    assert manager.patch(path(campaign), {"calls_per_second": 2}).status_code == 409


def test_a_running_campaign_takes_other_lists(manager, django_capture_on_commit_callbacks):
    campaign, other = make_campaign(contacts_filled_at=timezone.now()), make_list(customers=[make_customer()])
    with django_capture_on_commit_callbacks() as sent:
        answer = manager.patch(path(campaign), {"customer_lists": [other.pk]})
    assert (answer.status_code, answer.json()["customer_lists"], len(sent)) == (200, [other.pk], 1)
    refused = manager.patch(path(campaign), {"customer_lists": [make_list().pk]})
    assert (refused.status_code, list(refused.json()["errors"])) == (409, ["customer_lists"])


def test_commands_and_changes_stand_in_the_log(manager, supervisor):
    campaign = make_campaign()
    supervisor.post(path(campaign, "pause/"), {"reason": "lunch"})
    manager.patch(path(campaign), {"priority": 3})
    last, first = manager.get(path(campaign, "log/")).json()["results"]
    assert (first["kind"], first["message"], first["user"]) == ("pause", "Paused: lunch.", "api-supervisor")
    assert last["details"] == {"changes": {"priority": {"before": 0, "after": 3}}}
    assert manager.post(path(campaign, "resume/"), {"reason": "x" * 201}).status_code == 422


def test_archived_campaigns_are_listed_only_when_asked_for(manager):
    campaign = make_campaign(state=CampaignState.FINISHED)
    assert manager.post(path(make_campaign(), "archive/")).status_code == 409
    assert manager.post(path(campaign, "archive/")).json()["archived_at"] is not None

    def listed(**query) -> list[int]:
        return [row["id"] for row in manager.get(CAMPAIGNS, query).json()["results"]]

    assert (campaign.pk in listed(), listed(is_archived="true")) == (False, [campaign.pk])
    assert manager.get(path(campaign)).status_code == 200
    assert manager.post(path(campaign, "unarchive/")).json()["archived_at"] is None
    assert campaign.pk in listed()


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (CampaignState.DRAFT, 204),
        (CampaignState.SCHEDULED, 204),
        (CampaignState.RUNNING, 409),
        (CampaignState.FINISHED, 409),
    ],
)
def test_only_a_campaign_never_launched_can_be_deleted(manager, state, status):
    campaign = make_campaign(state=state)
    assert manager.delete(path(campaign)).status_code == status
    assert Campaign.objects.exists() is (status != 204)


def test_a_campaign_is_launched_paused_resumed_and_canceled(manager, django_capture_on_commit_callbacks):
    campaign = ready_campaign()
    with django_capture_on_commit_callbacks() as sent:
        launched = manager.post(path(campaign, "launch/"))
    assert (launched.status_code, launched.json()["state"], len(sent)) == (200, "running", 1)
    fill_contacts(campaign_id=campaign.pk)
    steps = [manager.post(path(campaign, f"{step}/")).json()["state"] for step in ("pause", "resume", "cancel")]
    assert steps == ["paused", "running", "canceled"]
    assert list(Contact.objects.values_list("state", flat=True)) == [ContactState.CANCELED]
    users = CampaignEvent.objects.filter(campaign=campaign, user__isnull=False).values_list("user__username", flat=True)
    assert set(users) == {"api-manager"}


def test_a_campaign_with_a_later_start_is_scheduled_and_not_filled(manager, django_capture_on_commit_callbacks):
    campaign = ready_campaign(starts_at=timezone.now() + timedelta(days=1))
    with django_capture_on_commit_callbacks() as sent:
        answer = manager.post(path(campaign, "launch/"))
    assert (answer.json()["state"], sent) == ("scheduled", [])


def test_a_launch_is_refused_with_every_reason(manager):
    campaign = make_campaign(state=CampaignState.DRAFT, app="dial", trunk=make_trunk(token=""))
    answer = manager.post(path(campaign, "launch/"))
    assert (answer.status_code, answer.json()["code"]) == (422, "campaign_not_ready")
    assert sorted(answer.json()["errors"]) == ["customer_lists", "extension", "trunk"]
    assert manager.get(path(campaign)).json()["state"] == "draft"


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (CampaignState.RUNNING, "launch"),
        (CampaignState.DRAFT, "pause"),
        (CampaignState.RUNNING, "resume"),
        (CampaignState.FINISHED, "cancel"),
        (CampaignState.CANCELED, "launch"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(manager, state, step):
    campaign = make_campaign(state=state)
    answer = manager.post(path(campaign, f"{step}/"))
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"]) == (409, "bad_transition", {})
    assert manager.get(path(campaign)).json()["state"] == state


def test_a_clone_is_a_draft_under_another_name(manager):
    campaign = make_campaign("Survey", calls_per_second=4)
    campaign.customer_lists.add(make_list())
    answer = manager.post(path(campaign, "clone/"), {"name": "Survey 2"})
    assert (answer.status_code, answer.json()["state"], answer.json()["calls_per_second"]) == (201, "draft", 4.0)
    assert answer.json()["customer_lists"] == list(campaign.customer_lists.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "required"),
        ({"name": ""}, 422, "blank"),
        ({"name": "Survey"}, 409, "conflict"),
        ({"title": "x"}, 422, "unknown_field"),
    ],
)
def test_a_clone_needs_a_free_name(manager, body, status, code):
    answer = manager.post(path(make_campaign("Survey"), "clone/"), body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_test_call_is_on_its_way(manager, monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr(place_call, "apply_async", lambda *, kwargs: sent.append(kwargs))
    BridgeNode.objects.create(name="b1", capacity=1, seen_at=timezone.now() + timedelta(hours=1))
    Heartbeat.objects.create(name="dial", at=timezone.now())
    campaign = make_campaign(state=CampaignState.DRAFT)
    body = {"phone_number": "0912345678", "name": "Ada", "attributes": {"plan": "Gold"}}
    with django_capture_on_commit_callbacks(execute=True):
        answer = manager.post(path(campaign, "test-call/"), body)
    attempt = CallAttempt.objects.get()
    assert (answer.status_code, answer.json()) == (202, {"attempt": str(attempt.pk)})
    assert sent == [{"attempt_id": str(attempt.pk), "fence": attempt.fence, "start_in_s": 0.0}]
    assert (attempt.contact.name, attempt.contact.attributes) == ("Ada", {"plan": "Gold"})
    Trunk.objects.update(is_enabled=False)
    refused = manager.post(path(campaign, "test-call/"), body)
    assert (refused.status_code, refused.json()["code"]) == (422, "trunk_disabled")


def test_a_large_campaign_is_approved_by_another_token_of_another_person(manager, settings):
    settings.APPROVAL_OVER_CONTACTS = 1
    campaign = ready_campaign()
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    asked = manager.post(path(campaign, "launch/"))
    assert (asked.status_code, asked.json()["code"]) == (422, "approval_needed")
    own = manager.post(path(campaign, "approve/"))
    assert (own.status_code, own.json()["code"]) == (409, "bad_transition")
    assert manager.get(path(campaign)).json()["approval_asked_at"] is not None


def test_the_report_before_a_launch(manager):
    shown = manager.get(path(ready_campaign(), "preflight/")).json()
    assert (shown["customers"], shown["problems"], len(shown["examples"])) == (1, [], 1)
    assert sorted(shown["estimate"]) == ["attempts", "experience", "finish_at", "open_s"]


def test_stats_are_the_campaigns_own(supervisor):
    campaign = make_campaign()
    make_attempt(make_contact(campaign), outcome=Outcome.ANSWERED)
    make_attempt(make_contact(campaign), outcome=Outcome.BUSY)
    make_attempt(outcome=Outcome.BUSY)
    shown = supervisor.get(path(campaign, "stats/")).json()
    assert (shown["contacts_total"], shown["attempts"], shown["answered"], shown["asr"], shown["acd_s"]) == (
        2,
        2,
        1,
        0.5,
        None,
    )
    assert {name: count for name, count in shown["outcomes"].items() if count} == {"answered": 1, "busy": 1}
    assert (shown["live_calls"], len(shown["by_hour"]), sorted(shown["by_hour"][0])) == (
        0,
        24,
        ["answered", "attempts", "hour_at"],
    )


def test_blockers_say_what_holds_a_campaign(supervisor):
    campaign = make_campaign(state=CampaignState.PAUSED, calling_window=ALWAYS)
    make_contact(campaign)
    shown = supervisor.get(path(campaign, "blockers/")).json()
    assert "campaign_not_running" in [blocker["code"] for blocker in shown]
    assert {tuple(sorted(blocker)) for blocker in shown} == {("code", "count", "label", "opens_at")}


def test_campaigns_are_found_by_state(supervisor):
    running, _ = make_campaign(), make_campaign(state=CampaignState.PAUSED)
    assert [row["id"] for row in supervisor.get(CAMPAIGNS, {"state": "running"}).json()["results"]] == [running.pk]
    assert supervisor.get(CAMPAIGNS, {"state": "flying"}).status_code == 422
