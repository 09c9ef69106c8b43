"""A call opens with its token, collects its turns and ends exactly once, whoever ends it."""

from __future__ import annotations

import itertools
import threading
import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from campaigns.enums import (
    App,
    AttemptState,
    ContactState,
    EndedBy,
    Outcome,
    ResultStep,
    SpeakerKind,
    StepState,
    WebhookEvent,
)
from campaigns.errors import CallRefused
from campaigns.models import (
    AgentPrompt,
    Call,
    CallAttempt,
    CallStep,
    Campaign,
    OutboxEvent,
    SuppressedNumber,
    TranscriptTurn,
    Trunk,
)
from campaigns.policies import call_tokens
from campaigns.services import calls
from campaigns.services.attempts import token_keys
from campaigns.services.calls import CallEnd, TurnDraft
from tests.campaigns.conftest import right_after
from tests.factories import NOW, make_agent, make_attempt, make_call, make_campaign, make_contact, make_customer

LATER = NOW + timedelta(seconds=42)


def placed_attempt(**fields):
    """A placed attempt and the token PSR was given for it."""
    customer = make_customer(name="An")
    campaign = make_campaign(parameter_template={"who": "{{ customer.name }}", "plan": "{{ attributes.plan }}"})
    contact = make_contact(campaign, customer=customer, state=ContactState.DIALING, attributes={"plan": "gold"})
    attempt = make_attempt(contact, at=NOW - timedelta(seconds=10), **fields)
    claims = call_tokens.CallTokenClaims(
        attempt_id=attempt.id, contact_id=contact.id, number=1, expires_at=NOW + timedelta(minutes=5)
    )
    token = call_tokens.mint(claims, keys=token_keys())
    attempt.token_digest = call_tokens.digest(token)
    attempt.save()
    return attempt, token


def open_call(token, vendor_call_id="psr-abc"):
    return calls.open_psr_call(token=token, vendor_call_id=vendor_call_id, query={"call_id": vendor_call_id}, now=NOW)


def attempt_of(call) -> CallAttempt:
    return CallAttempt.objects.select_related("contact").get(call=call)


def draft(seq, text="Yes.", **fields):
    defaults = {
        "speaker": SpeakerKind.CUSTOMER,
        "item_id": f"item-{seq}",
        "heard_text": "",
        "start_ms": seq * 1000,
        "end_ms": seq * 1000 + 800,
        "is_interrupted": False,
        "confidence": 0.9,
    }
    return TurnDraft(seq=seq, text=text, **{**defaults, **fields})


@pytest.mark.django_db
def test_open_psr_call_gathers_what_the_bridge_needs(data_dir, settings):
    agent = make_agent(config={"script": "customer_survey"}, version=3)
    AgentPrompt.objects.create(agent=agent, name="greeting", text="Hello", path="one.wav")
    AgentPrompt.objects.create(agent=agent, name="goodbye", text="Bye", path="gone.wav")
    (data_dir / "prompts").mkdir()
    (data_dir / "prompts" / "one.wav").write_bytes(b"")
    attempt, token = placed_attempt()

    opened = open_call(token)

    call = Call.objects.get()
    assert opened == calls.OpenedCall(
        call_id=call.id,
        agent_kind="scripted",
        agent_config={"script": "customer_survey"},
        prompts={"greeting": data_dir / "prompts/one.wav"},
        parameters={"who": "An", "plan": "gold"},
        channel="mono_a",
        customer_side="left",
        max_call_s=1800,
        customer_number=attempt.phone_number,
    )
    attempt.refresh_from_db()
    assert (attempt.state, attempt.switch_call_id, attempt.answered_at) == (AttemptState.IN_CALL, "psr-abc", NOW)
    assert (call.attempt, call.agent_version, call.parameters) == (attempt, 3, {"who": "An", "plan": "gold"})
    started = OutboxEvent.objects.get(type=WebhookEvent.CALL_STARTED)
    assert (started.subject, started.body["sequence"], started.body["phone_number"]) == (
        str(call.id),
        1,
        attempt.phone_number,
    )


@pytest.mark.django_db
def test_open_psr_call_finds_the_customer_behind_the_extension():
    attempt, token = placed_attempt()
    Campaign.objects.filter(pk=attempt.campaign_id).update(app=App.DIAL, extensions=["101"])

    opened = open_call(token)

    assert (opened.channel, opened.customer_side) == ("stereo", "right")


@pytest.mark.django_db
def test_open_psr_call_refuses_the_second_socket():
    _, token = placed_attempt()
    open_call(token)

    with pytest.raises(CallRefused) as refusal:
        open_call(token)

    assert refusal.value.status == 409
    assert Call.objects.count() == 1


@pytest.mark.django_db
def test_open_psr_call_of_a_token_that_was_used_says_whether_its_call_lives():
    _, token = placed_attempt()
    opened = open_call(token)
    with pytest.raises(CallRefused) as live:
        open_call(token)
    calls.finish_call(call_id=opened.call_id, end=calls.CallEnd("customer_hangup"), now=NOW)
    with pytest.raises(CallRefused) as over:
        open_call(token)
    assert (live.value.status, over.value.status) == (409, 410)


def attempt_of_strict_trunk():
    attempt, token = placed_attempt()
    Trunk.objects.filter(pk=attempt.trunk_id).update(tenant="acme", allowed_networks=["203.0.113.0/24"])
    return attempt, partial(calls.open_psr_call, token=token, vendor_call_id="psr-1", query={}, now=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"tenant": "other", "peer": "203.0.113.7"}, "tenant_differs"),
        ({"peer": "203.0.113.7"}, "tenant_differs"),
        ({"tenant": "acme", "peer": "198.51.100.7"}, "address_not_allowed"),
        ({"tenant": "acme"}, "address_not_allowed"),
    ],
)
def test_open_psr_call_refuses_a_socket_that_is_not_the_trunks(told, code):
    attempt, arrive = attempt_of_strict_trunk()
    with pytest.raises(CallRefused) as refused:
        arrive(**told)
    assert (refused.value.status, refused.value.code) == (403, code)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.token_used_at) == (AttemptState.PLACED, None)


@pytest.mark.django_db
def test_open_psr_call_lets_the_trunks_own_socket_in():
    _, arrive = attempt_of_strict_trunk()
    assert arrive(tenant="acme", peer="203.0.113.7").allowed_networks == ("203.0.113.0/24",)


@pytest.mark.django_db
def test_open_psr_call_refuses_a_forged_token():
    _, token = placed_attempt()

    with pytest.raises(CallRefused) as refusal:
        open_call(token[:-4] + "AAAA")

    assert refusal.value.status == 403
    assert Call.objects.count() == 0


@pytest.mark.django_db
def test_open_psr_call_refuses_another_call_of_the_switch():
    attempt, token = placed_attempt(switch_call_id="psr-placed")

    with pytest.raises(CallRefused) as refusal:
        open_call(token, "psr-other")

    attempt.refresh_from_db()
    assert refusal.value.status == 409
    assert attempt.state == AttemptState.PLACED


@pytest.mark.django_db
def test_open_psr_call_keeps_an_odd_vendor_id_out_of_the_tables():
    _, token = placed_attempt()

    open_call(token, "../../etc/passwd")

    assert Call.objects.get().vendor_call_id.startswith("sha256:")


@pytest.mark.django_db
def test_open_psr_call_holds_the_call_when_the_template_was_broken_meanwhile():
    attempt, token = placed_attempt()
    attempt.campaign.parameter_template = {"who": "{{ customer.shoe_size }}"}
    attempt.campaign.save()

    assert open_call(token).parameters == {}


@pytest.mark.django_db
def test_record_turns_replaces_the_entry_of_the_same_seq():
    call = make_call(lines=(), duration_s=None)
    calls.record_turns({call.id: [draft(0, "Ye"), draft(1, "No.")]})

    calls.record_turns({call.id: [draft(0, "Yes, please."), draft(0, "Yes.")]})

    assert list(call.turns.values_list("seq", "text")) == [(0, "Yes."), (1, "No.")]


@pytest.mark.django_db
def test_record_turns_cleans_what_no_database_would_take():
    call = make_call(lines=(), duration_s=None)

    calls.record_turns(
        {call.id: [draft(1, "a\x00b\x1b[31m\ud800c\n", start_ms=-5, end_ms=-9, confidence=float("nan"))]}
    )

    turn = call.turns.get()
    assert (turn.text, turn.start_ms, turn.end_ms, turn.confidence) == (
        "ab[31m\N{REPLACEMENT CHARACTER}c\n",
        0,
        0,
        None,
    )


@pytest.mark.django_db
def test_record_turns_is_bounded():
    call = make_call(lines=(), duration_s=None)

    calls.record_turns({call.id: [draft(1, "x" * 50_000), draft(calls.MAX_TURNS, "too many")]})

    assert [len(text) for text in call.turns.values_list("text", flat=True)] == [calls.MAX_TURN_CHARS]


@pytest.mark.django_db
def test_record_turns_writes_those_of_many_calls_and_drops_those_of_none():
    calls_by_id = {call.id: call for call in (make_call(lines=(), duration_s=None) for _ in range(3))}

    calls.record_turns({**{call_id: [draft(0), draft(1)] for call_id in calls_by_id}, uuid.UUID(int=7): [draft(0)]})

    assert [call.turns.count() for call in calls_by_id.values()] == [2, 2, 2]


@pytest.mark.django_db
def test_late_turns_make_what_was_made_of_turns_again():
    call = make_call(duration_s=None)
    calls.finish_call(call_id=call.id, end=CallEnd("customer_hangup"), now=LATER)
    CallStep.objects.update(state=StepState.DONE, tries=1)
    Call.objects.update(is_processed=True)

    calls.record_turns({call.id: [draft(9)]})

    states = dict(call.steps.values_list("step", "state"))
    assert states == {
        ResultStep.TRANSCRIPT_FILE: StepState.PENDING,
        ResultStep.CALL_FILE: StepState.PENDING,
        ResultStep.ANALYSIS: StepState.PENDING,
        ResultStep.OPT_OUT: StepState.PENDING,
        ResultStep.RECORDING: StepState.DONE,
        ResultStep.WEBHOOKS: StepState.DONE,
    }
    assert not Call.objects.get().is_processed


@pytest.mark.django_db
def test_touch_calls_moves_the_heartbeat_of_live_calls_only_forward():
    live, ended = make_call(duration_s=None), make_call()

    calls.touch_calls(call_ids=[live.id, ended.id], now=LATER)
    calls.touch_calls(call_ids=[live.id], now=LATER - timedelta(seconds=5))

    seen = dict(Call.objects.values_list("id", "last_seen_at"))
    assert seen == {live.id: LATER, ended.id: ended.last_seen_at}


@pytest.mark.django_db
def test_finish_call_writes_everything_the_end_means():
    attempt, token = placed_attempt()
    call_id = open_call(token).call_id
    calls.record_turns({call_id: [draft(1, end_ms=30_000)]})

    end = CallEnd(
        ended_by="agent_hangup",
        disposition="completed",
        answers=[{"key": "solved", "question": "Solved?", "value": "yes", "at_ms": 900}],
        transferred_to="101",
        recording_path="recordings/2026/11/a.wav",
        metrics={"frames_in": 12, "odd": float("inf")},
    )
    is_mine = calls.finish_call(call_id=call_id, end=end, now=LATER)

    call = Call.objects.get()
    attempt.refresh_from_db()
    assert is_mine
    assert (call.ended_at, call.ended_by, call.disposition, call.transferred_to) == (
        LATER,
        EndedBy.AGENT_HANGUP,
        "completed",
        "101",
    )
    assert call.answers == end.answers
    assert call.metrics == {"frames_in": 12, "odd": None}
    assert (attempt.state, attempt.outcome, attempt.contact.state) == (
        AttemptState.ENDED,
        Outcome.ANSWERED,
        ContactState.DONE,
    )
    assert list(call.steps.values_list("step", "state")) == [(step, StepState.PENDING) for step in ResultStep]
    ended = OutboxEvent.objects.get(type=WebhookEvent.CALL_ENDED)
    assert (ended.body["duration_s"], ended.body["answers"]) == (42.0, end.answers)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("end", "talk_ms", "outcome"),
    [
        (CallEnd("customer_hangup"), 500, Outcome.ANSWERED),
        (CallEnd("customer_hangup", disposition="voicemail"), 20_000, Outcome.MACHINE),
        (CallEnd("agent_failed"), 500, Outcome.FAILED),
        (CallEnd("agent_failed"), 20_000, Outcome.ANSWERED),
        (CallEnd("bridge_error"), 0, Outcome.FAILED),
        (CallEnd("vendor_closed"), 0, Outcome.ANSWERED),
        (CallEnd("a word of a newer bridge"), 500, Outcome.FAILED),
    ],
)
def test_finish_call_tells_the_attempt_how_it_went(end, talk_ms, outcome):
    call = make_call(lines=(), duration_s=None)
    calls.record_turns({call.id: [draft(0, start_ms=0, end_ms=talk_ms)]})

    calls.finish_call(call_id=call.id, end=end, now=LATER)

    assert attempt_of(call).outcome == outcome


@pytest.mark.django_db
def test_a_customer_who_asks_not_to_be_called_is_suppressed():
    call = make_call(duration_s=None)

    calls.finish_call(call_id=call.id, end=CallEnd("agent_hangup", disposition="do_not_call"), now=LATER)

    attempt = attempt_of(call)
    assert SuppressedNumber.objects.get().phone_number == attempt.phone_number
    assert attempt.contact.state == ContactState.BLOCKED


ENDINGS = ("customer_hangup", "socket_lost", "drain")


@pytest.mark.django_db
@pytest.mark.parametrize("order", list(itertools.permutations(ENDINGS)))
def test_the_first_ending_stands_in_any_order(order):
    call = make_call(duration_s=None)

    won = [
        calls.finish_call(call_id=call.id, end=CallEnd(ended_by), now=LATER + timedelta(seconds=number))
        for number, ended_by in enumerate(order)
    ]

    call.refresh_from_db()
    assert won == [True, False, False]
    assert (call.ended_by, call.ended_at) == (order[0], LATER)
    assert OutboxEvent.objects.filter(type=WebhookEvent.CALL_ENDED).count() == 1
    assert attempt_of(call).log.filter(to_state=AttemptState.ENDED).count() == 1
    assert call.steps.count() == len(ResultStep)


def test_one_of_many_threads_ends_the_call(shared_database):
    call = make_call(duration_s=None)
    start = threading.Barrier(6)
    won = []

    def finish(number):
        try:
            start.wait()
            won.append(calls.finish_call(call_id=call.id, end=CallEnd("socket_lost"), now=LATER + timedelta(number)))
        finally:
            connection.close()

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False] * 5 + [True]
    assert OutboxEvent.objects.filter(type=WebhookEvent.CALL_ENDED).count() == 1
    assert call.steps.count() == len(ResultStep)


@pytest.mark.django_db
def test_finish_call_of_an_unknown_call_is_no_error():
    assert not calls.finish_call(call_id=uuid.uuid4(), end=CallEnd("drain"), now=LATER)


@pytest.mark.django_db
def test_finish_lost_calls_ends_silent_calls_when_they_were_last_seen(settings):
    settings.CALL_LOST_S = 60
    silent = make_call(duration_s=None, last_seen_at=NOW)
    alive = make_call(duration_s=None, last_seen_at=NOW + timedelta(seconds=30))

    found = calls.finish_lost_calls(now=NOW + timedelta(seconds=61))

    silent.refresh_from_db()
    alive.refresh_from_db()
    assert found == [silent.id]
    assert (silent.ended_at, silent.ended_by, alive.ended_at) == (NOW, EndedBy.INTERRUPTED, None)
    assert calls.finish_lost_calls(now=NOW + timedelta(seconds=61)) == []


@pytest.mark.django_db
def test_a_call_that_speaks_up_while_the_sweeper_looks_goes_on():
    call = make_call(duration_s=None, last_seen_at=NOW)
    late = NOW + timedelta(hours=1)

    with right_after("campaigns_call", lambda: calls.touch_calls(call_ids=[call.id], now=late)):
        found = calls.finish_lost_calls(now=late)

    assert found == []
    assert Call.objects.get().ended_at is None


@pytest.mark.django_db
def test_the_bridge_cannot_end_again_what_the_sweeper_ended():
    call = make_call(duration_s=None, last_seen_at=NOW)
    calls.finish_lost_calls(now=NOW + timedelta(hours=1))

    assert not calls.finish_call(call_id=call.id, end=CallEnd("agent_hangup"), now=NOW + timedelta(hours=1))
    assert TranscriptTurn.objects.filter(call=call).count() == 5


ANSWER = {"key": "solved", "question": "Solved?", "value": "yes", "at_ms": 900}


@pytest.mark.django_db
def test_what_the_agent_learned_stays_with_a_call_that_is_lost():
    call = make_call(duration_s=None, last_seen_at=NOW)
    calls.record_findings(call_id=call.id, answers=[ANSWER], disposition="", now=NOW)
    calls.record_findings(call_id=call.id, answers=[ANSWER], disposition="do_not_call", now=NOW)

    calls.finish_lost_calls(now=NOW + timedelta(hours=1))

    call.refresh_from_db()
    assert (call.ended_by, call.answers, call.disposition) == (EndedBy.INTERRUPTED, [ANSWER], "do_not_call")
    assert attempt_of(call).contact.state == ContactState.BLOCKED
    assert SuppressedNumber.objects.get().phone_number == attempt_of(call).phone_number
    ended = OutboxEvent.objects.get(type=WebhookEvent.CALL_ENDED)
    assert (ended.body["answers"], ended.body["disposition"]) == ([ANSWER], "do_not_call")


@pytest.mark.django_db
def test_findings_of_a_call_the_sweeper_ended_are_kept_and_obeyed():
    call = make_call(duration_s=None, last_seen_at=NOW)
    calls.finish_lost_calls(now=NOW + timedelta(hours=1))
    CallStep.objects.update(state=StepState.DONE)
    Call.objects.update(is_processed=True)

    calls.record_findings(call_id=call.id, answers=[ANSWER], disposition="do_not_call", now=NOW + timedelta(hours=2))

    call.refresh_from_db()
    assert (call.answers, call.disposition, call.is_processed) == ([ANSWER], "do_not_call", False)
    assert SuppressedNumber.objects.get().phone_number == attempt_of(call).phone_number
    assert set(call.steps.filter(state=StepState.PENDING).values_list("step", flat=True)) == {
        ResultStep.TRANSCRIPT_FILE,
        ResultStep.CALL_FILE,
        ResultStep.ANALYSIS,
        ResultStep.OPT_OUT,
    }


@pytest.mark.django_db
def test_findings_change_nothing_of_a_call_whose_end_was_told():
    call = make_call(duration_s=None)
    calls.finish_call(call_id=call.id, end=CallEnd("agent_hangup", disposition="completed"), now=LATER)

    calls.record_findings(call_id=call.id, answers=[ANSWER], disposition="do_not_call", now=LATER)

    call.refresh_from_db()
    assert (call.answers, call.disposition) == ([], "completed")
    assert not SuppressedNumber.objects.exists()


@pytest.mark.django_db
def test_findings_are_cleaned_and_cut():
    call = make_call(duration_s=None)

    calls.record_findings(call_id=call.id, answers=[{"key": "a\x00b"}], disposition="x" * 99, now=NOW)

    call.refresh_from_db()
    assert (call.answers, call.disposition) == ([{"key": "ab"}], "x" * 40)


@pytest.mark.django_db
def test_recover_recording_waits_for_the_end_of_the_call():
    call = make_call(duration_s=None)

    assert not calls.recover_recording(call_id=call.id, path="recordings/calls/a.wav")
    assert not calls.recover_recording(call_id=uuid.uuid4(), path="recordings/calls/a.wav")
    calls.finish_call(call_id=call.id, end=CallEnd("drain"), now=LATER)
    assert calls.recover_recording(call_id=call.id, path="recordings/calls/a.wav")
    assert calls.recover_recording(call_id=call.id, path="recordings/calls/b.wav")

    assert Call.objects.get().recording_path == "recordings/calls/a.wav"
