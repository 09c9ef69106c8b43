"""Stopping a trunk, or one campaign on it, whose requests to the switch fail too often."""

from __future__ import annotations

from datetime import datetime

from campaigns.enums import TrunkHold
from campaigns.errors import IllegalTransition
from campaigns.models import CallAttempt, CampaignEvent, Trunk
from campaigns.policies.post_breaker import WINDOW, PostCount, counts_from, is_tripped
from campaigns.queries.failed_posts import (
    breaker_limits,
    count_posts,
    latest_failures,
    posts_of_campaign,
    posts_of_trunk,
    resumed_at,
)
from campaigns.services import trunks
from campaigns.services.campaigns import pause


def stop_if_failing(attempt: CallAttempt, *, now: datetime) -> bool:
    """Hold the trunk of a request that has just failed, or pause its campaign, if too many did; True if it stopped one.

    Only a person lets it go on. Then it dials at half pace and grows, and only requests from then on are counted.
    """
    trunk = Trunk.objects.get(pk=attempt.trunk_id)
    if trunk.hold != TrunkHold.NONE:
        return False
    return _hold_trunk(trunk, now) or _pause_campaign(attempt.campaign_id, trunk, now)


def _hold_trunk(trunk: Trunk, now: datetime) -> bool:
    posts = posts_of_trunk(trunk.pk, counts_from(now, resumed_at=trunk.released_at))
    count = count_posts(posts)
    is_on_trial = trunk.released_at is not None and trunk.released_at > now - WINDOW
    if not is_tripped(count, breaker_limits(), is_on_trial=is_on_trial):
        return False
    return trunks.hold(
        trunk.pk, TrunkHold.BREAKER, detail=f"{_in_words(count)}.", now=now, failures=latest_failures(posts)
    )


def _pause_campaign(campaign_id: int, trunk: Trunk, now: datetime) -> bool:
    """For a campaign that fails among others that work."""
    since = max((at for at in (resumed_at(campaign_id), trunk.released_at) if at is not None), default=None)
    posts = posts_of_campaign(campaign_id, counts_from(now, resumed_at=since))
    count = count_posts(posts)
    if not is_tripped(count, breaker_limits(), is_on_trial=False):
        return False
    failures = latest_failures(posts)
    try:
        pause(campaign_id, now=now, reason=_in_words(count))
    except IllegalTransition:
        return False
    CampaignEvent.objects.create(
        campaign_id=campaign_id,
        at=now,
        kind="requests_failed",
        message="The last requests to the switch that failed.",
        details={"failures": failures},
    )
    return True


def _in_words(count: PostCount) -> str:
    return f"{count.failed} of the last minute's {count.total} requests to the switch failed"
