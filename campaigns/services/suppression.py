"""The do-not-call list."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.enums import ContactState, SuppressionSource
from campaigns.models import Call, Campaign, Contact, SuppressedNumber
from campaigns.services.contacts import finish_waiting

SUPPRESSED = "suppressed"


def suppress(
    phone_number: str,
    *,
    reason: str,
    source: SuppressionSource,
    now: datetime,
    expires_at: datetime | None = None,
    call: Call | None = None,
    campaign: Campaign | None = None,
) -> SuppressedNumber:
    """Put a number on the do-not-call list and block every contact that waits to be dialed on it.

    With `campaign` it is on that campaign's list alone, without on everybody's. `call` is the one in which it was asked
    for. Adding it again keeps the stricter of the two expiries; None never expires. Contacts being dialed right now are
    stopped by the gate, which reads the list in the transaction of the marker.
    """
    with transaction.atomic():
        entry, is_new = SuppressedNumber.objects.select_for_update().get_or_create(
            phone_number=phone_number,
            campaign=campaign,
            defaults={"reason": reason[:200], "source": source, "expires_at": expires_at, "call": call},
        )
        if not is_new:
            entry.reason, entry.source = reason[:200] or entry.reason, source
            entry.expires_at, entry.call = _later(entry.expires_at, expires_at), call
            entry.save(update_fields=["reason", "source", "expires_at", "call"])
        if expires_at is None or expires_at > now:
            waiting = Contact.objects.filter(phone_number=phone_number, state=ContactState.PENDING)
            waiting = waiting if campaign is None else waiting.filter(campaign=campaign)
            finish_waiting(waiting, state=ContactState.BLOCKED, reason=SUPPRESSED, now=now)
    return entry


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)
