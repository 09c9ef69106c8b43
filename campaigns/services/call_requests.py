"""What a customer asks for during a call, written while the line is still open.

The agent says "I will see to it" only after the row says so. Each request may be told twice, and also after the call
has ended, by a journal that outlived its process; both change nothing that the first telling has not.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from campaigns.enums import ContactState, SpeakerKind, SuppressionSource
from campaigns.errors import CallRequestRefused
from campaigns.models import Call, CampaignEvent, Contact, SuppressedNumber
from campaigns.policies.cadence import DO_NOT_CALL, WAIT_MAX_S
from campaigns.policies.clean_text import clean_text
from campaigns.policies.eligibility import OVER_STATES
from campaigns.policies.opt_out import find_opt_out, opt_out_phrases
from campaigns.policies.outcomes import CALLBACK
from campaigns.queries.calling_rules import is_suppressed
from campaigns.queries.dialing import try_at
from campaigns.services.suppression import suppress
from campaigns.states import CONTACT_STEPS, next_state
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number

log = logging.getLogger(__name__)

MAX_NOTE_CHARS = 200
# Contacts that a wish told late still reaches: not those that must not be called, and not those of no list.
MOVABLE_STATES = (ContactState.PENDING, ContactState.DIALING, ContactState.DONE, ContactState.EXHAUSTED)
MAX_TARGET_CHARS = 32


def add_to_dnc(*, call_id: UUID, reason: str, now: datetime) -> None:
    """Never dial the call's customer again; committed on return.

    Raises:
        CallRequestRefused: nobody knows the customer's number.
        Call.DoesNotExist: there is no such call.
    """
    with transaction.atomic():
        call = _locked(call_id)
        number = _number_of(call)
        if SuppressedNumber.objects.filter(phone_number=number, call=call, expires_at=None).exists():
            return
        reason = clean_text(reason, max_chars=MAX_NOTE_CHARS) or "Asked for during a call"
        suppress(number, reason=reason, source=SuppressionSource.CALL, now=now, call=call)
        if not call.disposition:
            call.disposition = DO_NOT_CALL
            call.save(update_fields=["disposition"])
        _log(call, "customer_opted_out", "A customer asked not to be called again.", now)


def schedule_callback(*, call_id: UUID, at: datetime, note: str, now: datetime) -> None:
    """Note when the call's customer wants to be called again; the contact is moved there when the call ends.

    Raises:
        CallRequestRefused: not a time to come within 90 days, or the customer must not be called.
        Call.DoesNotExist: there is no such call.
    """
    if not now < at <= now + timedelta(seconds=WAIT_MAX_S):
        raise CallRequestRefused("callback_time", "The time must lie within the next 90 days.")
    with transaction.atomic():
        call = _locked(call_id)
        if call.attempt is not None and is_suppressed(call.attempt.phone_number, now):
            raise CallRequestRefused("suppressed", "This customer asked not to be called.")
        note = clean_text(note, max_chars=MAX_NOTE_CHARS)
        if (call.callback_at, call.callback_note) == (at, note):
            return
        call.callback_at, call.callback_note = at, note
        call.save(update_fields=["callback_at", "callback_note"])
        if call.attempt is not None:
            _move_contact(call, call.attempt.contact_id, at, now)
        shown_at = timezone.localtime(at).isoformat(timespec="minutes")
        _log(call, "callback_asked_for", f"A customer asked to be called again at {shown_at}.", now)


def prepare_transfer(*, call_id: UUID, target: str, now: datetime) -> None:
    """Note to whom the customer is about to be handed, for a vendor that asks back.

    Raises:
        Call.DoesNotExist: there is no such call.
    """
    with transaction.atomic():
        call = _locked(call_id)
        target = clean_text(target, max_chars=MAX_TARGET_CHARS)
        if call.transferred_to != target:
            call.transferred_to = target
            call.save(update_fields=["transferred_to"])
            _log(call, "transfer_prepared", "A customer is about to be transferred.", now)


def heed_spoken_opt_out(call_id: UUID, *, now: datetime) -> str:
    """Look for a wish not to be called again in what the customer said, and obey it; the phrase, empty if none.

    Raises:
        Call.DoesNotExist: there is no such call.
    """
    call = Call.objects.get(pk=call_id)
    said = call.turns.filter(speaker=SpeakerKind.CUSTOMER).values_list("text", flat=True)
    phrases = opt_out_phrases({"en": settings.OPT_OUT_PHRASES_EN, "vi": settings.OPT_OUT_PHRASES_VI})
    phrase = find_opt_out(said, phrases)
    if phrase:
        obey_opt_out(call_id, now=now, reason=f"Said in a call: “{phrase}”")
    return phrase


def obey_opt_out(call_id: UUID, *, now: datetime, reason: str = "") -> None:
    """Never dial the call's customer again, where it is known who that is.

    Raises:
        Call.DoesNotExist: there is no such call.
    """
    try:
        add_to_dnc(call_id=call_id, reason=reason, now=now)
    except CallRequestRefused:
        log.warning("opt_out_without_number", extra={"call_id": str(call_id)})


def _locked(call_id: UUID) -> Call:
    return Call.objects.select_for_update(of=("self",)).select_related("attempt").get(pk=call_id)


def _number_of(call: Call) -> str:
    if call.attempt is not None:
        return call.attempt.phone_number
    try:
        return parse_phone_number(call.customer_number, settings.DEFAULT_REGION).e164
    except PhoneNumberError:
        raise CallRequestRefused("number_unknown", "The customer's number is not known.") from None


def _move_contact(call: Call, contact_id: int, at: datetime, now: datetime) -> None:
    """Where the wish comes after the call's end, the contact has been moved on already, and is moved again."""
    contact = Contact.objects.select_for_update(of=("self",)).select_related("campaign").get(pk=contact_id)
    if call.ended_at is None or contact.campaign.state in OVER_STATES or contact.state not in MOVABLE_STATES:
        return
    contact.callback_at = at
    if contact.state != ContactState.DIALING:
        if contact.state != ContactState.PENDING:
            contact.state = next_state(CONTACT_STEPS, ContactState(contact.state), ContactState.PENDING)
        contact.state_reason, contact.next_attempt_at = CALLBACK, try_at(contact, at)
    contact.updated_at = now
    contact.save(update_fields=["state", "state_reason", "callback_at", "next_attempt_at", "updated_at"])


def _log(call: Call, kind: str, message: str, now: datetime) -> None:
    """One line in the campaign's log. A call that came to us has no campaign: its own row tells it."""
    log.info(kind, extra={"call_id": str(call.pk)})
    if call.attempt is not None:
        details = {"call_id": str(call.pk), "contact_id": call.attempt.contact_id}
        CampaignEvent.objects.create(
            campaign_id=call.attempt.campaign_id, at=now, kind=kind, message=message, details=details
        )
