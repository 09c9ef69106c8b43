"""What the dialer needs to know before it calls: windows, capacity, who is due."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from campaigns.models import Contact
from campaigns.policies.calling_window import CallingWindow, next_opening, parse_window, zones_of


def zones_for(contact: Contact, window: CallingWindow) -> tuple[str, ...]:
    """The timezones in which the campaign's window must be open for this contact."""
    return zones_of(
        window,
        customer_zone=contact.timezone,
        number_zones=(),
        fallback=settings.TIME_ZONE,
    )


def opening_for(contact: Contact, at: datetime) -> datetime:
    """The first instant from `at` on inside the contact's calling window; `at` itself where there is none."""
    window = parse_window(contact.campaign.calling_window)
    return next_opening(window, zones_for(contact, window), at) or at
