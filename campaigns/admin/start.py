"""The admin's first page: what to do next, the campaigns that go on, and what waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from campaigns.enums import CampaignState, StepState
from campaigns.models import Campaign
from campaigns.queries.attention import Concern, ConcernKind, SetUp, concerns, set_up
from campaigns.queries.overview import ACTIVE_STATES, progress_of

SHOWN_CAMPAIGNS = 12


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do on the way to the first campaign."""

    title: str
    note: str
    page: str
    permission: str
    is_done: Callable[[SetUp], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind of concern is looked into. Without `change` it is always the list, with `query` as its filter."""

    permission: str
    listed: str
    change: str = ""
    query: str = ""

    def url(self, concern: Concern) -> str:
        if self.change and concern.subject_id is not None:
            return reverse(self.change, args=[concern.subject_id])
        return reverse(self.listed) + self.query


NEXT_STEPS: tuple[NextStep, ...] = (
    NextStep(
        "Set up a trunk",
        "The PSR account that calls go out through, with its token.",
        "admin:campaigns_trunk_add",
        "campaigns.add_trunk",
        lambda done: done.has_trunk,
    ),
    NextStep(
        "Add an agent",
        "The voice that speaks with people. The scripted one needs no more than a name.",
        "admin:campaigns_agent_add",
        "campaigns.add_agent",
        lambda done: done.has_agent,
    ),
    NextStep(
        "Upload customers",
        "A CSV with a phone column. Nobody is called by uploading.",
        "admin:campaigns_customerlist_upload",
        "campaigns.add_importjob",
        lambda done: done.has_customers,
    ),
    NextStep(
        "Make a campaign",
        "Whom to call, with which agent, and when. It starts when you launch it.",
        "admin:campaigns_campaign_add",
        "campaigns.add_campaign",
        lambda done: done.has_campaign,
    ),
)
PLACES: Mapping[ConcernKind, Place] = {
    ConcernKind.STOP: Place("campaigns.view_dialingstop", "admin:campaigns_dialingstop_changelist"),
    ConcernKind.BRIDGE: Place("campaigns.view_bridgenode", "admin:campaigns_bridgenode_changelist"),
    ConcernKind.AGENT: Place(
        "campaigns.view_agent", "admin:campaigns_agent_changelist", "admin:campaigns_agent_change"
    ),
    ConcernKind.TRUNK: Place(
        "campaigns.view_trunk", "admin:campaigns_trunk_changelist", "admin:campaigns_trunk_change"
    ),
    ConcernKind.CAMPAIGN: Place(
        "campaigns.view_campaign", "admin:campaigns_campaign_changelist", "admin:campaigns_campaign_change"
    ),
    ConcernKind.IMPORT: Place(
        "campaigns.view_importjob", "admin:campaigns_importjob_changelist", "admin:campaigns_importjob_change"
    ),
    ConcernKind.ENDPOINT: Place(
        "campaigns.view_webhookendpoint",
        "admin:campaigns_webhookendpoint_changelist",
        "admin:campaigns_webhookendpoint_change",
    ),
    ConcernKind.DELIVERIES: Place(
        "campaigns.view_webhookdelivery",
        "admin:campaigns_webhookdelivery_changelist",
        query=f"?state__exact={StepState.DEAD.value}",
    ),
    ConcernKind.STEPS: Place(
        "campaigns.view_callstep",
        "admin:campaigns_callstep_changelist",
        query=f"?state__exact={StepState.DEAD.value}",
    ),
}


def start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows to this person; unfold asks for it by its name in the settings."""
    is_allowed = request.user.has_perm
    done = set_up()
    shown = [concern for concern in concerns(timezone.now()) if is_allowed(PLACES[concern.kind].permission)]
    return context | {
        "title": "Start",
        "next_steps": [
            {"step": step, "is_done": step.is_done(done)} for step in NEXT_STEPS if is_allowed(step.permission)
        ],
        "is_set_up": done.is_complete,
        "concerns": [(concern, PLACES[concern.kind].url(concern)) for concern in shown],
        "may_see_campaigns": is_allowed("campaigns.view_campaign"),
        "active": _active() if is_allowed("campaigns.view_campaign") else [],
        "drafts": _drafts() if is_allowed("campaigns.view_campaign") else [],
    }


def _active() -> list[Any]:
    going_on = Campaign.objects.filter(state__in=ACTIVE_STATES).order_by("-launched_at", "-id")
    return progress_of(going_on[:SHOWN_CAMPAIGNS])


def _drafts() -> list[Campaign]:
    return list(Campaign.objects.filter(state=CampaignState.DRAFT).order_by("-updated_at")[:SHOWN_CAMPAIGNS])
