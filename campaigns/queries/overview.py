"""Today at a glance, and campaigns with their progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from campaigns.enums import CampaignState, ContactState
from campaigns.models import Call, CallAttempt, Campaign, Contact
from campaigns.queries.calls import listed_calls, live_calls
from campaigns.queries.stats import (
    HourCount,
    Traffic,
    attempts_by_hour,
    average_duration_s,
    midnight,
    ratio,
    traffic_of,
)
from campaigns.states import FINAL_CONTACT_STATES, REAL_CONTACT_STATES

LATEST_CALLS_SHOWN = 8
LIVE_CALLS_SHOWN = 30
ACTIVE_STATES = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign and how far it has come. `contacts` names every state, also those with 0."""

    campaign: Campaign
    contacts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.contacts.values())

    @property
    def settled(self) -> int:
        """Contacts that will not be dialed again."""
        return sum(self.contacts[state] for state in FINAL_CONTACT_STATES)

    @property
    def share(self) -> float | None:
        """Settled part of all contacts, 0 to 1; None without contacts."""
        return ratio(self.settled, self.total)


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page. Traffic and ACD are of today (the current time zone's); the rest is as of now."""

    traffic: Traffic
    acd_s: float | None
    live_count: int
    waiting: int
    by_hour: tuple[HourCount, ...]
    active: tuple[Progress, ...]
    live: tuple[Call, ...]
    latest: tuple[Call, ...]


def overview(now: datetime) -> Overview:
    """What the first page shows at this moment."""
    today = midnight(now)
    attempts = CallAttempt.objects.filter(claimed_at__gte=today)
    live = live_calls()
    active = progress_of(Campaign.objects.filter(state__in=ACTIVE_STATES).order_by("-launched_at", "-id"))
    return Overview(
        traffic=traffic_of(attempts),
        acd_s=average_duration_s(Call.objects.filter(started_at__gte=today)),
        live_count=live.count(),
        waiting=sum(progress.contacts[ContactState.PENDING] for progress in active),
        by_hour=attempts_by_hour(CallAttempt.objects.all(), now),
        active=tuple(active),
        live=tuple(live[:LIVE_CALLS_SHOWN]),
        latest=tuple(listed_calls().filter(ended_at__isnull=False)[:LATEST_CALLS_SHOWN]),
    )


def progress_of(campaigns: Iterable[Campaign]) -> list[Progress]:
    """These campaigns with their contacts by state, in the same order; one query for all of them."""
    campaigns = list(campaigns)
    counts = {campaign.pk: {state.value: 0 for state in REAL_CONTACT_STATES} for campaign in campaigns}
    rows = (
        Contact.objects.filter(campaign__in=campaigns, state__in=REAL_CONTACT_STATES)
        .order_by()
        .values_list("campaign_id", "state")
        .annotate(total=Count("*"))
    )
    for campaign_id, state, total in rows:
        counts[campaign_id][state] = total
    return [Progress(campaign, counts[campaign.pk]) for campaign in campaigns]
