"""What a customer asks for during a call: written at once, obeyed by the dialer, and safe to be told again."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, SpeakerKind, SuppressionSource
from campaigns.errors import CallRequestRefused
from campaigns.models import BridgeNode, Call, Campaign, CampaignEvent, Contact, SuppressedNumber, TranscriptTurn
from campaigns.policies.outcomes import CALLBACK_LASTS
from campaigns.queries.contacts import because
from campaigns.queries.dialing import due_contacts
from campaigns.services import calls
from campaigns.services.attempts import end_attempt
from campaigns.services.call_requests import (
    add_to_dnc,
    heed_spoken_opt_out,
    prepare_transfer,
    schedule_callback,
)
from campaigns.services.calls import CallEnd
from campaigns.services.claiming import claim_due
from campaigns.services.contacts import expire_callbacks
from campaigns.services.dialing import mark
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_contact

pytestmark = pytest.mark.django_db

SOON = NOW + timedelta(minutes=1)
TOMORROW = NOW + timedelta(days=1)


def live_call() -> Call:
    """A call that is being held, of a contact that is being dialed."""
    campaign = make_campaign(max_attempts=1, calls_per_second=100)
    contact = make_contact(campaign, state=ContactState.DIALING)
    attempt = make_attempt(
        contact, at=NOW - timedelta(seconds=30), state=AttemptState.IN_CALL, answered_at=NOW - timedelta(seconds=20)
    )
    return make_call(attempt, duration_s=None)


def incoming_call(number: str = "+84912345678") -> Call:
    call = live_call()
    Call.objects.filter(pk=call.pk).update(attempt=None, customer_number=number)
    return Call.objects.get(pk=call.pk)


def hang_up(call: Call, **end) -> Contact:
    calls.finish_call(call_id=call.pk, end=CallEnd("agent_hangup", **end), now=SOON)
    return Contact.objects.get(attempts__call=call)


def kinds() -> list[str]:
    return list(CampaignEvent.objects.values_list("kind", flat=True))


def test_opt_out_is_on_the_list_before_the_call_ends() -> None:
    call = live_call()
    add_to_dnc(call_id=call.pk, reason="no interest", now=NOW)
    add_to_dnc(call_id=call.pk, reason="again", now=SOON)
    entry = SuppressedNumber.objects.get()
    assert (entry.reason, entry.source, entry.call) == ("no interest", SuppressionSource.CALL, call)
    assert kinds() == ["customer_opted_out"]

    contact = hang_up(call, disposition="")
    entry.refresh_from_db()
    assert (contact.state, entry.reason) == (ContactState.BLOCKED, "no interest")
    assert Call.objects.get().disposition == "do_not_call"


def test_an_agent_that_only_says_what_the_call_came_to_is_obeyed_at_once() -> None:
    call = live_call()
    calls.record_findings(call_id=call.pk, answers=[], disposition="do_not_call", now=NOW)
    assert SuppressedNumber.objects.get().call == call


def test_opt_out_of_a_call_that_came_to_us_is_of_its_callers_number() -> None:
    add_to_dnc(call_id=incoming_call("0912 345 678").pk, reason="", now=NOW)
    entry = SuppressedNumber.objects.get()
    assert (entry.phone_number, entry.reason) == ("+84912345678", "Asked for during a call")
    assert kinds() == []


@pytest.mark.parametrize("number", ["", "anonymous", "101"])
def test_opt_out_of_nobody_known_is_refused(number) -> None:
    with pytest.raises(CallRequestRefused) as refused:
        add_to_dnc(call_id=incoming_call(number).pk, reason="", now=NOW)
    assert refused.value.code == "number_unknown"


def test_requests_of_no_call_are_refused() -> None:
    with pytest.raises(Call.DoesNotExist):
        add_to_dnc(call_id=uuid4(), reason="", now=NOW)


def test_callback_moves_the_contact_to_its_time_beyond_the_last_attempt() -> None:
    call = live_call()
    schedule_callback(call_id=call.pk, at=TOMORROW, note="after lunch", now=NOW)
    schedule_callback(call_id=call.pk, at=TOMORROW, note="after lunch", now=SOON)
    assert kinds() == ["callback_asked_for"]
    contact = hang_up(call, disposition="completed")
    assert (contact.state, contact.state_reason) == (ContactState.PENDING, "callback")
    assert (contact.callback_at, contact.next_attempt_at) == (TOMORROW, TOMORROW)

    BridgeNode.objects.create(name="b1", capacity=10, seen_at=TOMORROW)
    (claim,) = claim_due(contact.campaign.trunk_id, now=TOMORROW)
    assert mark(claim.attempt_id, claim.fence, now=TOMORROW) is not None


def test_callback_outside_the_calling_window_waits_for_its_opening() -> None:
    call = live_call()
    at_night = NOW.replace(hour=19) + timedelta(days=1)
    schedule_callback(call_id=call.pk, at=at_night, note="", now=NOW)
    contact = hang_up(call)
    assert contact.next_attempt_at is not None
    assert at_night < contact.next_attempt_at < at_night + timedelta(hours=12)


def test_callback_goes_before_contacts_of_a_higher_priority() -> None:
    campaign = make_campaign()
    important = make_contact(campaign, priority=9, next_attempt_at=NOW - timedelta(days=1))
    asked = make_contact(campaign, callback_at=NOW)
    later = make_contact(campaign, callback_at=SOON, next_attempt_at=SOON)
    assert list(due_contacts(campaign, now=NOW, limit=1)) == [asked]
    assert list(due_contacts(campaign, now=SOON, limit=9)) == [asked, later, important]


@pytest.mark.parametrize(
    ("outcome", "stands"), [(Outcome.ANSWERED, False), (Outcome.NO_ANSWER, True), (Outcome.RELEASED, True)]
)
def test_callback_stands_until_it_was_talked_about(outcome, stands) -> None:
    campaign = make_campaign(max_attempts=9)
    contact = make_contact(campaign, state=ContactState.DIALING, callback_at=NOW)
    make_attempt(contact, at=NOW - timedelta(days=1), outcome=Outcome.ANSWERED)
    attempt = make_attempt(contact)
    end_attempt(attempt.pk, outcome=outcome, reason="", now=SOON)
    contact.refresh_from_db()
    assert (contact.state == ContactState.PENDING, contact.callback_at is not None) == (stands, stands)


@pytest.mark.parametrize("at", [NOW - timedelta(hours=1), NOW, NOW + timedelta(days=91)])
def test_callback_at_no_time_to_come_is_refused(at) -> None:
    call = live_call()
    with pytest.raises(CallRequestRefused):
        schedule_callback(call_id=call.pk, at=at, note="", now=NOW)
    call.refresh_from_db()
    assert call.callback_at is None


def test_callback_of_somebody_who_must_not_be_called_is_refused() -> None:
    call = live_call()
    add_to_dnc(call_id=call.pk, reason="", now=NOW)
    with pytest.raises(CallRequestRefused):
        schedule_callback(call_id=call.pk, at=TOMORROW, note="", now=NOW)


@pytest.mark.parametrize("state", [ContactState.PENDING, ContactState.DONE, ContactState.EXHAUSTED])
def test_callback_that_is_told_after_the_end_of_the_call_is_kept(state) -> None:
    call = live_call()
    hang_up(call)
    Contact.objects.update(state=state, next_attempt_at=SOON)
    schedule_callback(call_id=call.pk, at=TOMORROW, note="", now=SOON)
    moved = Contact.objects.get()
    assert (moved.state, moved.state_reason) == (ContactState.PENDING, "callback")
    assert (moved.callback_at, moved.next_attempt_at) == (TOMORROW, TOMORROW)


@pytest.mark.parametrize(
    ("contact", "campaign"),
    [(ContactState.BLOCKED, CampaignState.RUNNING), (ContactState.DONE, CampaignState.FINISHED)],
)
def test_callback_that_is_told_too_late_stands_in_the_log_alone(contact, campaign) -> None:
    call = live_call()
    hang_up(call)
    Contact.objects.update(state=contact, next_attempt_at=None)
    Campaign.objects.update(state=campaign)
    schedule_callback(call_id=call.pk, at=TOMORROW, note="", now=SOON)
    assert (Contact.objects.get().state, kinds()) == (contact, ["callback_asked_for"])


def test_callback_told_during_the_next_attempt_is_waited_for_after_it() -> None:
    call = live_call()
    contact = hang_up(call)
    Contact.objects.update(state=ContactState.DIALING, next_attempt_at=None)
    redial = make_attempt(contact, at=SOON)
    schedule_callback(call_id=call.pk, at=TOMORROW, note="", now=SOON)
    assert Contact.objects.get().state == ContactState.DIALING
    end_attempt(redial.pk, outcome=Outcome.NO_ANSWER, reason="no_connect", now=SOON)
    assert Contact.objects.get().next_attempt_at == TOMORROW


def test_one_wish_is_one_call_beyond_the_last_attempt() -> None:
    call = live_call()
    schedule_callback(call_id=call.pk, at=TOMORROW, note="", now=NOW)
    contact = hang_up(call)
    BridgeNode.objects.create(name="b1", capacity=10, seen_at=TOMORROW)
    (claim,) = claim_due(contact.campaign.trunk_id, now=TOMORROW)
    assert mark(claim.attempt_id, claim.fence, now=TOMORROW) is not None
    end_attempt(claim.attempt_id, outcome=Outcome.NO_ANSWER, reason="no_connect", now=TOMORROW)
    contact.refresh_from_db()
    assert (contact.state, contact.state_reason) == (ContactState.EXHAUSTED, "max_attempts")
    assert (contact.callback_at, contact.attempts_made) == (None, 2)


def test_a_wish_that_could_not_be_met_for_days_puts_nobody_before_others() -> None:
    campaign = make_campaign(max_attempts=3)
    stale = make_contact(campaign, callback_at=NOW - CALLBACK_LASTS, priority=1)
    fresh = make_contact(campaign, callback_at=NOW - CALLBACK_LASTS + timedelta(seconds=1))
    important = make_contact(campaign, priority=9)
    assert expire_callbacks(now=NOW) == 1
    assert expire_callbacks(now=NOW) == 0
    assert list(due_contacts(campaign, now=NOW, limit=9)) == [fresh, important, stale]
    stale.refresh_from_db()
    assert because(stale).startswith("The customer's wish to be called could not be met in time")


def test_callback_of_a_call_that_came_to_us_is_kept_on_the_call() -> None:
    call = incoming_call()
    schedule_callback(call_id=call.pk, at=TOMORROW, note="x" * 300, now=NOW)
    call.refresh_from_db()
    assert (call.callback_at, len(call.callback_note)) == (TOMORROW, 200)


def test_transfer_is_known_before_the_vendor_asks() -> None:
    call = live_call()
    prepare_transfer(call_id=call.pk, target="101", now=NOW)
    prepare_transfer(call_id=call.pk, target="101", now=NOW)
    call.refresh_from_db()
    assert (call.transferred_to, kinds()) == ("101", ["transfer_prepared"])


@pytest.mark.parametrize(
    ("speaker", "text", "phrase"),
    [
        (SpeakerKind.CUSTOMER, "Please don't call me again.", "don't call me again"),
        (SpeakerKind.AGENT, "We will never call again.", ""),
        (SpeakerKind.CUSTOMER, "Please call me again.", ""),
    ],
)
def test_spoken_opt_out_is_heeded_though_the_agent_did_not(speaker, text, phrase) -> None:
    call = live_call()
    TranscriptTurn.objects.create(call=call, seq=99, speaker=speaker, text=text, start_ms=0, end_ms=900)
    assert heed_spoken_opt_out(call.pk, now=NOW) == phrase
    assert SuppressedNumber.objects.exists() is bool(phrase)


def test_spoken_opt_out_of_nobody_known_is_no_failure() -> None:
    call = incoming_call("")
    TranscriptTurn.objects.create(
        call=call, seq=99, speaker=SpeakerKind.CUSTOMER, text="Stop calling!", start_ms=0, end_ms=900
    )
    assert heed_spoken_opt_out(call.pk, now=NOW) == "stop calling"
    assert not SuppressedNumber.objects.exists()
