"""Which agents fail too often to be used, seen in the ends of their calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import BigIntegerField, DateTimeField, OuterRef, QuerySet

from campaigns.enums import EndedBy
from campaigns.models import Agent, Call, CallAttempt
from campaigns.policies.agent_breaker import AgentCall, AgentOutage, AgentResult, outage, trial_at
from campaigns.queries.prepared import Given, Prepared

# An outage is forgotten when nobody has failed for so long; then the next calls find out.
LOOK_BACK: Final = timedelta(days=1)
LOOK_BACK_CALLS: Final = 200
# What ended by our own fault says nothing of the agent.
_NO_RESULT: Final = frozenset({EndedBy.BRIDGE_ERROR, EndedBy.INTERRUPTED, EndedBy.DRAIN, EndedBy.STOPPED})
_RESULTS: Final[Mapping[bool, AgentResult]] = {False: AgentResult.FAILED, True: AgentResult.BROKEN}


def outage_of(agent_id: int, now: datetime) -> AgentOutage | None:
    """The agent's outage, None while it is trusted. Costs one look into an index that is empty while all is well."""
    if not _FAILED.ask(agent_id=agent_id, since=now - LOOK_BACK):
        return None
    recent = Call.objects.filter(agent_id=agent_id, ended_at__gte=now - LOOK_BACK)
    told = recent.exclude(ended_by__in=_NO_RESULT).order_by("-ended_at")
    rows = list(told.values_list("started_at", "ended_at", "ended_by", "is_agent_broken")[:LOOK_BACK_CALLS])
    return outage(
        AgentCall(started_at, ended_at, _result(ended_by, is_broken))
        for started_at, ended_at, ended_by, is_broken in reversed(rows)
        if ended_at is not None
    )


def trial_of(agent_id: int, now: datetime) -> datetime:
    """When an agent that is out may be tried by one call; `now` or earlier: at once."""
    dialed = CallAttempt.objects.filter(campaign__agent_id=agent_id, dispatched_at__isnull=False)
    recent = dialed.filter(claimed_at__gte=now - LOOK_BACK).order_by("-dispatched_at")
    return trial_at(recent.values_list("dispatched_at", flat=True).first(), now)


def trials_left(agent_id: int, now: datetime) -> int | None:
    """How many calls may be started to hear this agent; None: as many as one likes."""
    if outage_of(agent_id, now) is None:
        return None
    return 1 if trial_of(agent_id, now) <= now else 0


def failures_since(since: datetime | Given, agent_id: int | Given | OuterRef) -> QuerySet[Call]:
    """Calls of an agent that ended because it failed; while there are none it is trusted."""
    return Call.objects.filter(agent_id=agent_id, ended_by=EndedBy.AGENT_FAILED, ended_at__gte=since).order_by()


def agents_out(now: datetime) -> list[tuple[Agent, AgentOutage]]:
    """Every agent that is out, by name."""
    failed = Call.objects.filter(ended_by=EndedBy.AGENT_FAILED, ended_at__gte=now - LOOK_BACK)
    agents = Agent.objects.filter(pk__in=failed.values("agent_id")).order_by("name")
    return [(agent, found) for agent in agents if (found := outage_of(agent.pk, now)) is not None]


def _failed() -> QuerySet[Call, tuple[UUID]]:
    failures = failures_since(Given("since", DateTimeField()), Given("agent_id", BigIntegerField()))
    return failures.values_list("pk")[:1]


# Asked before every call.
_FAILED: Final = Prepared(_failed)


def _result(ended_by: str, is_broken: bool) -> AgentResult:
    return _RESULTS[is_broken] if ended_by == EndedBy.AGENT_FAILED else AgentResult.WORKED
