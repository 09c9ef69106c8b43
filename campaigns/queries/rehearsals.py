"""The rehearsals that stand in a campaign's log."""

from __future__ import annotations

from typing import Final

from campaigns.models import CampaignEvent

REHEARSED: Final = "rehearsed"
FAILED: Final = "rehearsal_failed"


def kept_rehearsal(campaign_id: int, line: int | None = None) -> CampaignEvent | None:
    """The latest rehearsal of a campaign, or the one in this line of its log; None where there is none."""
    kept = CampaignEvent.objects.filter(campaign_id=campaign_id, kind__in=(REHEARSED, FAILED)).select_related("user")
    return (kept if line is None else kept.filter(pk=line)).order_by("-pk").first()
