"""The first calls of a campaign that is started carefully."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Count, Q

from campaigns.enums import CampaignState, CanaryState, Outcome
from campaigns.models import CallAttempt, Campaign
from campaigns.policies.canary import CanaryCount, CanaryLimits, calls_left

_OPEN: Final = Q(ended_at=None)
_IS_ANSWERED: Final = Q(answered_at__isnull=False)
_FAILED: Final = Q(outcome__in=(Outcome.FAILED, Outcome.CONGESTION, Outcome.UNCONFIRMED))


def canary_limits(campaign: Campaign) -> CanaryLimits:
    """What the campaign asks of its first calls."""
    return CanaryLimits(campaign.canary_calls, campaign.canary_answered_min, campaign.canary_failed_max)


def canary_count(campaign: Campaign) -> CanaryCount:
    """The campaign's calls since its careful start began; what was never sent is no call."""
    since: datetime | None = campaign.canary_since
    if since is None:
        return CanaryCount(0, 0, 0, 0)
    attempts = CallAttempt.objects.filter(campaign=campaign, claimed_at__gte=since, is_test=False)
    return CanaryCount(
        **attempts.filter(_OPEN | Q(is_counted=True)).aggregate(
            begun=Count("pk"),
            undecided=Count("pk", filter=_OPEN & ~_IS_ANSWERED),
            answered=Count("pk", filter=_IS_ANSWERED & ~_FAILED),
            failed=Count("pk", filter=_FAILED),
        )
    )


def canary_calls_left(campaign: Campaign) -> int | None:
    """How many calls the careful start still lets begin; None where there is none, or it is over."""
    if campaign.canary_state != CanaryState.RUNNING:
        return None
    return calls_left(canary_count(campaign), canary_limits(campaign))


def running_canaries() -> list[Campaign]:
    """Running campaigns whose first calls are being looked at."""
    return list(Campaign.objects.filter(state=CampaignState.RUNNING, canary_state=CanaryState.RUNNING))
