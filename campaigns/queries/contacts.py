"""Contacts as the pages list and show them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Prefetch, Q, QuerySet

from campaigns.enums import ContactState
from campaigns.models import AttemptLog, CallAttempt, Contact, CustomerList
from campaigns.policies.wait_text import next_try_because


@dataclass(frozen=True, slots=True)
class ContactDetail:
    """One contact and every attempt to reach it, latest first, each with its log (`attempt.log.all()`)."""

    contact: Contact
    attempts: tuple[CallAttempt, ...]


def contacts_matching(
    campaign_id: int, *, state: str = "", outcome: str = "", search: str = "", may_search_numbers: bool = False
) -> QuerySet[Contact]:
    """A campaign's contacts in the order they were added. `search` looks into names, and into numbers if allowed."""
    contacts = Contact.objects.filter(campaign_id=campaign_id).order_by("id")
    if state:
        contacts = contacts.filter(state=state)
    if outcome:
        contacts = contacts.filter(last_outcome=outcome)
    if search:
        found = Q(name__icontains=search)
        # A masked number must not be found out digit by digit.
        if may_search_numbers:
            found |= Q(phone_number__contains=search.replace(" ", ""))
        contacts = contacts.filter(found)
    return contacts


def because(contact: Contact) -> str:
    """Why a contact whose campaign is loaded is tried at its next time; empty if it does not wait."""
    if contact.state != ContactState.PENDING:
        return ""
    return next_try_because(
        contact.state_reason, attempts_made=contact.attempts_made, max_attempts=contact.campaign.max_attempts
    )


def contact_detail(contact_id: int) -> ContactDetail | None:
    """One contact with its attempts; None when there is no such contact."""
    contact = Contact.objects.select_related("campaign", "customer").filter(pk=contact_id).first()
    if contact is None:
        return None
    log = Prefetch("log", queryset=AttemptLog.objects.order_by("id"))
    attempts = contact.attempts.select_related("trunk", "call").prefetch_related(log).order_by("-claimed_at")
    return ContactDetail(contact=contact, attempts=tuple(attempts))


def customer_lists() -> QuerySet[CustomerList]:
    """Customer lists, newest first, each with `entry_count` and its imports (latest first)."""
    return (
        CustomerList.objects.annotate(entry_count=Count("entries"))
        .prefetch_related("imports", "campaigns")
        .order_by("-id")
    )
