"""The parts of a page that change: name → HTML, rendered from the same partial templates as the page itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string

from campaigns.enums import CampaignState, ContactState
from campaigns.queries.calling_rules import stops_in_force
from campaigns.queries.live import CampaignNow, call_now, campaign_now
from campaigns.queries.overview import Overview, overview
from campaigns.states import CAMPAIGN_STEPS
from campaigns.web.charts import contact_segments, hour_chart, outcome_rows, wait_bar
from campaigns.web.timeline import turn_view

Parts = Mapping[str, str]
Context = Mapping[str, Any]

OVERVIEW_PARTS = (
    "dialing_stop",
    "overview_tiles",
    "hour_chart",
    "outcomes",
    "active_campaigns",
    "live_calls",
    "latest_calls",
)
CAMPAIGN_PARTS = (
    "dialing_stop",
    "campaign_state",
    "campaign_progress",
    "campaign_tiles",
    "blockers",
    "hour_chart",
    "outcomes",
    "live_calls",
    "campaign_events",
)


class TopicKind(StrEnum):
    OVERVIEW = "overview"
    CAMPAIGN = "campaigns"
    CALL = "calls"


@dataclass(frozen=True, slots=True)
class Topic:
    """What a page shows: all sockets with an equal topic share one reading. `key` is the row's id, if any."""

    kind: TopicKind
    key: str
    shows_numbers: bool


def read_parts(topic: Topic, now: datetime) -> Parts:
    """The parts of the topic's page at this moment; empty when its row is gone."""
    return READERS[topic.kind](topic, now)


def overview_context(found: Overview) -> dict[str, Any]:
    """What the overview's partials need."""
    return {
        "overview": found,
        "traffic": found.traffic,
        "hours": hour_chart(found.by_hour),
        "outcomes": outcome_rows(found.traffic.outcomes),
        "active": [(progress, contact_segments(progress.contacts)) for progress in found.active],
        "live": found.live,
        "latest": found.latest,
    }


def campaign_context(found: CampaignNow) -> dict[str, Any]:
    """What the campaign page's partials need."""
    return {
        "campaign": found.campaign,
        "stats": found.stats,
        "busy_extensions": found.busy_extensions,
        "waits": wait_bar(found.blockers, found.stats.contacts[ContactState.PENDING]),
        "actions": " ".join(CAMPAIGN_STEPS[CampaignState(found.campaign.state)]),
        "segments": contact_segments(found.stats.contacts),
        "hours": hour_chart(found.stats.by_hour),
        "outcomes": outcome_rows(found.stats.outcomes),
        "live": found.live,
        "events": found.events,
    }


def _overview_parts(topic: Topic, now: datetime) -> Parts:
    context = overview_context(overview(now)) | _of_topic(topic)
    return {name: _render(name, context) for name in OVERVIEW_PARTS}


def _campaign_parts(topic: Topic, now: datetime) -> Parts:
    found = campaign_now(int(topic.key), now)
    if found is None:
        return {}
    context = campaign_context(found) | _of_topic(topic)
    return {name: _render(name, context) for name in CAMPAIGN_PARTS}


def _of_topic(topic: Topic) -> dict[str, Any]:
    return {"shows_numbers": topic.shows_numbers, "stops": stops_in_force().select_related("by")}


def _call_parts(topic: Topic, now: datetime) -> Parts:  # noqa: ARG001  one signature for every reader
    found = call_now(UUID(topic.key))
    if found is None:
        return {}
    turns = {f"turn-{turn.seq}": _render("turn", {"turn": turn_view(turn)}) for turn in found.turns}
    return {"call_state": _render("call_state", {"call": found.call, "is_live_part": True}), **turns}


def _render(name: str, context: Context) -> str:
    return render_to_string(f"partials/{name}.html", dict(context)).strip()


READERS: Mapping[TopicKind, Callable[[Topic, datetime], Parts]] = {
    TopicKind.OVERVIEW: _overview_parts,
    TopicKind.CAMPAIGN: _campaign_parts,
    TopicKind.CALL: _call_parts,
}
