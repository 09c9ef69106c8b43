"""Requests to the switch that failed lately, of a trunk or of one campaign."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from campaigns.enums import AttemptState, CampaignState, Outcome
from campaigns.models import CallAttempt, Campaign, CampaignEvent
from campaigns.policies.post_breaker import BreakerLimits, PostCount
from campaigns.states import CampaignAction

SHOWN: Final = 5
NOT_CONNECTED: Final = "not_connected"
_FAILED: Final = Q(state=AttemptState.UNKNOWN) | Q(outcome=Outcome.RELEASED, reason=NOT_CONNECTED)
# Given back without a request, or with one that says nothing of the switch's health: a pause, a throttle, a hold.
_SAYS_NOTHING: Final = Q(outcome=Outcome.RELEASED) & ~Q(reason=NOT_CONNECTED)


def breaker_limits() -> BreakerLimits:
    """The installation's limits."""
    return BreakerLimits(settings.BREAKER_FAILED_SHARE, settings.BREAKER_MIN_POSTS)


def posts_of_trunk(trunk_id: int, since: datetime) -> QuerySet[CallAttempt]:
    """Attempts of a trunk whose request was sent since then and is over."""
    live = Campaign.objects.filter(trunk_id=trunk_id).exclude(state__in=(CampaignState.DRAFT, CampaignState.SCHEDULED))
    return _posts(CallAttempt.objects.filter(campaign__in=live, trunk_id=trunk_id), since)


def posts_of_campaign(campaign_id: int, since: datetime) -> QuerySet[CallAttempt]:
    """Attempts of a campaign whose request was sent since then and is over."""
    return _posts(CallAttempt.objects.filter(campaign_id=campaign_id), since)


def count_posts(posts: QuerySet[CallAttempt]) -> PostCount:
    """How many there are, and how many failed."""
    counted = posts.aggregate(total=Count("pk"), failed=Count("pk", filter=_FAILED))
    return PostCount(counted["total"], counted["failed"])


def latest_failures(posts: QuerySet[CallAttempt]) -> list[dict[str, Any]]:
    """The last of them that failed, as they stand in a campaign's log."""
    failed = posts.filter(_FAILED).order_by("-dispatched_at")[:SHOWN]
    return [
        {"attempt_id": str(attempt.pk), "contact_id": attempt.contact_id, "reason": attempt.reason}
        for attempt in failed
    ]


def resumed_at(campaign_id: int) -> datetime | None:
    """When a person last started or resumed a campaign."""
    started = CampaignEvent.objects.filter(
        campaign_id=campaign_id, kind__in=(CampaignAction.LAUNCH.value, CampaignAction.RESUME.value)
    )
    return started.order_by("-id").values_list("at", flat=True).first()


def _posts(attempts: QuerySet[CallAttempt], since: datetime) -> QuerySet[CallAttempt]:
    # A claim is at most a lease older than its request; by the claim there is an index.
    claimed_since = since - timedelta(seconds=settings.CLAIM_LEASE_S)
    sent = attempts.filter(claimed_at__gte=claimed_since, dispatched_at__gte=since)
    return sent.exclude(state=AttemptState.DISPATCHING).exclude(_SAYS_NOTHING)
