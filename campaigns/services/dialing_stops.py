"""The switch for all dialing: stopped by one row, going on when every such row is lifted; the rows are the record."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.enums import CampaignState, StopKind
from campaigns.models import Campaign, CampaignEvent, DialingStop
from campaigns.queries.calling_rules import stops_in_force

REASON_MAX_CHARS = 200
MESSAGE_MAX_CHARS = 300


def stop_dialing(
    *,
    reason: str,
    user: User | None,
    now: datetime,
    kind: StopKind = StopKind.OPERATOR,
    hangs_up: bool = False,
) -> DialingStop:
    """Let nothing more be dialed by any campaign, from the commit on.

    Live calls go on to their end unless it `hangs_up`: then the bridges end every call that campaigns have placed.

    Each marker reads the stops in its own transaction, so no request that was not under way is sent after the commit.
    """
    with transaction.atomic():
        stop = DialingStop.objects.create(
            at=now, by=user, reason=reason[:REASON_MAX_CHARS], kind=kind, hangs_up=hangs_up
        )
        told = "All dialing was stopped and live calls hung up" if hangs_up else "All dialing was stopped"
        _log("dialing_stopped", f"{told}: {stop.reason}", user=user, now=now)
    return stop


def resume_dialing(*, user: User | None, now: datetime) -> int:
    """Lift every stop; how many there were."""
    with transaction.atomic():
        lifted = stops_in_force().update(lifted_at=now, lifted_by=user)
        if lifted:
            _log("dialing_resumed", "All dialing goes on.", user=user, now=now)
    return lifted


def _log(kind: str, message: str, *, user: User | None, now: datetime) -> None:
    """A line in the log of every campaign that it concerns."""
    concerned = Campaign.objects.filter(state=CampaignState.RUNNING).order_by("pk").values_list("pk", flat=True)
    CampaignEvent.objects.bulk_create(
        CampaignEvent(campaign_id=campaign_id, at=now, kind=kind, message=message[:MESSAGE_MAX_CHARS], user=user)
        for campaign_id in concerned
    )
