"""Which campaigns have come to an end: asked every second, so each question is one statement over indexes."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef

from campaigns.enums import CampaignState, ContactState
from campaigns.models import Campaign, Contact


def campaigns_through() -> list[int]:
    """Running campaigns that are filled and in which nobody waits and nobody is being dialed."""
    filled = Campaign.objects.filter(state=CampaignState.RUNNING, contacts_filled_at__isnull=False)
    through = filled.filter(~_has(ContactState.PENDING), ~_has(ContactState.DIALING))
    return list(through.order_by("pk").values_list("pk", flat=True))


def canceled_with_waiting(*, since: datetime) -> list[int]:
    """Campaigns canceled since then in which somebody still waits."""
    canceled = Campaign.objects.filter(state=CampaignState.CANCELED, finished_at__gte=since)
    return list(canceled.filter(_has(ContactState.PENDING)).order_by("pk").values_list("pk", flat=True))


def has_open_contacts(campaign_id: int) -> bool:
    """Whether somebody in the campaign waits or is being dialed."""
    open_states = (ContactState.PENDING, ContactState.DIALING)
    return Contact.objects.filter(campaign_id=campaign_id, state__in=open_states).exists()


def _has(state: ContactState) -> Exists:
    """Whether a campaign has a contact in this state; one state a question, so that an index answers it at once."""
    return Exists(Contact.objects.filter(campaign=OuterRef("pk"), state=state))
