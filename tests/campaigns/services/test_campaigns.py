"""The life of a campaign, and the contacts made of its lists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from campaigns.enums import AgentKind, App, CampaignState, ContactState, Outcome, TrunkHold, WebhookEvent
from campaigns.errors import CampaignNotReady, IllegalTransition
from campaigns.models import Campaign, CampaignEvent, Contact, ListEntry, OutboxEvent, Trunk
from campaigns.services import campaigns
from campaigns.services.contact_filling import fill_block
from campaigns.states import CAMPAIGN_STEPS, CampaignAction
from campaigns.tasks.launching import fill_contacts
from telephony.protocols.wav import build_wav
from tests.factories import (
    NOW,
    make_agent,
    make_attempt,
    make_campaign,
    make_contact,
    make_customer,
    make_list,
    make_user,
)

pytestmark = pytest.mark.django_db

STEPS = {
    CampaignAction.LAUNCH: campaigns.launch,
    CampaignAction.PAUSE: campaigns.pause,
    CampaignAction.RESUME: campaigns.resume,
    CampaignAction.CANCEL: campaigns.cancel,
    CampaignAction.FINISH: campaigns.finish,
}


def ready_campaign(state: CampaignState = CampaignState.DRAFT, **fields) -> Campaign:
    campaign = make_campaign(state=state, **fields)
    campaign.customer_lists.add(make_list(customers=[make_customer(), make_customer()]))
    return campaign


@pytest.mark.parametrize("state", list(CampaignState))
@pytest.mark.parametrize("action", list(STEPS))
def test_step_follows_the_table_or_changes_nothing(state: CampaignState, action: CampaignAction) -> None:
    campaign = ready_campaign(state, contacts_filled_at=NOW)
    user = make_user()
    new = CAMPAIGN_STEPS[state].get(action)
    if new is None:
        with pytest.raises(IllegalTransition):
            STEPS[action](campaign.pk, now=NOW, user=user)
        assert (Campaign.objects.get().state, CampaignEvent.objects.count()) == (state, 0)
        return
    assert STEPS[action](campaign.pk, now=NOW, user=user).state == new
    event, outbox = CampaignEvent.objects.get(), OutboxEvent.objects.get()
    assert (event.kind, event.user, event.at) == (action, user, NOW)
    assert (outbox.type, outbox.body["from_state"], outbox.body["to_state"]) == (
        WebhookEvent.CAMPAIGN_STATE_CHANGED,
        state,
        new,
    )


def test_launch_makes_no_contact_itself_and_notes_the_time() -> None:
    campaign = campaigns.launch(ready_campaign().pk, now=NOW)
    assert (campaign.launched_at, campaign.contacts_filled_at, Contact.objects.count()) == (NOW, None, 0)


def test_launch_before_its_time_schedules_and_launch_again_starts() -> None:
    campaign = ready_campaign(starts_at=NOW + timedelta(hours=1))
    assert campaigns.launch(campaign.pk, now=NOW).state == CampaignState.SCHEDULED
    launched = campaigns.launch(campaign.pk, now=NOW)
    assert (launched.state, launched.launched_at) == (CampaignState.RUNNING, NOW)


@pytest.mark.parametrize(
    ("fields", "trunk", "problems"),
    [
        ({"app": App.DIAL}, {}, {"extension": "With dial, an extension of 2 to 6 digits must be rung first."}),
        ({"app": App.DIAL, "extensions": ["7"]}, {}, {"extensions": "“7” is no extension; write 2 to 6 digits."}),
        (
            {"is_silence": False, "audio_file": "gone.wav"},
            {},
            {"audio_file": "Upload the audio to play at answer, or choose silence."},
        ),
        (
            {"is_silence": False},
            {},
            {"audio_file": "Upload the audio to play at answer, or choose silence."},
        ),
        (
            {"calling_window": {}},
            {},
            {"calling_window": "The calling window is never open. Add hours to at least one day."},
        ),
        (
            {"parameter_template": {"a": "{{ attributes.plan }}"}},
            {},
            {"parameter_template": "The list “Clients” has no column plan."},
        ),
        (
            {"cadence": {"waits": 1}},
            {},
            {"cadence": 'A cadence is an object with one key, "rules", or "waits_s" in the short form.'},
        ),
        ({}, {"is_enabled": False}, {"trunk": "The trunk “Main trunk” is disabled. Enable it or choose another."}),
        ({}, {"token": ""}, {"trunk": "The trunk “Main trunk” has no address or no token. Set both."}),
        (
            {},
            {"hold": TrunkHold.AUTH},
            {"trunk": "The trunk “Main trunk” is held: PSR refused the token (401/403). Release it first."},
        ),
    ],
)
def test_launch_names_what_stands_against_it(fields, trunk, problems) -> None:
    campaign = make_campaign(state=CampaignState.DRAFT, **fields)
    campaign.customer_lists.add(make_list("Clients", customers=[make_customer()]))
    Trunk.objects.update(**{"name": "Main trunk", **trunk})
    with pytest.raises(CampaignNotReady) as refused:
        campaigns.launch(campaign.pk, now=NOW)
    assert refused.value.errors == {field: [message] for field, message in problems.items()}
    assert Campaign.objects.get().state == CampaignState.DRAFT


@pytest.mark.parametrize(
    ("lists", "message"),
    [(0, "Choose at least one customer list."), (1, "The chosen lists are empty. Import customers first.")],
)
def test_launch_needs_somebody_to_call(lists: int, message: str) -> None:
    campaign = make_campaign(state=CampaignState.DRAFT)
    campaign.customer_lists.set([make_list() for _ in range(lists)])
    with pytest.raises(CampaignNotReady) as refused:
        campaigns.launch(campaign.pk, now=NOW)
    assert refused.value.errors == {"customer_lists": [message]}


def test_a_listener_is_refused_where_the_customer_would_hear_nothing() -> None:
    campaign = ready_campaign(agent=make_agent("Ear", kind=AgentKind.LISTENER))
    with pytest.raises(CampaignNotReady) as refused:
        campaigns.launch(campaign.pk, now=NOW)
    text = "The agent only listens: with bot the customer would hear nothing. Choose dial."
    assert refused.value.errors == {"agent": [text]}
    Campaign.objects.update(app=App.DIAL, extensions=["101"], channel="mono_a")
    with pytest.raises(CampaignNotReady, match="cannot be launched") as refused:
        campaigns.launch(campaign.pk, now=NOW)
    assert list(refused.value.errors) == ["channel"]
    Campaign.objects.update(channel="")
    assert campaigns.launch(campaign.pk, now=NOW).state == CampaignState.RUNNING


def test_launch_names_all_problems_at_once() -> None:
    campaign = make_campaign(state=CampaignState.DRAFT, app=App.DIAL, calling_window={"days": {"sun": 1}})
    with pytest.raises(CampaignNotReady) as refused:
        campaigns.launch(campaign.pk, now=NOW)
    assert set(refused.value.errors) == {"customer_lists", "extension", "calling_window"}


def test_launch_with_audio_that_is_there_is_ready(data_dir) -> None:
    (data_dir / "prompts").mkdir()
    (data_dir / "prompts" / "hello.wav").write_bytes(build_wav(bytes(160), 8000))
    campaign = ready_campaign(is_silence=False, audio_file="hello.wav")
    assert campaigns.preflight(campaign, NOW) == []


@pytest.mark.parametrize("content", [b"RIFF", build_wav(bytes(160), 24_000)])
def test_launch_with_audio_that_psr_cannot_play_is_refused(data_dir, content: bytes) -> None:
    (data_dir / "prompts").mkdir()
    (data_dir / "prompts" / "hello.wav").write_bytes(content)
    campaign = ready_campaign(is_silence=False, audio_file="hello.wav")
    with pytest.raises(CampaignNotReady) as refused:
        campaigns.launch(campaign.pk, now=NOW)
    [reason] = refused.value.errors["audio_file"]
    assert reason.startswith("PSR cannot play the audio at answer: ")


def test_cancel_ends_who_waits_and_leaves_who_is_being_called() -> None:
    campaign = ready_campaign(CampaignState.RUNNING)
    for state in (ContactState.PENDING, ContactState.PENDING, ContactState.DIALING, ContactState.DONE):
        make_contact(campaign, state=state)
    elsewhere = make_contact(make_campaign())
    assert campaigns.cancel(campaign.pk, now=NOW).finished_at == NOW
    states = sorted(Contact.objects.filter(campaign=campaign).values_list("state", flat=True))
    assert states == ["canceled", "canceled", "dialing", "done"]
    elsewhere.refresh_from_db()
    assert elsewhere.state == ContactState.PENDING


def test_cancel_of_many_is_completed_by_the_tick() -> None:
    campaign = ready_campaign(CampaignState.CANCELED, finished_at=NOW)
    for _ in range(5):
        make_contact(campaign)
    assert campaigns.cancel_waiting(campaign.pk, now=NOW, limit=2) == 2
    assert campaigns.finish_all(now=NOW) == []
    assert set(Contact.objects.values_list("state", flat=True)) == {ContactState.CANCELED}


@pytest.mark.parametrize(
    ("state", "is_filled", "is_through"),
    [
        (ContactState.DONE, True, True),
        (ContactState.EXHAUSTED, True, True),
        (ContactState.PENDING, True, False),
        (ContactState.DIALING, True, False),
        (ContactState.DONE, False, False),
    ],
)
def test_finish_waits_for_the_last_contact_and_for_the_lists(state, is_filled, is_through) -> None:
    campaign = ready_campaign(CampaignState.RUNNING, contacts_filled_at=NOW if is_filled else None)
    make_contact(campaign, state=state)
    assert campaigns.finish_all(now=NOW) == ([campaign.pk] if is_through else [])
    campaign.refresh_from_db()
    assert campaign.state == (CampaignState.FINISHED if is_through else CampaignState.RUNNING)
    if not is_through:
        with pytest.raises(IllegalTransition):
            campaigns.finish(campaign.pk, now=NOW)


def test_a_tick_asks_once_however_many_campaigns_are_running_or_canceled(django_assert_num_queries) -> None:
    for _ in range(3):
        make_contact(make_campaign(contacts_filled_at=NOW))
        make_contact(
            make_campaign(state=CampaignState.CANCELED, contacts_filled_at=NOW, finished_at=NOW),
            state=ContactState.DONE,
        )
    with django_assert_num_queries(2):
        assert campaigns.finish_all(now=NOW) == []


def test_clone_copies_the_settings_and_nothing_of_the_run() -> None:
    source = ready_campaign(
        CampaignState.FINISHED, contacts_filled_at=NOW, contacts_filled_to=9, max_attempts=7, priority=3
    )
    make_contact(source, state=ContactState.DONE)
    user = make_user()
    copy = campaigns.clone(source.pk, name="Again", user=user, now=NOW)
    copy = Campaign.objects.get(pk=copy.pk)
    assert (copy.state, copy.max_attempts, copy.priority, copy.agent) == (CampaignState.DRAFT, 7, 3, source.agent)
    assert (copy.launched_at, copy.contacts_filled_at, copy.contacts_filled_to) == (None, None, 0)
    assert list(copy.customer_lists.all()) == list(source.customer_lists.all())
    assert (copy.contacts.count(), copy.created_by) == (0, user)


def test_every_setting_of_a_draft_is_copied_but_what_belongs_to_one_run() -> None:
    # What neither a person sets nor one run owns would be a setting that a copy loses.
    owned = {"rule_override", "bucket_tokens", "bucket_at", "launched_at", "contacts_filled_to", "contacts_filled_at"}
    owned |= {
        "share_used",
        "approval_asked_by",
        "approval_asked_at",
        "approved_by",
        "approved_at",
        "canary_state",
        "canary_since",
        "lists_followed_to",
        "finished_at",
        "archived_at",
        "created_by",
        "created_at",
        "updated_at",
        "starts_at",
    }
    fields = {field.name for field in Campaign._meta.concrete_fields} - owned
    assert fields == {*campaigns.COPIED_FIELDS, "id", "name", "state"}


@pytest.mark.parametrize("state", list(CampaignState))
def test_only_what_is_over_is_archived(state: CampaignState) -> None:
    campaign, user = ready_campaign(state), make_user()
    if state not in (CampaignState.FINISHED, CampaignState.CANCELED):
        with pytest.raises(IllegalTransition):
            campaigns.archive(campaign.pk, now=NOW, user=user)
        return
    for _ in range(2):
        assert campaigns.archive(campaign.pk, now=NOW, user=user, reason="old").archived_at == NOW
    for _ in range(2):
        assert campaigns.unarchive(campaign.pk, now=NOW, user=user).archived_at is None
    messages = CampaignEvent.objects.order_by("id").values_list("message", "user")
    assert list(messages) == [("Archived: old.", user.pk), ("Taken out of the archive.", user.pk)]


def test_clone_refuses_a_name_that_is_taken() -> None:
    source = ready_campaign()
    with pytest.raises(IntegrityError), transaction.atomic():
        campaigns.clone(source.pk, name=source.name, user=None, now=NOW)


def test_refusals_pause_only_when_they_come_in_a_row() -> None:
    campaign = make_campaign()

    def end(minute: int, outcome: Outcome, reason: str) -> None:
        make_attempt(make_contact(campaign), outcome=outcome, reason=reason, at=NOW + timedelta(minutes=minute))

    for minute in range(5):
        end(minute, Outcome.FAILED, "refused_http_400")
    end(6, Outcome.NO_ANSWER, "no_connect")
    assert campaigns.pause_after_refusals(campaign.pk, now=NOW) is False
    for minute in range(7, 12):
        end(minute, Outcome.FAILED, "refused_http_400")
    assert campaigns.pause_after_refusals(campaign.pk, now=NOW) is True
    assert campaigns.pause_after_refusals(campaign.pk, now=NOW) is False


def filled(campaign: Campaign, limit: int = 2) -> Campaign:
    while fill_block(campaign.pk, now=NOW, limit=limit):
        pass
    return Campaign.objects.get(pk=campaign.pk)


def test_filling_makes_a_contact_of_every_customer_once() -> None:
    shared = make_customer("+84912345678", name="An", timezone="Asia/Tokyo", attributes={"plan": "old", "city": "Huế"})
    first, second = make_list(), make_list()
    ListEntry.objects.create(list=first, customer=shared, attributes={"plan": "Gold"})
    ListEntry.objects.create(list=second, customer=shared, attributes={"plan": "Iron"})
    for _ in range(4):
        ListEntry.objects.create(list=second, customer=make_customer())
    make_list(customers=[make_customer()])
    campaign = make_campaign()
    campaign.customer_lists.add(first, second)
    assert filled(campaign).contacts_filled_at == NOW
    assert Contact.objects.count() == 5
    contact = Contact.objects.get(customer=shared)
    assert (contact.name, contact.phone_number, contact.timezone) == ("An", "+84912345678", "Asia/Tokyo")
    assert contact.attributes == {"plan": "Gold", "city": "Huế"}
    assert (contact.state, contact.next_attempt_at, contact.updated_at) == (ContactState.PENDING, NOW, NOW)
    assert CampaignEvent.objects.get().details == {"contacts": 5}


def test_filling_goes_on_where_it_was_and_ends_once() -> None:
    campaign = make_campaign()
    campaign.customer_lists.add(make_list(customers=[make_customer() for _ in range(5)]))
    assert fill_block(campaign.pk, now=NOW, limit=2) is True
    assert Contact.objects.count() == 2
    Contact.objects.update(state=ContactState.DONE)
    filled(campaign)
    assert sorted(Contact.objects.values_list("state", flat=True)) == ["done"] * 2 + ["pending"] * 3
    assert fill_block(campaign.pk, now=NOW) is False
    assert CampaignEvent.objects.count() == 1


def test_filling_stops_when_the_campaign_is_canceled() -> None:
    campaign = make_campaign(state=CampaignState.CANCELED)
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    assert fill_block(campaign.pk, now=NOW) is False
    assert (Contact.objects.count(), Campaign.objects.get().contacts_filled_at) == (0, None)


def test_the_task_fills_the_whole_campaign() -> None:
    campaign = make_campaign()
    campaign.customer_lists.add(make_list(customers=[make_customer() for _ in range(3)]))
    fill_contacts(campaign_id=campaign.pk)
    assert (Contact.objects.count(), Campaign.objects.get().contacts_filled_at is None) == (3, False)


def test_the_task_hands_on_when_its_time_is_up(monkeypatch) -> None:
    campaign = make_campaign()
    campaign.customer_lists.add(make_list(customers=[make_customer()]))
    sent = []
    monkeypatch.setattr("campaigns.tasks.launching.FILL_BUDGET_S", -1)
    monkeypatch.setattr(fill_contacts, "delay", lambda **message: sent.append(message))
    fill_contacts(campaign_id=campaign.pk)
    assert sent == [{"campaign_id": campaign.pk}]
