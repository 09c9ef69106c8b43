"""Trunks: stopping one that the switch refuses, slowing one that it finds too fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from campaigns.enums import CampaignState, TrunkHold
from campaigns.models import Campaign, CampaignEvent, Trunk
from campaigns.policies.pacing import THROTTLE_DEFAULT_S

DETAIL_MAX_CHARS = 300


def hold(
    trunk_id: int, hold: TrunkHold, *, detail: str, now: datetime, failures: Sequence[Mapping[str, Any]] = ()
) -> bool:
    """Dial nothing on a trunk until a person releases it; True if it was not held before.

    Every running campaign on it gets a line in its log; `failures` are attempts that stand there as the reason.
    """
    with transaction.atomic():
        is_new = Trunk.objects.filter(pk=trunk_id, hold=TrunkHold.NONE).update(
            hold=hold, hold_detail=detail[:DETAIL_MAX_CHARS]
        )
        if is_new:
            message = f"Dialing stopped: {hold.label}. {detail}"
            _tell_campaigns(trunk_id, "trunk_held", message, now, {"failures": list(failures)} if failures else {})
    return bool(is_new)


def release_hold(trunk_id: int, *, now: datetime) -> bool:
    """Dial again on a held trunk; True if it was held. Where too many requests failed, it starts at half its pace."""
    with transaction.atomic():
        held = Trunk.objects.filter(pk=trunk_id).exclude(hold=TrunkHold.NONE)
        failing = held.filter(hold=TrunkHold.BREAKER)
        failing.filter(Q(throttled_until=None) | Q(throttled_until__lt=now)).update(throttled_until=now)
        was_held = held.update(hold=TrunkHold.NONE, hold_detail="", released_at=now)
        if was_held:
            _tell_campaigns(trunk_id, "trunk_released", "Dialing goes on: the trunk is no longer held.", now)
    return bool(was_held)


def throttle(trunk_id: int, *, retry_after_s: float | None, now: datetime) -> None:
    """Start nothing on a trunk for as long as the switch asked; None takes a default. Never shortens a pause."""
    until = now + timedelta(seconds=THROTTLE_DEFAULT_S if retry_after_s is None else retry_after_s)
    sooner = Q(throttled_until=None) | Q(throttled_until__lt=until)
    Trunk.objects.filter(sooner, pk=trunk_id).update(throttled_until=until)


def _tell_campaigns(
    trunk_id: int, kind: str, message: str, now: datetime, details: Mapping[str, Any] | None = None
) -> None:
    running = Campaign.objects.filter(trunk_id=trunk_id, state=CampaignState.RUNNING).values_list("id", flat=True)
    CampaignEvent.objects.bulk_create(
        CampaignEvent(
            campaign_id=campaign_id, at=now, kind=kind, message=message[:DETAIL_MAX_CHARS], details=dict(details or {})
        )
        for campaign_id in running
    )
