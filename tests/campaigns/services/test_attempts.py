"""Attempts: the only writer of their state, and what a socket with a token may become."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, WebhookEvent
from campaigns.errors import CallRefused, IllegalTransition
from campaigns.models import AttemptLog, Call, CallAttempt, CampaignEvent, Contact, OutboxEvent, SuppressedNumber
from campaigns.policies.call_tokens import CallTokenClaims, digest, mint
from campaigns.policies.calling_window import OPENING_SPREAD
from campaigns.queries.dialing import open_calls_by_campaign
from campaigns.services import attempts, calls
from campaigns.services.attempts import advance, connect, end_attempt, reap, token_keys
from campaigns.states import ATTEMPT_STEPS
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=2)
STATE_FIELDS = {AttemptState.ENDED: {"outcome": Outcome.NO_ANSWER, "ended_at": NOW, "deadline_at": None}}


def attempt_in(state: AttemptState, *, contact: Contact | None = None, token: str = "", **fields) -> CallAttempt:
    contact = contact or make_contact(state=ContactState.DIALING, next_attempt_at=None)
    return make_attempt(contact, state=state, token_digest=digest(token) if token else "", is_counted=False, **fields)


def dialed(state: AttemptState = AttemptState.DISPATCHING, **fields) -> tuple[CallAttempt, str]:
    """An attempt on its way, with the token its switch was given."""
    attempt = attempt_in(state, **fields)
    claims = CallTokenClaims(attempt.pk, attempt.contact_id, 1, NOW + timedelta(minutes=10))
    token = mint(claims, keys=token_keys())
    CallAttempt.objects.filter(pk=attempt.pk).update(token_digest=digest(token))
    return attempt, token


def steps_of(attempt: CallAttempt) -> list[tuple[str, str, str]]:
    return list(attempt.log.order_by("id").values_list("from_state", "to_state", "reason"))


@pytest.mark.parametrize("old", [state for state in AttemptState if state is not AttemptState.ENDED])
@pytest.mark.parametrize("new", list(AttemptState))
def test_advance_follows_the_table_and_logs_or_changes_nothing(old: AttemptState, new: AttemptState) -> None:
    attempt = attempt_in(old)
    outcome = Outcome.NO_ANSWER if new is AttemptState.ENDED else None
    deadline_at = None if new is AttemptState.ENDED else LATER
    if new in ATTEMPT_STEPS[old]:
        advance(attempt.pk, new, now=LATER, reason="why", outcome=outcome, deadline_at=deadline_at)
        moved = CallAttempt.objects.get(pk=attempt.pk)
        assert (moved.state, moved.reason, moved.deadline_at) == (new, "why", deadline_at)
        assert steps_of(attempt)[1:] == [(old, new, "why")]
    else:
        with pytest.raises(IllegalTransition):
            advance(attempt.pk, new, now=LATER, outcome=outcome, deadline_at=deadline_at)
        assert CallAttempt.objects.get(pk=attempt.pk).state == old
        assert len(steps_of(attempt)) == 1


def test_advance_is_decided_by_the_present_state_whatever_the_caller_has_seen() -> None:
    attempt = attempt_in(AttemptState.IN_CALL)
    with pytest.raises(IllegalTransition):
        advance(attempt.pk, AttemptState.PLACED, now=LATER, deadline_at=LATER, seen=AttemptState.DISPATCHING)
    assert len(steps_of(attempt)) == 1
    advance(
        attempt.pk,
        AttemptState.ENDED,
        now=LATER,
        reason="why",
        outcome=Outcome.ANSWERED,
        seen=AttemptState.PLACED,
    )
    assert steps_of(attempt)[1:] == [(AttemptState.IN_CALL, AttemptState.ENDED, "why")]


def test_advance_only_from_refuses_another_present_state() -> None:
    attempt = attempt_in(AttemptState.IN_CALL)
    with pytest.raises(IllegalTransition):
        end_attempt(
            attempt.pk,
            outcome=Outcome.UNCONFIRMED,
            reason="no_proof",
            now=LATER,
            only_from=AttemptState.UNKNOWN,
        )
    assert CallAttempt.objects.get(pk=attempt.pk).state == AttemptState.IN_CALL


@pytest.mark.parametrize(
    ("outcome", "state", "made", "wait_s"),
    [
        (Outcome.ANSWERED, ContactState.DONE, 1, None),
        (Outcome.BUSY, ContactState.PENDING, 1, 600),
        (Outcome.NO_ANSWER, ContactState.PENDING, 1, 1800),
        (Outcome.UNCONFIRMED, ContactState.PENDING, 1, 14_400),
        (Outcome.RELEASED, ContactState.PENDING, 0, 5),
        (Outcome.BLOCKED, ContactState.BLOCKED, 0, None),
        (Outcome.CANCELED, ContactState.CANCELED, 0, None),
        (Outcome.INVALID_NUMBER, ContactState.EXHAUSTED, 1, None),
    ],
)
def test_end_attempt_settles_the_contact(outcome, state, made, wait_s) -> None:
    campaign = make_campaign(calling_window={"days": {day: [["00:00", "24:00"]] for day in DAYS}})
    contact = make_contact(campaign, state=ContactState.DIALING)
    attempt = attempt_in(AttemptState.PLACED, contact=contact)
    assert end_attempt(attempt.pk, outcome=outcome, reason="why", now=NOW) is True
    contact.refresh_from_db()
    due_at = None if wait_s is None else NOW + timedelta(seconds=wait_s)
    assert (contact.state, contact.attempts_made, contact.next_attempt_at) == (state, made, due_at)
    assert contact.last_outcome == outcome
    finished = OutboxEvent.objects.filter(type=WebhookEvent.CONTACT_FINISHED, subject=str(contact.pk))
    assert finished.count() == (0 if state is ContactState.PENDING else 1)


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def test_end_attempt_puts_the_next_try_into_the_window() -> None:
    window = {"timezone": "UTC", "days": {day: [["08:00", "09:00"]] for day in DAYS}}
    contact = make_contact(make_campaign(calling_window=window), state=ContactState.DIALING)
    attempt = attempt_in(AttemptState.PLACED, contact=contact)
    end_attempt(attempt.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=NOW)
    contact.refresh_from_db()
    opens_at = (NOW + timedelta(days=1)).replace(hour=8, minute=0)
    assert contact.next_attempt_at is not None
    assert opens_at <= contact.next_attempt_at < opens_at + OPENING_SPREAD


def test_a_cadence_that_cannot_be_read_gives_nobody_up() -> None:
    contact = make_contact(make_campaign(cadence={"waits_s": "soon"}), state=ContactState.DIALING)
    attempt_in(AttemptState.PLACED, contact=contact, deadline_at=NOW)
    assert reap(now=NOW) == 1
    contact.refresh_from_db()
    assert (contact.state, contact.next_attempt_at) == (ContactState.PENDING, NOW + timedelta(minutes=30))


def test_end_attempt_twice_ends_once() -> None:
    attempt = attempt_in(AttemptState.IN_CALL, answered_at=NOW)
    assert end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER) is True
    assert end_attempt(attempt.pk, outcome=Outcome.FAILED, reason="again", now=LATER) is False
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.contact.attempts_made) == (Outcome.ANSWERED, 1)


def test_voicemail_is_a_machine_and_is_tried_again() -> None:
    attempt = attempt_in(AttemptState.IN_CALL, answered_at=NOW)
    end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER, disposition="voicemail")
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.contact.state) == (Outcome.MACHINE, ContactState.PENDING)


def test_do_not_call_blocks_the_number_everywhere() -> None:
    attempt = attempt_in(AttemptState.IN_CALL, answered_at=NOW)
    elsewhere = make_contact(make_campaign(), customer=attempt.contact.customer)
    end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER, disposition="do_not_call")
    elsewhere.refresh_from_db()
    attempt.contact.refresh_from_db()
    assert SuppressedNumber.objects.get().phone_number == attempt.phone_number
    assert (attempt.contact.state, elsewhere.state) == (ContactState.BLOCKED, ContactState.BLOCKED)
    assert CallAttempt.objects.get(pk=attempt.pk).outcome == Outcome.ANSWERED


def test_contact_of_a_canceled_campaign_is_not_tried_again() -> None:
    contact = make_contact(make_campaign(state=CampaignState.CANCELED), state=ContactState.DIALING)
    attempt = attempt_in(AttemptState.PLACED, contact=contact)
    end_attempt(attempt.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=LATER)
    contact.refresh_from_db()
    assert contact.state == ContactState.CANCELED


@pytest.mark.parametrize("state", [AttemptState.DISPATCHING, AttemptState.UNKNOWN, AttemptState.PLACED])
def test_connect_makes_the_attempt_a_call(state: AttemptState, settings) -> None:
    attempt, token = dialed(state)
    connected = connect(token=token, switch_call_id="sw-1", now=LATER)
    assert (connected.state, connected.switch_call_id) == (AttemptState.IN_CALL, "sw-1")
    assert (connected.token_used_at, connected.answered_at) == (LATER, LATER)
    assert connected.deadline_at == LATER + timedelta(seconds=settings.MAX_CALL_S + settings.CALL_LOST_S)
    assert steps_of(attempt)[1:] == [(state, AttemptState.IN_CALL, "socket")]


@pytest.mark.parametrize("outcome", [Outcome.UNCONFIRMED, Outcome.NO_ANSWER])
def test_connect_after_the_deadline_corrects_the_outcome(outcome: Outcome) -> None:
    attempt, token = dialed(AttemptState.UNKNOWN)
    end_attempt(attempt.pk, outcome=outcome, reason="no_proof", now=NOW)
    connected = connect(token=token, switch_call_id="sw-1", now=LATER)
    assert (connected.state, connected.outcome, connected.reason) == (
        AttemptState.ENDED,
        Outcome.ANSWERED,
        "late_connect",
    )
    contact = Contact.objects.get(pk=attempt.contact_id)
    assert (contact.state, contact.next_attempt_at, contact.attempts_made) == (ContactState.DIALING, None, 1)
    assert steps_of(attempt)[-1] == (AttemptState.ENDED, AttemptState.ENDED, "late_connect")
    assert end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER, disposition="completed") is True
    contact.refresh_from_db()
    assert (contact.state, contact.disposition, contact.attempts_made) == (ContactState.DONE, "completed", 1)
    assert end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER, disposition="completed") is True
    assert OutboxEvent.objects.filter(type=WebhookEvent.CONTACT_FINISHED).count() == 1


def test_connect_after_the_deadline_calls_off_a_claimed_redial() -> None:
    attempt, token = dialed(AttemptState.UNKNOWN)
    end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason="no_proof", now=NOW)
    Contact.objects.filter(pk=attempt.contact_id).update(state=ContactState.DIALING, next_attempt_at=None)
    redial = attempt_in(AttemptState.CLAIMED, contact=Contact.objects.get(pk=attempt.contact_id), number=2)
    connect(token=token, switch_call_id="sw-1", now=LATER)
    redial.refresh_from_db()
    assert (redial.state, redial.outcome) == (AttemptState.ENDED, Outcome.CANCELED)
    end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER)
    assert Contact.objects.get(pk=attempt.contact_id).state == ContactState.DONE


def late_call(**fields) -> tuple[CallAttempt, Call]:
    """A call that came after its deadline and is being held."""
    attempt, token = dialed(AttemptState.UNKNOWN, **fields)
    end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason="no_proof", now=NOW)
    connect(token=token, switch_call_id="sw-1", now=LATER)
    return attempt, make_call(CallAttempt.objects.get(pk=attempt.pk), duration_s=None, started_at=LATER)


def hang_up(call: Call, **end) -> Contact:
    calls.finish_call(call_id=call.pk, end=calls.CallEnd("agent_hangup", **end), now=LATER)
    return Contact.objects.get(attempts__call=call)


def test_a_late_call_occupies_a_line_until_it_ends() -> None:
    attempt, call = late_call()
    elsewhere = make_attempt(make_contact(attempt.campaign, state=ContactState.DIALING))
    assert open_calls_by_campaign(attempt.trunk_id) == {attempt.campaign_id: 2}
    end_attempt(elsewhere.pk, outcome=Outcome.BUSY, reason="busy", now=LATER)
    assert open_calls_by_campaign(attempt.trunk_id) == {attempt.campaign_id: 1}
    hang_up(call)
    assert open_calls_by_campaign(attempt.trunk_id) == {}


def test_what_is_asked_for_in_a_late_call_is_heard() -> None:
    tomorrow = LATER + timedelta(days=1)
    _, call = late_call()
    Call.objects.update(callback_at=tomorrow)
    contact = hang_up(call)
    assert (contact.state, contact.callback_at, contact.next_attempt_at) == (ContactState.PENDING, tomorrow, tomorrow)
    assert contact.attempts_made == 1


def test_a_late_call_may_ask_for_another_try() -> None:
    campaign = make_campaign(cadence={"rules": [{"disposition": "not_now", "waits": ["next_day"]}]})
    contact = make_contact(campaign, state=ContactState.DIALING)
    _, call = late_call(contact=contact)
    assert hang_up(call, disposition="not_now").state_reason == "answered: not_now"


@pytest.mark.parametrize("state", [ContactState.EXHAUSTED, ContactState.BLOCKED, ContactState.CANCELED])
def test_a_late_call_is_held_whatever_had_become_of_the_contact(state: ContactState) -> None:
    attempt, token = dialed(AttemptState.UNKNOWN)
    end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason="no_proof", now=NOW)
    Contact.objects.update(state=state, next_attempt_at=None)
    connect(token=token, switch_call_id="sw-1", now=LATER)
    assert Contact.objects.get().state == ContactState.DIALING
    end_attempt(attempt.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER)
    assert Contact.objects.get().state == ContactState.DONE


def test_a_redial_that_ends_during_a_late_call_leaves_the_contact_to_it() -> None:
    attempt, token = dialed(AttemptState.UNKNOWN)
    end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason="no_proof", now=NOW)
    Contact.objects.update(state=ContactState.DIALING, next_attempt_at=None)
    redial = attempt_in(AttemptState.PLACED, contact=Contact.objects.get(), number=2)
    connect(token=token, switch_call_id="sw-1", now=LATER)
    call = make_call(CallAttempt.objects.get(pk=attempt.pk), duration_s=None, started_at=LATER)
    end_attempt(redial.pk, outcome=Outcome.BUSY, reason="busy", now=LATER)
    assert Contact.objects.get().state == ContactState.DIALING
    contact = hang_up(call)
    assert (contact.state, contact.attempts_made) == (ContactState.DONE, 2)


def test_a_late_call_that_ends_during_a_redial_leaves_its_wish() -> None:
    tomorrow = LATER + timedelta(days=1)
    attempt, token = dialed(AttemptState.UNKNOWN)
    end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason="no_proof", now=NOW)
    Contact.objects.update(state=ContactState.DIALING, next_attempt_at=None)
    redial = attempt_in(AttemptState.PLACED, contact=Contact.objects.get(), number=2)
    connect(token=token, switch_call_id="sw-1", now=LATER)
    call = make_call(CallAttempt.objects.get(pk=attempt.pk), duration_s=None, started_at=LATER)
    Call.objects.update(callback_at=tomorrow)
    assert hang_up(call).state == ContactState.DIALING
    end_attempt(redial.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=LATER)
    contact = Contact.objects.get()
    assert (contact.state_reason, contact.next_attempt_at) == ("callback", tomorrow)


def test_connect_after_the_deadline_leaves_a_redial_under_way_and_ends_the_contact_with_it() -> None:
    attempt, token = dialed(AttemptState.UNKNOWN)
    end_attempt(attempt.pk, outcome=Outcome.UNCONFIRMED, reason="no_proof", now=NOW)
    Contact.objects.filter(pk=attempt.contact_id).update(state=ContactState.DIALING, next_attempt_at=None)
    redial = attempt_in(AttemptState.PLACED, contact=Contact.objects.get(pk=attempt.contact_id), number=2)
    connect(token=token, switch_call_id="sw-1", now=LATER)
    assert Contact.objects.get(pk=attempt.contact_id).state == ContactState.DIALING
    end_attempt(redial.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=LATER)
    assert Contact.objects.get(pk=attempt.contact_id).state == ContactState.DONE


def test_connect_uses_a_token_once() -> None:
    _, token = dialed()
    connect(token=token, switch_call_id="sw-1", now=LATER)
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id="sw-1", now=LATER)
    assert (refused.value.status, refused.value.code) == (409, "token_used")


def test_connect_refuses_another_call_id_than_the_switch_answered() -> None:
    attempt, token = dialed(AttemptState.PLACED, switch_call_id="sw-1")
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id="sw-2", now=LATER)
    assert (refused.value.status, refused.value.code) == (409, "call_id_differs")
    assert CallAttempt.objects.get(pk=attempt.pk).state == AttemptState.PLACED


def test_connect_refuses_a_call_id_of_another_attempt() -> None:
    attempt_in(AttemptState.IN_CALL, switch_call_id="sw-1")
    attempt, token = dialed()
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id="sw-1", now=LATER)
    assert (refused.value.status, refused.value.code) == (409, "call_id_taken")
    assert CallAttempt.objects.get(pk=attempt.pk).state == AttemptState.DISPATCHING


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.UNCONFIRMED, Outcome.NO_ANSWER}))
def test_connect_refuses_an_attempt_that_ended_for_certain(outcome: Outcome) -> None:
    attempt, token = dialed()
    end_attempt(attempt.pk, outcome=outcome, reason="why", now=NOW)
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id="sw-1", now=LATER)
    assert (refused.value.status, refused.value.code) == (410, "attempt_over")


def test_connect_refuses_forged_expired_unknown_and_foreign_tokens(django_assert_num_queries) -> None:
    attempt, token = dialed()
    claims = CallTokenClaims(attempt.pk, attempt.contact_id, 1, NOW + timedelta(minutes=10))
    second = mint(claims, keys=token_keys())
    unknown = mint(CallTokenClaims(uuid4(), 0, 1, claims.expires_at), keys=token_keys())
    seen = []
    with django_assert_num_queries(0):
        for bad, now in ((token[:-2] + "AA", NOW), ("x" * 40, NOW), (token, NOW + timedelta(hours=1))):
            with pytest.raises(CallRefused) as refused:
                connect(token=bad, switch_call_id="sw-1", now=now)
            seen.append((refused.value.status, refused.value.code))
    for bad in (second, unknown):
        with pytest.raises(CallRefused) as refused:
            connect(token=bad, switch_call_id="sw-1", now=NOW)
        seen.append((refused.value.status, refused.value.code))
    assert seen == [
        (403, "token_forged"),
        (403, "token_malformed"),
        (410, "token_expired"),
        (403, "token_foreign"),
        (410, "attempt_unknown"),
    ]


@pytest.mark.parametrize("is_redialed_before", [False, True])
def test_connect_makes_an_attempt_anew_that_the_database_has_lost(is_redialed_before: bool) -> None:
    attempt, token = dialed()
    contact = attempt.contact
    CallAttempt.objects.filter(pk=attempt.pk).delete()
    Contact.objects.filter(pk=contact.pk).update(state=ContactState.PENDING, next_attempt_at=NOW)
    if is_redialed_before:
        make_attempt(contact, outcome=Outcome.BUSY, number=1)
        Contact.objects.filter(pk=contact.pk).update(attempts_made=1)

    made = connect(token=token, switch_call_id="sw-1", now=LATER)
    contact.refresh_from_db()
    assert (made.pk, made.state, made.switch_call_id) == (attempt.pk, AttemptState.IN_CALL, "sw-1")
    assert made.number == (None if is_redialed_before else 1)
    assert (contact.state, contact.next_attempt_at) == (ContactState.DIALING, None)
    assert steps_of(made) == [("", AttemptState.IN_CALL, "orphan_recovered")]
    assert list(CampaignEvent.objects.values_list("kind", flat=True)) == ["orphan_recovered"]
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id="sw-1", now=LATER)
    assert refused.value.status == 409

    end_attempt(made.pk, outcome=Outcome.ANSWERED, reason="call", now=LATER)
    contact.refresh_from_db()
    assert (contact.state, contact.attempts_made) == (ContactState.DONE, 2 if is_redialed_before else 1)


def test_connect_of_a_lost_attempt_is_refused_while_its_contact_is_dialed_again() -> None:
    attempt, token = dialed()
    contact = attempt.contact
    CallAttempt.objects.filter(pk=attempt.pk).delete()
    attempt_in(AttemptState.DISPATCHING, contact=contact)
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id="sw-1", now=LATER)
    assert refused.value.status == 409


@pytest.mark.parametrize("call_id", ["", "x" * 129])
def test_connect_refuses_a_call_id_that_is_none(call_id: str) -> None:
    _, token = dialed()
    with pytest.raises(CallRefused) as refused:
        connect(token=token, switch_call_id=call_id, now=LATER)
    assert refused.value.code == "bad_call_id"


@pytest.mark.parametrize(
    ("state", "to", "outcome", "reason"),
    [
        (AttemptState.CLAIMED, AttemptState.ENDED, Outcome.RELEASED, "claim_lease"),
        (AttemptState.DISPATCHING, AttemptState.UNKNOWN, "", "dispatch_lease"),
        (AttemptState.UNKNOWN, AttemptState.ENDED, Outcome.UNCONFIRMED, "no_proof"),
        (AttemptState.PLACED, AttemptState.ENDED, Outcome.NO_ANSWER, "no_connect"),
        (AttemptState.IN_CALL, AttemptState.ENDED, Outcome.ANSWERED, "call_deadline"),
    ],
)
def test_reap_moves_on_what_missed_its_deadline(state, to, outcome, reason) -> None:
    overdue = attempt_in(state, deadline_at=NOW)
    in_time = attempt_in(state, deadline_at=NOW + timedelta(seconds=1))
    assert reap(now=NOW) == 1
    overdue.refresh_from_db()
    in_time.refresh_from_db()
    assert (overdue.state, overdue.outcome, overdue.reason) == (to, outcome, reason)
    assert in_time.state == state


def test_reap_of_a_lost_marker_waits_for_ring_and_answer(settings) -> None:
    campaign = make_campaign(ring_timeout_s=30)
    contact = make_contact(campaign, state=ContactState.DIALING)
    attempt = attempt_in(AttemptState.DISPATCHING, contact=contact, deadline_at=NOW)
    reap(now=NOW)
    attempt.refresh_from_db()
    wait_s = settings.DIAL_TOTAL_TIMEOUT_S + 30 + settings.RING_GRACE_S
    assert attempt.deadline_at == NOW + timedelta(seconds=wait_s)


def test_reap_takes_one_batch_of_the_oldest() -> None:
    early = attempt_in(AttemptState.PLACED, deadline_at=NOW - timedelta(seconds=9))
    late = attempt_in(AttemptState.PLACED, deadline_at=NOW)
    assert reap(now=NOW, limit=1) == 1
    states = dict(CallAttempt.objects.values_list("pk", "state"))
    assert states == {early.pk: AttemptState.ENDED, late.pk: AttemptState.PLACED}


def test_released_attempt_frees_its_number_and_backs_off_further_each_time() -> None:
    contact = make_contact(state=ContactState.DIALING)
    waits = []
    for _ in range(8):
        attempt = attempt_in(AttemptState.CLAIMED, contact=contact, number=1)
        end_attempt(attempt.pk, outcome=Outcome.RELEASED, reason="not_connected", now=NOW)
        contact.refresh_from_db()
        assert contact.next_attempt_at
        waits.append((contact.next_attempt_at - NOW).total_seconds())
        Contact.objects.filter(pk=contact.pk).update(state=ContactState.DIALING)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert set(CallAttempt.objects.values_list("number", "is_counted")) == {(None, False)}
    assert AttemptLog.objects.filter(reason="not_connected").count() == 8
    assert attempts.REAP_BATCH == 200
