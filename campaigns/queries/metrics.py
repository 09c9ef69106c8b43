"""The platform in numbers, for Prometheus: totals from the database, without a name or a number of anybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, QuerySet, Sum

from campaigns.enums import AttemptState, CampaignState, ImportState, Outcome, StepState
from campaigns.models import (
    BridgeNode,
    Call,
    CallAttempt,
    CallStep,
    Campaign,
    Contact,
    Heartbeat,
    ImportJob,
    OutboxEvent,
    Trunk,
    WebhookDelivery,
)
from campaigns.queries.agent_outages import agents_out
from campaigns.queries.clock import FAULT_PREFIX
from campaigns.queries.health import BRIDGE_SEEN
from campaigns.states import OPEN_ATTEMPT_STATES, REAL_CONTACT_STATES

RECENT = timedelta(hours=1)
# From the claim to the answer, with every lease and deadline on the way.
BEFORE_THE_CALL = timedelta(hours=1)
NODE_GAUGES: Mapping[str, str] = {
    "loop_lag_ms": "How late the bridge's event loop was at worst since its beat before, ms; above 100 callers hear it",
    "first_audio_ms": "How long 95 of the last 100 callers waited for the agent's first audio at most, ms",
    "waiting_turns": "Transcript turns that are not in the database yet",
}
# Since the process began.
NODE_TOTALS: Mapping[str, str] = {
    "calls": "Calls that ended",
    "agent_failures": "Calls that ended because the agent failed",
    "dropped_audio_ms": "Caller audio dropped because an agent was slow, ms",
    "bad_messages": "Messages of switches that could not be read",
    "resumes": "Calls that went on over another socket",
    "lost_turns": "Transcript turns given up because the database was away for too long",
    "given_up_writes": "Pieces of work that the database refused for good, such as a row that clashes with another",
    "journal_skipped_bytes": "Bytes of dead processes' journals that could not be read",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value; `labels` tell it from others of its metric."""

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One metric with all its samples. `name` carries the unit; one that only grows `is_total`."""

    name: str
    text: str
    samples: tuple[Sample, ...]
    is_total: bool = False


def platform_metrics(now: datetime) -> tuple[Gauge, ...]:
    """Every gauge. States and outcomes that do not occur are there with 0, so that an alert can name them."""
    return (*_dialing(now), *_live(now), *_afterwards(now), _disk())


def _dialing(now: datetime) -> Iterator[Gauge]:
    open_attempts = CallAttempt.objects.exclude(state=AttemptState.ENDED)
    # By the claim there is an index.
    claimed_since = now - RECENT - timedelta(seconds=settings.MAX_CALL_S) - BEFORE_THE_CALL
    recent = CallAttempt.objects.filter(ended_at__gte=now - RECENT, claimed_at__gte=claimed_since)
    yield _by(
        "campaigns", "Campaigns by state", "state", CampaignState.values, _counts(Campaign.objects.all(), "state")
    )
    yield _by("contacts", "Contacts by state", "state", REAL_CONTACT_STATES, _counts(Contact.objects.all(), "state"))
    yield _by("attempts_open", "Open attempts by state", "state", OPEN_ATTEMPT_STATES, _counts(open_attempts, "state"))
    yield _one(
        "attempts_overdue",
        "Open attempts past their deadline; the reaper should keep this at 0",
        open_attempts.filter(deadline_at__lt=now).count(),
    )
    yield _one(
        "attempt_oldest_open_s",
        "Age of the oldest open attempt, seconds",
        _age_s(open_attempts.aggregate(at=Min("claimed_at"))["at"], now),
    )
    yield _by(
        "attempts_ended_last_hour",
        "Attempts that ended within the last hour, by outcome",
        "outcome",
        Outcome.values,
        _counts(recent, "outcome"),
    )
    yield _one("trunks_held", "Trunks that dial nothing until a person looks", Trunk.objects.exclude(hold="").count())


def _live(now: datetime) -> Iterator[Gauge]:
    nodes = BridgeNode.objects.filter(seen_at__gte=now - BRIDGE_SEEN)
    totals = nodes.aggregate(capacity=Sum("capacity"), calls=Sum("live_calls"), nodes=Count("pk"))
    yield _one("calls_live", "Calls that have not ended", Call.objects.filter(ended_at=None).count())
    yield _one("bridge_nodes", "Bridge processes seen lately", totals["nodes"])
    yield _one("bridge_capacity_calls", "Calls the bridge processes can carry", totals["capacity"] or 0)
    yield _one("bridge_live_calls", "Calls the bridge processes carry, by their own word", totals["calls"] or 0)
    yield from _nodes(list(nodes.order_by("pk")))
    yield _one("agents_out", "Agents that fail too often to be used", len(agents_out(now)))
    yield Gauge(
        "trunkline_heartbeat_age_s",
        "Seconds since a worker of the queue took the last heartbeat",
        tuple(
            Sample((now - row.at).total_seconds(), {"queue": row.name})
            for row in Heartbeat.objects.exclude(name__startswith=FAULT_PREFIX).order_by("pk")
        ),
    )


def _nodes(nodes: Sequence[BridgeNode]) -> Iterator[Gauge]:
    """What every bridge process measured; a value it never told is 0."""
    seats = {node.name: max(0, node.capacity - node.live_calls) for node in nodes}
    yield _of_nodes("free_seats", "Calls the bridge process can still take", seats)
    for name, text in NODE_GAUGES.items():
        yield _of_nodes(name, text, {node.name: node.gauges.get(name, 0) for node in nodes})
    for name, text in NODE_TOTALS.items():
        totals = {node.name: node.gauges.get("totals", {}).get(name, 0) for node in nodes}
        yield _of_nodes(name, text, totals, is_total=True)


def _of_nodes(name: str, text: str, values: Mapping[str, float], *, is_total: bool = False) -> Gauge:
    samples = tuple(Sample(value, {"node": node}) for node, value in values.items())
    return Gauge(f"trunkline_bridge_{name}", text, samples, is_total)


def _afterwards(now: datetime) -> Iterator[Gauge]:
    waiting = OutboxEvent.objects.filter(is_relayed=False)
    unfinished = (StepState.PENDING, StepState.FAILED, StepState.DEAD)
    steps = CallStep.objects.filter(state__in=unfinished)
    deliveries = WebhookDelivery.objects.filter(state__in=unfinished)
    running = ImportJob.objects.filter(state__in=[ImportState.QUEUED, ImportState.RUNNING])
    yield _by("call_steps", "Work after calls that is not done", "state", unfinished, _counts(steps, "state"))
    yield _by(
        "webhook_deliveries", "Deliveries that have not arrived", "state", unfinished, _counts(deliveries, "state")
    )
    yield _one("outbox_waiting", "Events not yet handed to deliveries", waiting.count())
    yield _one(
        "outbox_lag_s",
        "Age of the oldest event not yet handed on, seconds",
        _age_s(waiting.aggregate(at=Min("occurred_at"))["at"], now),
    )
    yield _one("imports_unfinished", "Imports queued or running", running.count())


def _disk() -> Gauge:
    return _one("disk_free_bytes", "Free space of the data directory", shutil.disk_usage(settings.DATA_DIR).free)


def _one(name: str, text: str, value: float) -> Gauge:
    return Gauge(f"trunkline_{name}", text, (Sample(value, {}),))


def _by(name: str, text: str, label: str, values: Iterable[str], counts: Mapping[str, int]) -> Gauge:
    samples = tuple(Sample(counts.get(value, 0), {label: str(value)}) for value in values)
    return Gauge(f"trunkline_{name}", text, samples)


def _counts(rows: QuerySet[Any], field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(total=Count("*")))


def _age_s(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else (now - at).total_seconds()
