"""Today at a glance, and campaigns with their progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count

from campaigns.enums import CampaignState, ContactState
from campaigns.models import Call, CallAttempt, Campaign, Contact
from campaigns.queries.calls import listed_calls, live_calls
from campaigns.queries.remembered import Remembered
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


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What is counted over many rows: since midnight, and over the last hours."""

    traffic: Traffic
    acd_s: float | None
    by_hour: tuple[HourCount, ...]


def overview(now: datetime) -> Overview:
    """What the first page shows at this moment.

    The numbers of a day with 100,000 attempts may be ten seconds old; what is live, and how far campaigns are, is not.
    """
    today = midnight(now)
    numbers = _COUNTED.get(today, now, lambda: _count(today, now))
    live = live_calls()
    active = progress_of(Campaign.objects.filter(state__in=ACTIVE_STATES).order_by("-launched_at", "-id"))
    return Overview(
        traffic=numbers.traffic,
        acd_s=numbers.acd_s,
        live_count=live.count(),
        waiting=sum(progress.contacts[ContactState.PENDING] for progress in active),
        by_hour=numbers.by_hour,
        active=tuple(active),
        live=tuple(live[:LIVE_CALLS_SHOWN]),
        latest=tuple(listed_calls().filter(ended_at__isnull=False)[:LATEST_CALLS_SHOWN]),
    )


def _count(today: datetime, now: datetime) -> _Numbers:
    return _Numbers(
        traffic_of(CallAttempt.objects.filter(claimed_at__gte=today)),
        average_duration_s(Call.objects.filter(started_at__gte=today)),
        attempts_by_hour(CallAttempt.objects.all(), now),
    )


# By the midnight it counts from: the days of two time zones are two.
_COUNTED: Final = Remembered[_Numbers](
    lambda numbers: max(sum(numbers.traffic.outcomes.values()), sum(hour.attempts for hour in numbers.by_hour))
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
