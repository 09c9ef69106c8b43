"""Contacts: how an attempt's end moves them on, and how they finish."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db.models import Count, QuerySet

from campaigns.enums import AttemptState, CampaignState, ContactState, Outcome, WebhookEvent
from campaigns.models import CallAttempt, Contact
from campaigns.policies.outcomes import AttemptEnd, Progress, is_counted, settle
from campaigns.queries.dialing import opening_for, redial_rules
from campaigns.services.outbox import record_event
from campaigns.states import CONTACT_STEPS, FINAL_CONTACT_STATES, next_state


def settle_contact(contact_id: int, end: AttemptEnd) -> Contact:
    """Move a contact on after its attempt ended, inside the transaction that ended it."""
    contact = Contact.objects.select_for_update(of=("self",)).select_related("campaign").get(pk=contact_id)
    contact.last_outcome = end.outcome
    contact.disposition = end.disposition or contact.disposition
    contact.attempts_made += is_counted(end.outcome)
    if contact.state == ContactState.DIALING:
        progress = Progress(
            attempts_made=contact.attempts_made,
            releases=contact.releases,
            ended=_ended_by_outcome(contact_id),
            is_campaign_canceled=contact.campaign.state == CampaignState.CANCELED,
            is_callback=contact.callback_at is not None,
        )
        settlement = settle(end, progress, redial_rules(contact.campaign))
        contact.state = next_state(CONTACT_STEPS, ContactState(contact.state), settlement.state)
        contact.state_reason = settlement.reason
        contact.releases = settlement.releases
        contact.callback_at = _callback_after(contact, end)
        contact.next_attempt_at = (
            opening_for(contact, settlement.next_attempt_at) if settlement.next_attempt_at is not None else None
        )
    contact.updated_at = end.at
    contact.save()
    if contact.state in FINAL_CONTACT_STATES:
        record_contact_finished(contact, now=end.at)
    return contact


def correct_contact(contact_id: int, end: AttemptEnd) -> Contact:
    """Record that a late call reached the contact, and what it came to: no more dialing.

    Where another attempt is already under way, its own end finishes the contact.
    """
    contact = Contact.objects.select_for_update(of=("self",)).get(pk=contact_id)
    contact.last_outcome = end.outcome
    contact.disposition = end.disposition or contact.disposition
    has_open_attempt = CallAttempt.objects.filter(contact_id=contact_id).exclude(state=AttemptState.ENDED).exists()
    if contact.state not in (ContactState.DONE, ContactState.TEST) and not has_open_attempt:
        contact.state = next_state(CONTACT_STEPS, ContactState(contact.state), ContactState.DONE)
        contact.state_reason = end.reason
        contact.next_attempt_at = None
    contact.updated_at = end.at
    contact.save()
    return contact


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
    is_over = contact.state != ContactState.PENDING or end.outcome == Outcome.ANSWERED
    return end.callback_at if is_over else end.callback_at or contact.callback_at


def _ended_by_outcome(contact_id: int) -> Counter[str]:
    counted = CallAttempt.objects.filter(contact_id=contact_id, is_counted=True).values("outcome")
    rows = counted.annotate(times=Count("id")).order_by()
    return Counter({row["outcome"]: row["times"] for row in rows})
