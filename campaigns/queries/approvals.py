"""Which campaigns need a second person's approval."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db.models import QuerySet

from campaigns.enums import CampaignState
from campaigns.models import Campaign, CustomerList, ListEntry


def needs_approval(campaign: Campaign) -> bool:
    """Whether the campaign is too large to be launched without the approval it does not have."""
    return campaign.approved_at is None and is_large(campaign.customer_lists.all())


def is_large(lists: Iterable[CustomerList]) -> bool:
    """Whether these lists together have more customers than one person may launch a campaign for."""
    most: int = settings.APPROVAL_OVER_CONTACTS
    if not most:
        return False
    customers = ListEntry.objects.filter(list__in=[each.pk for each in lists]).order_by().values("customer").distinct()
    return customers[: most + 1].count() > most


def is_waiting(campaign: Campaign) -> bool:
    """Whether a launch was asked for and nobody has approved it yet."""
    return campaign.approval_asked_at is not None and campaign.approved_at is None


def waiting_for_approval() -> QuerySet[Campaign]:
    """Campaigns whose launch waits for approval, the longest first."""
    states = (CampaignState.DRAFT, CampaignState.SCHEDULED)
    waiting = Campaign.objects.filter(approval_asked_at__isnull=False, approved_at=None, state__in=states)
    return waiting.select_related("approval_asked_by").order_by("approval_asked_at")
