"""What waits for a manager: things that went wrong and stay so until somebody looks, and what is still to be set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Count
from django.utils import timezone

from campaigns.enums import CampaignState, ImportState, StepState, TrunkHold
from campaigns.models import (
    Agent,
    CallStep,
    Campaign,
    ImportJob,
    ListEntry,
    Trunk,
    WebhookDelivery,
    WebhookEndpoint,
)
from campaigns.models.webhooks import SWITCHED_OFF_BY_HAND
from campaigns.queries.agent_outages import agents_out
from campaigns.queries.approvals import waiting_for_approval
from campaigns.queries.calling_rules import stops_in_force
from campaigns.queries.dialing import live_nodes
from campaigns.queries.preflight import preflight

# What failed longer ago than this is history, and stays in its own list.
RECENT = timedelta(days=7)
# A scheduled launch is overdue when the beat has had this long to take it up.
LAUNCH_GRACE = timedelta(minutes=2)
SHOWN_OF_EACH = 5


class ConcernKind(StrEnum):
    """What a concern is about; `subject_id` is the id of such a row."""

    STOP = "stop"
    BRIDGE = "bridge"
    AGENT = "agent"
    TRUNK = "trunk"
    CAMPAIGN = "campaign"
    IMPORT = "import"
    ENDPOINT = "endpoint"
    DELIVERIES = "deliveries"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that stays wrong until a person acts. `subject_id` is None where many rows are meant."""

    kind: ConcernKind
    title: str
    advice: str
    subject_id: int | None = None


@dataclass(frozen=True, slots=True)
class SetUp:
    """What there is already of all that a first campaign needs."""

    has_trunk: bool
    has_agent: bool
    has_customers: bool
    has_campaign: bool

    @property
    def is_complete(self) -> bool:
        return self.has_trunk and self.has_agent and self.has_customers and self.has_campaign


def concerns(now: datetime) -> list[Concern]:
    """Everything a manager should look at, what stops calls first; at most five of each kind."""
    return [concern for look in _LOOKS for concern in look(now)]


def set_up() -> SetUp:
    """How far an installation is on its way to the first campaign."""
    return SetUp(
        has_trunk=Trunk.objects.exclude(token="").exists(),
        has_agent=Agent.objects.exists(),
        has_customers=ListEntry.objects.exists(),
        has_campaign=Campaign.objects.exists(),
    )


def _stops(_: datetime) -> Iterator[Concern]:
    for stop in stops_in_force()[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.STOP,
            "All dialing is stopped.",
            f"Since {timezone.localtime(stop.at):%Y-%m-%d %H:%M}: {stop.reason.rstrip('.')}. Lift it to go on.",
            stop.pk,
        )


def _bridge(now: datetime) -> Iterator[Concern]:
    if Campaign.objects.filter(state=CampaignState.RUNNING).exists() and not live_nodes(now).exists():
        yield Concern(
            ConcernKind.BRIDGE,
            "No bridge takes calls, so nothing is dialed.",
            "Start the platform's web and bridge part; its log says why it is not there.",
        )


def _agents(now: datetime) -> Iterator[Concern]:
    for agent, outage in agents_out(now)[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.AGENT,
            f"The agent “{agent.name}” does not work.",
            f"{outage.reason} Only one call a minute is dialed for it. See its configuration, key and quota.",
            agent.pk,
        )


def _trunks(_: datetime) -> Iterator[Concern]:
    for trunk in Trunk.objects.exclude(hold=TrunkHold.NONE).order_by("name")[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.TRUNK,
            f"The trunk “{trunk.name}” is held: {TrunkHold(trunk.hold).label}.",
            "Nothing is dialed on it. Correct it, then release the hold.",
            trunk.pk,
        )
    needed = Trunk.objects.filter(is_enabled=False, campaigns__state=CampaignState.RUNNING).distinct()
    for trunk in needed.order_by("name")[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.TRUNK,
            f"The trunk “{trunk.name}” is disabled.",
            "A running campaign waits for it. Enable it, or pause the campaign.",
            trunk.pk,
        )


def _launches(now: datetime) -> Iterator[Concern]:
    overdue = Campaign.objects.filter(state=CampaignState.SCHEDULED, starts_at__lt=now - LAUNCH_GRACE)
    for campaign in overdue.select_related("trunk").order_by("starts_at")[:SHOWN_OF_EACH]:
        reasons = " ".join(problem.message for problem in preflight(campaign, now))
        yield Concern(
            ConcernKind.CAMPAIGN,
            f"“{campaign.name}” should have been launched.",
            reasons or "The platform has not taken it up: see whether its beat and workers run.",
            campaign.pk,
        )


def _approvals(_: datetime) -> Iterator[Concern]:
    for campaign in waiting_for_approval()[:SHOWN_OF_EACH]:
        who = campaign.approval_asked_by
        yield Concern(
            ConcernKind.CAMPAIGN,
            f"“{campaign.name}” waits for approval.",
            f"{who.get_username() if who else 'Somebody'} has asked to launch it. Another manager has to approve.",
            campaign.pk,
        )


def _imports(now: datetime) -> Iterator[Concern]:
    failed = ImportJob.objects.filter(state=ImportState.FAILED, created_at__gte=now - RECENT, undone_at=None)
    for job in failed.order_by("-created_at")[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.IMPORT, f"The import of {job.file_name} failed.", job.error or "Upload it again.", job.pk
        )


def _endpoints(now: datetime) -> Iterator[Concern]:
    left = WebhookEndpoint.objects.filter(is_enabled=False).exclude(disabled_reason__in=("", SWITCHED_OFF_BY_HAND))
    for endpoint in left[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.ENDPOINT,
            f"{endpoint.url} gets no events any more.",
            f"It was switched off: {endpoint.disabled_reason}. Enable it when it answers again.",
            endpoint.pk,
        )
    dead = WebhookDelivery.objects.filter(state=StepState.DEAD, event__occurred_at__gte=now - RECENT)
    lost = dead.order_by().values("endpoint__url").annotate(total=Count("pk")).order_by("-total")
    for row in lost[:SHOWN_OF_EACH]:
        yield Concern(
            ConcernKind.DELIVERIES,
            f"{row['total']:,} deliveries to {row['endpoint__url']} were given up.",
            "Choose them in the list and send them again.",
        )


def _steps(now: datetime) -> Iterator[Concern]:
    dead = CallStep.objects.filter(state=StepState.DEAD, run_at__gte=now - RECENT).count()
    if dead:
        yield Concern(
            ConcernKind.STEPS,
            f"{dead:,} pieces of work after calls were given up.",
            "Their rows say why. The calls themselves are safe.",
        )


_LOOKS: tuple[Callable[[datetime], Iterator[Concern]], ...] = (
    _stops,
    _bridge,
    _agents,
    _trunks,
    _launches,
    _approvals,
    _imports,
    _endpoints,
    _steps,
)
