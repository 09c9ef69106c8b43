"""What a running campaign and a live call look like right now: the part of a page that changes under the reader."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from campaigns.models import Call, Campaign, CampaignEvent, TranscriptTurn
from campaigns.queries.blockers import Blocker, blockers
from campaigns.queries.calls import listed_calls, live_calls
from campaigns.queries.extensions import busy_extensions
from campaigns.queries.overview import LIVE_CALLS_SHOWN
from campaigns.queries.stats import CampaignStats, campaign_stats

EVENTS_SHOWN = 12
# A page that has just connected catches up over several messages; nobody reads faster than this.
TURNS_SHOWN = 400


@dataclass(frozen=True, slots=True)
class CampaignNow:
    """One campaign at this moment."""

    campaign: Campaign
    stats: CampaignStats
    busy_extensions: tuple[str, ...]
    blockers: tuple[Blocker, ...]
    live: tuple[Call, ...]
    events: tuple[CampaignEvent, ...]


@dataclass(frozen=True, slots=True)
class CallNow:
    """One call at this moment, with the latest of its turns in time order."""

    call: Call
    turns: tuple[TranscriptTurn, ...]


def campaign_now(campaign_id: int, now: datetime) -> CampaignNow | None:
    """One campaign at this moment; None when there is no such campaign."""
    campaign = Campaign.objects.select_related("agent", "trunk").filter(pk=campaign_id).first()
    if campaign is None:
        return None
    return CampaignNow(
        campaign=campaign,
        stats=campaign_stats(campaign_id, now),
        busy_extensions=tuple(busy_extensions(campaign, now)),
        blockers=tuple(blockers(campaign, now)),
        live=tuple(live_calls().filter(attempt__campaign_id=campaign_id)[:LIVE_CALLS_SHOWN]),
        events=tuple(campaign.events.select_related("user")[:EVENTS_SHOWN]),
    )


def call_now(call_id: UUID) -> CallNow | None:
    """One call at this moment; None when there is no such call."""
    call = listed_calls().filter(pk=call_id).first()
    if call is None:
        return None
    latest = call.turns.order_by("-start_ms", "-seq")[:TURNS_SHOWN]
    return CallNow(call=call, turns=tuple(reversed(latest)))
