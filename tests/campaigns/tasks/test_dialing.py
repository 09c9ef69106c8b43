"""The dialer's tasks end to end: a real database, a real socket, and an endpoint that remembers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu.exceptions import OperationalError

from campaigns.enums import (
    App,
    AttemptState,
    CampaignState,
    ContactState,
    Outcome,
    SuppressionSource,
    TrunkHold,
)
from campaigns.models import AttemptLog, BridgeNode, CallAttempt, Campaign, CampaignEvent, Contact, Trunk
from campaigns.services.attempts import connect
from campaigns.services.attempts import reap as reap_at
from campaigns.services.dialing import apply_verdict, claim_due, mark
from campaigns.services.suppression import suppress
from campaigns.tasks.dialing import client_for, place_call, reap, start_scheduled, tick
from campaigns.tasks.launching import fill_contacts
from telephony.psr.classifier import classify
from tests import fake_psr
from tests.factories import make_campaign, make_contact, make_customer, make_list, make_trunk
from tests.fake_psr import FakePsr, Post, Reply

pytestmark = pytest.mark.django_db

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALWAYS = {"timezone": "", "days": {day: [["00:00", "24:00"]] for day in DAYS}}


@pytest.fixture
def psr() -> Iterator[FakePsr]:
    with fake_psr.fake_psr() as server:
        yield server


@pytest.fixture(autouse=True)
def bridge() -> BridgeNode:
    return BridgeNode.objects.create(name="b1", capacity=60, seen_at=timezone.now() + timedelta(hours=1))


@pytest.fixture
def campaign(psr: FakePsr) -> Campaign:
    trunk = make_trunk(base_url=psr.url, calls_per_second=100, max_concurrent_calls=100)
    return make_campaign(trunk=trunk, calling_window=ALWAYS, calls_per_second=100, max_concurrent_calls=100)


def due_contact(campaign: Campaign, **fields) -> Contact:
    return make_contact(campaign, next_attempt_at=timezone.now() - timedelta(seconds=1), **fields)


def claim(campaign: Campaign) -> CallAttempt:
    (claimed,) = claim_due(campaign.trunk_id, now=timezone.now())
    return CallAttempt.objects.get(pk=claimed.attempt_id)


def place(attempt: CallAttempt) -> CallAttempt:
    place_call(attempt_id=str(attempt.pk), fence=attempt.fence)
    return CallAttempt.objects.get(pk=attempt.pk)


def test_place_call_posts_once_and_records_the_call(campaign: Campaign, psr: FakePsr, settings) -> None:
    settings.PUBLIC_WS_URL = "wss://voice.example.com"
    contact = due_contact(campaign)
    placed = place(claim(campaign))
    (post,) = psr.posts
    assert (placed.state, placed.switch_call_id, placed.posts) == (AttemptState.PLACED, post.call_id, 1)
    assert placed.placed_at is not None
    assert placed.deadline_at == placed.placed_at + timedelta(seconds=settings.RING_TIMEOUT_S + settings.RING_GRACE_S)
    assert placed.recording_url == f"{psr.url}/psr/v1/call/record/full_{post.call_id}.wav"
    parameter = json.loads(post.fields.pop("parameter"))
    token = post.token
    assert parameter == {"trunkline_token": token}
    assert post.fields == {
        "url": f"wss://voice.example.com/psr/{token}",
        "destination": "0" + contact.phone_number.removeprefix("+84"),
        "app": "bot",
        "channel": "mono_a",
        "is_silence": "true",
    }
    assert post.authorization == "Bearer trunk-token"
    steps = [AttemptState.CLAIMED, AttemptState.DISPATCHING, AttemptState.PLACED]
    assert list(AttemptLog.objects.order_by("id").values_list("to_state", flat=True)) == steps


def test_a_placed_call_takes_ten_statements(campaign: Campaign) -> None:
    """Marker: attempt, agent, dates, standing, earlier calls, step and log. Answer: attempt, step and log."""
    due_contact(campaign)
    attempt = claim(campaign)
    with CaptureQueriesContext(connection) as queries:
        assert place(attempt).state == AttemptState.PLACED
    around = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "SELECT clock_timestamp")
    asked = [query["sql"] for query in queries if not query["sql"].startswith(around)]
    # The last one is this test's own.
    assert len(asked[:-1]) == 10


def test_place_call_sends_the_parameters_of_the_customer(campaign: Campaign, psr: FakePsr) -> None:
    template = {"who": "{{ customer.name }}", "plan": "Plan {{ attributes.plan }}", "none": "{{ attributes.gone }}"}
    Campaign.objects.filter(pk=campaign.pk).update(parameter_template=template)
    due_contact(campaign, name="Nguyễn Văn An", attributes={"plan": "Gold"})
    place(claim(campaign))
    parameter = json.loads(psr.posts[0].fields["parameter"])
    del parameter["trunkline_token"]
    assert parameter == {"who": "Nguyễn Văn An", "plan": "Plan Gold", "none": ""}


def test_place_call_with_dial_rings_the_extension(campaign: Campaign, psr: FakePsr) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(app=App.DIAL, extensions=["101"])
    due_contact(campaign)
    place(claim(campaign))
    fields = psr.posts[0].fields
    assert (fields["app"], fields["extension"], fields["channel"]) == ("dial", "101", "stereo")


def test_place_call_twice_posts_once(campaign: Campaign, psr: FakePsr) -> None:
    due_contact(campaign)
    attempt = claim(campaign)
    place(attempt)
    place(attempt)
    assert len(psr.posts) == 1


def test_a_message_of_another_version_is_refused_and_its_claim_comes_back(campaign: Campaign, psr: FakePsr) -> None:
    contact = due_contact(campaign)
    attempt = claim(campaign)
    message: dict[str, Any] = {"attempt_id": str(attempt.pk), "fence": attempt.fence, "wish": "none that we know"}
    with pytest.raises(TypeError):
        place_call(**message)
    CallAttempt.objects.filter(pk=attempt.pk).update(deadline_at=timezone.now())
    reap()
    contact.refresh_from_db()
    assert (psr.posts, contact.state, contact.attempts_made) == ([], ContactState.PENDING, 0)


def test_a_clock_set_back_ends_nothing_early(campaign: Campaign, psr: FakePsr) -> None:
    due_contact(campaign)
    attempt = place(claim(campaign))
    assert reap_at(now=timezone.now() - timedelta(hours=1)) == 0
    assert claim_due(campaign.trunk_id, now=timezone.now() - timedelta(hours=1)) == []
    assert CallAttempt.objects.get(pk=attempt.pk).state == AttemptState.PLACED
    assert reap_at(now=timezone.now() + timedelta(hours=1)) == 1


@pytest.mark.parametrize("fence", [0, 2])
def test_place_call_with_another_fence_does_nothing(campaign: Campaign, psr: FakePsr, fence: int) -> None:
    due_contact(campaign)
    attempt = claim(campaign)
    place_call(attempt_id=str(attempt.pk), fence=fence)
    assert psr.posts == []
    assert CallAttempt.objects.get(pk=attempt.pk).state == AttemptState.CLAIMED


def test_place_call_after_the_lease_does_nothing(campaign: Campaign, psr: FakePsr) -> None:
    due_contact(campaign)
    attempt = claim(campaign)
    CallAttempt.objects.filter(pk=attempt.pk).update(deadline_at=timezone.now())
    assert place(attempt).state == AttemptState.CLAIMED
    assert psr.posts == []


@pytest.mark.parametrize(
    ("reply", "state", "outcome", "contact_state", "made", "hold"),
    [
        (fake_psr.PLACED_THEN_RESET, AttemptState.UNKNOWN, "", ContactState.DIALING, 0, ""),
        (fake_psr.PLACED_THEN_500, AttemptState.UNKNOWN, "", ContactState.DIALING, 0, ""),
        (fake_psr.PLACED_THEN_GARBAGE, AttemptState.UNKNOWN, "", ContactState.DIALING, 0, ""),
        (Reply(200, '{"code":"OK","data":{}}'), AttemptState.UNKNOWN, "", ContactState.DIALING, 0, ""),
        (fake_psr.REFUSED, AttemptState.ENDED, Outcome.FAILED, ContactState.PENDING, 1, ""),
        (fake_psr.UNAUTHORIZED, AttemptState.ENDED, Outcome.RELEASED, ContactState.PENDING, 0, TrunkHold.AUTH),
        (fake_psr.MOVED, AttemptState.ENDED, Outcome.RELEASED, ContactState.PENDING, 0, TrunkHold.REDIRECT),
        (fake_psr.THROTTLED, AttemptState.ENDED, Outcome.RELEASED, ContactState.PENDING, 0, ""),
    ],
)
def test_place_call_believes_an_answer_no_further_than_it_goes(
    campaign: Campaign, psr: FakePsr, reply: Reply, state, outcome, contact_state, made, hold
) -> None:
    psr.decide = lambda _: reply
    contact = due_contact(campaign)
    ended = place(claim(campaign))
    contact.refresh_from_db()
    campaign.trunk.refresh_from_db()
    assert (ended.state, ended.outcome) == (state, outcome)
    assert (contact.state, contact.attempts_made, campaign.trunk.hold) == (contact_state, made, hold)
    assert len(psr.posts) == 1


def test_a_held_trunk_dials_nobody_and_says_so(campaign: Campaign, psr: FakePsr) -> None:
    psr.decide = lambda _: fake_psr.UNAUTHORIZED
    for _ in range(2):
        due_contact(campaign)
    first, second = claim_due(campaign.trunk_id, now=timezone.now())
    place(CallAttempt.objects.get(pk=first.attempt_id))
    refused = place(CallAttempt.objects.get(pk=second.attempt_id))
    assert (refused.outcome, refused.reason) == (Outcome.RELEASED, "trunk_held")
    assert len(psr.posts) == 1
    assert claim_due(campaign.trunk_id, now=timezone.now() + timedelta(hours=1)) == []
    (event,) = CampaignEvent.objects.filter(kind="trunk_held")
    assert "401" in event.message
    assert "trunk-token" not in event.message


def test_a_throttled_trunk_waits_as_long_as_it_was_told(campaign: Campaign, psr: FakePsr) -> None:
    psr.decide = lambda _: fake_psr.THROTTLED
    contact = due_contact(campaign)
    place(claim(campaign))
    contact.refresh_from_db()
    campaign.trunk.refresh_from_db()
    assert contact.next_attempt_at == campaign.trunk.throttled_until
    assert claim_due(campaign.trunk_id, now=timezone.now() + timedelta(seconds=29)) == []
    assert len(claim_due(campaign.trunk_id, now=timezone.now() + timedelta(seconds=31))) == 1


def test_an_unreachable_switch_releases_and_counts_nothing(campaign: Campaign) -> None:
    Trunk.objects.filter(pk=campaign.trunk_id).update(base_url="http://127.0.0.1:9")
    contact = due_contact(campaign)
    ended = place(claim(campaign))
    contact.refresh_from_db()
    assert (ended.outcome, ended.reason, ended.number) == (Outcome.RELEASED, "not_connected", None)
    assert (contact.state, contact.attempts_made, contact.releases) == (ContactState.PENDING, 0, 1)


def test_a_trunk_with_an_unusable_address_releases(campaign: Campaign) -> None:
    Trunk.objects.filter(pk=campaign.trunk_id).update(base_url="https://user:pass@psr.example.com")
    due_contact(campaign)
    ended = place(claim(campaign))
    assert (ended.outcome, ended.reason) == (Outcome.RELEASED, "trunk_unusable")


def test_a_socket_before_the_answer_wins_and_the_answer_fills_in(campaign: Campaign, psr: FakePsr) -> None:
    def connect_first(post: Post) -> Reply:
        # In the request's own thread there is no transaction of the test; hand the token out instead.
        tokens.append(post.token)
        return fake_psr.PLACED

    tokens: list[str] = []
    psr.decide = connect_first
    due_contact(campaign)
    attempt = claim(campaign)
    order = mark(attempt.pk, attempt.fence, now=timezone.now())
    assert order is not None
    answer = client_for(order).create_stream(order.request)
    connect(token=tokens[0], switch_call_id=answer.call_id, now=timezone.now())
    apply_verdict(attempt.pk, verdict=classify(answer), answer=answer, now=timezone.now())
    attempt.refresh_from_db()
    assert (attempt.state, attempt.switch_call_id) == (AttemptState.IN_CALL, answer.call_id)
    assert attempt.recording_url == answer.full_recording_url
    assert attempt.placed_at is not None


def test_a_call_id_used_before_leaves_the_attempt_unknown(campaign: Campaign, psr: FakePsr) -> None:
    body = '{"code":"OK","data":{"call_id":"same"}}'
    psr.decide = lambda _: Reply(200, body)
    for _ in range(2):
        due_contact(campaign)
    states = [
        place(CallAttempt.objects.get(pk=claimed.attempt_id)).state
        for claimed in claim_due(campaign.trunk_id, now=timezone.now())
    ]
    assert states == [AttemptState.PLACED, AttemptState.UNKNOWN]
    assert CampaignEvent.objects.filter(kind="psr_duplicate_call_id").count() == 1


def test_a_process_that_slept_does_not_send(campaign: Campaign, psr: FakePsr, settings) -> None:
    settings.PAUSE_BUDGET_S = -1
    contact = due_contact(campaign)
    ended = place(claim(campaign))
    contact.refresh_from_db()
    assert (ended.outcome, ended.reason, contact.state) == (Outcome.RELEASED, "paused", ContactState.PENDING)
    assert psr.posts == []


@pytest.mark.parametrize(
    ("state", "outcome", "contact_state"),
    [
        (CampaignState.PAUSED, Outcome.RELEASED, ContactState.PENDING),
        (CampaignState.CANCELED, Outcome.CANCELED, ContactState.CANCELED),
    ],
)
def test_a_campaign_stopped_after_the_claim_is_not_dialed(
    campaign: Campaign, psr: FakePsr, state, outcome, contact_state
) -> None:
    contact = due_contact(campaign)
    attempt = claim(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(state=state)
    assert place(attempt).outcome == outcome
    contact.refresh_from_db()
    assert (contact.state, contact.attempts_made, psr.posts) == (contact_state, 0, [])


def test_a_number_suppressed_after_the_claim_is_not_dialed(campaign: Campaign, psr: FakePsr) -> None:
    contact = due_contact(campaign)
    attempt = claim(campaign)
    suppress(contact.phone_number, reason="asked", source=SuppressionSource.MANUAL, now=timezone.now())
    ended = place(attempt)
    contact.refresh_from_db()
    assert (ended.outcome, ended.reason) == (Outcome.BLOCKED, "suppressed")
    assert (contact.state, contact.state_reason, psr.posts) == (ContactState.BLOCKED, "suppressed", [])


def test_a_number_edited_after_the_claim_is_not_dialed(campaign: Campaign, psr: FakePsr) -> None:
    contact = due_contact(campaign)
    attempt = claim(campaign)
    Contact.objects.filter(pk=contact.pk).update(phone_number="+84912000111")
    assert place(attempt).reason == "number_changed"
    assert psr.posts == []


def test_an_emergency_number_is_never_dialed(campaign: Campaign, psr: FakePsr) -> None:
    contact = due_contact(campaign, customer=make_customer("+84113"))
    ended = place(claim(campaign))
    contact.refresh_from_db()
    assert (ended.outcome, ended.reason) == (Outcome.BLOCKED, "number_not_allowed")
    assert (contact.state, psr.posts) == (ContactState.BLOCKED, [])


def test_a_window_that_closed_after_the_claim_waits_for_its_opening(campaign: Campaign, psr: FakePsr) -> None:
    contact = due_contact(campaign)
    attempt = claim(campaign)
    local = timezone.now() + timedelta(hours=3)
    hours = [[f"{local.hour:02}:00", f"{local.hour:02}:59"]]
    window = {"timezone": "UTC", "days": dict.fromkeys(DAYS, hours)}
    Campaign.objects.filter(pk=campaign.pk).update(calling_window=window)
    ended = place(attempt)
    contact.refresh_from_db()
    assert (ended.outcome, ended.reason) == (Outcome.RELEASED, "outside_window")
    assert contact.next_attempt_at == local.replace(minute=0, second=0, microsecond=0)
    assert psr.posts == []


def test_a_missing_audio_file_releases_instead_of_losing_the_contact(campaign: Campaign, psr: FakePsr) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(is_silence=False, audio_file="gone.wav")
    contact = due_contact(campaign)
    ended = place(claim(campaign))
    contact.refresh_from_db()
    assert (ended.outcome, ended.reason, contact.state) == (
        Outcome.RELEASED,
        "audio_file_missing",
        ContactState.PENDING,
    )
    assert psr.posts == []


def test_parameters_that_do_not_fit_block_the_contact(campaign: Campaign, psr: FakePsr) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(parameter_template={"note": "{{ attributes.note }}"})
    contact = due_contact(campaign, attributes={"note": "đ" * 900})
    assert place(claim(campaign)).outcome == Outcome.BLOCKED
    contact.refresh_from_db()
    assert contact.state == ContactState.BLOCKED
    assert contact.state_reason.startswith("request: parameter is longer")
    assert psr.posts == []


def test_five_refusals_in_a_row_pause_the_campaign(campaign: Campaign, psr: FakePsr) -> None:
    psr.decide = lambda _: fake_psr.REFUSED
    for _ in range(6):
        due_contact(campaign)
    for claimed in claim_due(campaign.trunk_id, now=timezone.now()):
        place(CallAttempt.objects.get(pk=claimed.attempt_id))
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.PAUSED
    assert len(psr.posts) == 5
    assert "refused 5 calls" in CampaignEvent.objects.get(kind="pause").message


def test_requests_that_fail_too_often_hold_the_trunk_until_a_person_looks(campaign: Campaign, psr: FakePsr) -> None:
    psr.decide = lambda _: fake_psr.PLACED_THEN_500 if len(psr.posts) > 8 else fake_psr.PLACED
    for _ in range(20):
        due_contact(campaign)
    for claimed in claim_due(campaign.trunk_id, now=timezone.now()):
        place_call(attempt_id=str(claimed.attempt_id), fence=claimed.fence)
    campaign.trunk.refresh_from_db()
    assert len(psr.posts) == 10
    assert (campaign.trunk.hold, campaign.trunk.hold_detail) == (
        TrunkHold.BREAKER,
        "2 of the last minute's 10 requests to the switch failed.",
    )
    event = CampaignEvent.objects.get(kind="trunk_held")
    assert [failure["reason"] for failure in event.details["failures"]] == ["http_500", "http_500"]


def test_tick_sends_every_claim_on_its_way(campaign: Campaign, monkeypatch) -> None:
    for _ in range(3):
        due_contact(campaign)
    sent = []
    monkeypatch.setattr(place_call, "delay", lambda **message: sent.append(message))
    tick()
    claims = CallAttempt.objects.values_list("pk", "fence")
    assert sorted(message["attempt_id"] for message in sent) == sorted(str(pk) for pk, _ in claims)
    assert {message["fence"] for message in sent} == {1}


def test_tick_without_a_broker_gives_the_claims_back(campaign: Campaign, monkeypatch) -> None:
    for _ in range(3):
        due_contact(campaign)
    tries = []

    def fail(**message: object) -> None:
        tries.append(message)
        raise OperationalError

    monkeypatch.setattr(place_call, "delay", fail)
    tick()
    assert len(tries) == 1
    ended = CallAttempt.objects.values_list("outcome", "reason").distinct()
    assert list(ended) == [(Outcome.RELEASED, "broker_unreachable")]
    assert set(Contact.objects.values_list("state", flat=True)) == {ContactState.PENDING}


def test_tick_finishes_a_campaign_that_is_through(campaign: Campaign) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(contacts_filled_at=timezone.now())
    make_contact(campaign, state=ContactState.DONE)
    tick()
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.FINISHED


def test_reap_ends_what_is_overdue(campaign: Campaign) -> None:
    due_contact(campaign)
    attempt = claim(campaign)
    CallAttempt.objects.filter(pk=attempt.pk).update(deadline_at=timezone.now())
    reap()
    attempt.refresh_from_db()
    assert attempt.outcome == Outcome.RELEASED


def test_start_scheduled_launches_what_is_due_and_fills_it(psr: FakePsr, monkeypatch) -> None:
    filled = []
    monkeypatch.setattr(fill_contacts, "delay", lambda **message: filled.append(message["campaign_id"]))
    now = timezone.now()
    due, early = (
        make_campaign(state=CampaignState.SCHEDULED, calling_window=ALWAYS, starts_at=now + timedelta(minutes=minutes))
        for minutes in (-1, 1)
    )
    for campaign in (due, early):
        campaign.customer_lists.add(make_list(customers=[make_customer()]))
    start_scheduled()
    assert dict(Campaign.objects.values_list("pk", "state")) == {
        due.pk: CampaignState.RUNNING,
        early.pk: CampaignState.SCHEDULED,
    }
    assert filled == [due.pk]


def test_start_scheduled_says_once_why_a_launch_waits(psr: FakePsr) -> None:
    campaign = make_campaign(state=CampaignState.SCHEDULED, starts_at=timezone.now())
    start_scheduled()
    start_scheduled()
    (event,) = CampaignEvent.objects.filter(campaign=campaign)
    assert event.message.startswith("The scheduled launch waits: Choose at least one customer list.")


def test_one_client_serves_a_trunk_until_its_token_changes(campaign: Campaign, psr: FakePsr) -> None:
    seen = []
    for token in ("one", "one", "two"):
        Trunk.objects.filter(pk=campaign.trunk_id).update(token=token)
        due_contact(campaign)
        place(claim(campaign))
        seen.append(psr.posts[-1].authorization)
    assert seen == ["Bearer one", "Bearer one", "Bearer two"]
