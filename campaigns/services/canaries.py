"""Careful starts: the first calls of a campaign are looked at before it goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.enums import CanaryState
from campaigns.errors import IllegalTransition
from campaigns.models import Campaign, CampaignEvent
from campaigns.policies.canary import in_words, judge
from campaigns.queries.canaries import canary_count, canary_limits, running_canaries
from campaigns.services.campaigns import pause


def judge_canaries(*, now: datetime) -> None:
    """Let every campaign go on whose first calls went well, and pause those whose did not, with the numbers."""
    for campaign in running_canaries():
        count, limits = canary_count(campaign), canary_limits(campaign)
        verdict = judge(count, limits)
        if verdict is not CanaryState.RUNNING:
            _conclude(campaign, verdict, in_words(count, limits), now)


def _conclude(campaign: Campaign, verdict: CanaryState, numbers: str, now: datetime) -> None:
    with transaction.atomic():
        running = Campaign.objects.filter(pk=campaign.pk, canary_state=CanaryState.RUNNING)
        if not running.update(canary_state=verdict, updated_at=now):
            return
        _log(campaign, f"canary_{verdict.value}", f"Careful start {verdict.value}: {numbers}.", now)
        if verdict is CanaryState.FAILED:
            try:
                pause(campaign.pk, now=now, reason=f"the careful start failed: {numbers}")
            except IllegalTransition:
                # Somebody paused or canceled it just now; that is as good.
                return


def _log(campaign: Campaign, kind: str, message: str, now: datetime) -> None:
    fields: dict[str, Any] = {"campaign": campaign, "at": now, "kind": kind, "message": message}
    CampaignEvent.objects.create(**fields)
