"""Contacts: how an attempt's end moves them on, and how they finish."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from campaigns.enums import AttemptState, ContactState, Outcome, WebhookEvent
from campaigns.models import CallAttempt, Contact
from campaigns.policies.cadence import Try
from campaigns.policies.eligibility import OVER_STATES
from campaigns.policies.outcomes import (
    CALLBACK_EXPIRED,
    CALLBACK_LASTS,
    LATE_CONNECT,
    LIST_REMOVED,
    AttemptEnd,
    Progress,
    is_counted,
    settle,
)
from campaigns.queries.dialing import redial_rules, try_at
from campaigns.services.outbox import record_event
from campaigns.states import CONTACT_STEPS, FINAL_CONTACT_STATES, next_state


def settle_contact(attempt: CallAttempt, end: AttemptEnd, *, is_late: bool = False) -> Contact:
    """Move a contact on after its attempt ended, inside the transaction that ended it.

    `is_late` says that the attempt had been counted before, at its deadline. Where a late call of the contact is still
    being held, its end will move the contact on.
    """
    contact = _locked(attempt.contact_id)
    contact.last_outcome = end.outcome
    contact.disposition = end.disposition or contact.disposition
    contact.attempts_made += is_counted(end.outcome) and not is_late
    was_dialing = contact.state == ContactState.DIALING
    if was_dialing and not _has_other_line(attempt):
        _settle(contact, end)
    elif end.callback_at is not None:
        contact.callback_at = end.callback_at
    contact.updated_at = end.at
    contact.save()
    if contact.state in FINAL_CONTACT_STATES and (was_dialing or not is_late):
        record_contact_finished(contact, now=end.at)
    return contact


def hold_contact(contact_id: int, *, now: datetime) -> None:
    """Note that a late call has reached the contact: nobody dials it, and the call's end moves it on."""
    contact = _locked(contact_id)
    contact.last_outcome = Outcome.ANSWERED
    if contact.state not in (ContactState.DIALING, ContactState.TEST):
        contact.state = next_state(CONTACT_STEPS, ContactState(contact.state), ContactState.DIALING)
        contact.state_reason = LIST_REMOVED if contact.state_reason == LIST_REMOVED else LATE_CONNECT
        contact.next_attempt_at = None
    contact.updated_at = now
    contact.save()


def expire_callbacks(*, now: datetime) -> int:
    """Let wishes to be called that could not be met for too long put nobody before others; returns how many.

    Their contacts wait on, and are called like all others if attempts are left.
    """
    stale = Contact.objects.filter(state=ContactState.PENDING, callback_at__lte=now - CALLBACK_LASTS)
    return stale.update(callback_at=None, state_reason=CALLBACK_EXPIRED, updated_at=now)


def finish_waiting(waiting: QuerySet[Contact], *, state: ContactState, reason: str, now: datetime) -> int:
    """End contacts that wait, each with its event; returns how many. For a handful of contacts, not for a campaign."""
    finished = list(waiting.select_for_update(of=("self",)).order_by("id"))
    for contact in finished:
        contact.state = next_state(CONTACT_STEPS, ContactState(contact.state), state)
        contact.state_reason = reason
        contact.next_attempt_at = None
        contact.updated_at = now
        contact.save()
        record_contact_finished(contact, now=now)
    return len(finished)


def record_contact_finished(contact: Contact, *, now: datetime) -> None:
    """Put `contact.finished` into the outbox; a test call finishes no contact."""
    if contact.state == ContactState.TEST:
        return
    record_event(
        type=WebhookEvent.CONTACT_FINISHED,
        subject=str(contact.pk),
        occurred_at=now,
        body={
            "contact_id": contact.pk,
            "campaign_id": contact.campaign_id,
            "customer_id": contact.customer_id,
            "phone_number": contact.phone_number,
            "state": contact.state,
            "reason": contact.state_reason,
            "attempts_made": contact.attempts_made,
            "last_outcome": contact.last_outcome,
            "disposition": contact.disposition,
        },
    )


def _callback_after(contact: Contact, end: AttemptEnd) -> datetime | None:
    """A wish to be called stands until it was talked about, replaced by another, or nobody will call any more."""
    if end.callback_at is not None and contact.state == ContactState.PENDING:
        return end.callback_at
    is_over = contact.state != ContactState.PENDING or end.outcome == Outcome.ANSWERED
    return None if is_over else contact.callback_at


def _settle(contact: Contact, end: AttemptEnd) -> None:
    tries = _tries_of(contact.pk)
    progress = Progress(
        attempts_made=contact.attempts_made,
        releases=contact.releases,
        tries=tries,
        is_campaign_over=contact.campaign.state in OVER_STATES,
        callback_at=contact.callback_at,
        is_list_removed=contact.state_reason == LIST_REMOVED,
    )
    settlement = settle(end, progress, redial_rules(contact.campaign))
    contact.state = next_state(CONTACT_STEPS, ContactState(contact.state), settlement.state)
    contact.state_reason = settlement.reason
    contact.releases = settlement.releases
    contact.callback_at = _callback_after(contact, end)
    contact.next_attempt_at = None
    if settlement.next_attempt_at is not None:
        dialed_at = [each.dialed_at for each in tries if each.dialed_at is not None]
        contact.next_attempt_at = try_at(contact, settlement.next_attempt_at, settlement.moment, dialed_at)


def _locked(contact_id: int) -> Contact:
    return Contact.objects.select_for_update(of=("self",)).select_related("campaign").get(pk=contact_id)


def _has_other_line(attempt: CallAttempt) -> bool:
    """Whether another attempt of the contact is open, or a late call of one is still being held."""
    others = CallAttempt.objects.filter(contact_id=attempt.contact_id).exclude(pk=attempt.pk)
    is_late_call = Q(call__isnull=False, call__ended_at=None)
    return others.filter(~Q(state=AttemptState.ENDED) | is_late_call).exists()


def _tries_of(contact_id: int) -> list[Try]:
    counted = CallAttempt.objects.filter(contact_id=contact_id, is_counted=True).order_by("dispatched_at", "claimed_at")
    rows = counted.values_list("outcome", "call__disposition", "dispatched_at", "answered_at")
    return [Try(outcome, disposition or "", *times) for outcome, disposition, *times in rows]
