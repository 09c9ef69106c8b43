"""Calls as the pages list and show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from campaigns.models import Call, CallAnalysis, CallStep, TranscriptTurn
from campaigns.queries.stats import SecondsBetween, live_call_ids

# SQLite reckons with days as floating point, which keeps a tenth of a millisecond.
ROUNDING_S = 0.001


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What a list of calls is narrowed to; empty fields narrow nothing. Dates are whole local days, both included."""

    campaign_id: int | None = None
    agent_id: int | None = None
    protocol: str = ""
    outcome: str = ""
    disposition: str = ""
    from_date: date | None = None
    to_date: date | None = None
    min_duration_s: int | None = None
    max_duration_s: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class CallDetail:
    """One call with all that is known of it. `analysis` is None until it has been computed."""

    call: Call
    turns: tuple[TranscriptTurn, ...]
    analysis: CallAnalysis | None
    steps: tuple[CallStep, ...]


def calls_matching(wanted: CallFilter) -> QuerySet[Call]:
    """Calls, newest first, with their attempt, campaign and agent. `text` is looked for in what was said."""
    conditions: Mapping[str, Any] = {
        "attempt__campaign_id": wanted.campaign_id,
        "agent_id": wanted.agent_id,
        "protocol": wanted.protocol or None,
        "attempt__outcome": wanted.outcome or None,
        "disposition": wanted.disposition or None,
        "started_at__gte": None if wanted.from_date is None else _local_midnight(wanted.from_date),
        "started_at__lt": None if wanted.to_date is None else _local_midnight(wanted.to_date + timedelta(days=1)),
    }
    calls = listed_calls().filter(**{field: value for field, value in conditions.items() if value is not None})
    if wanted.min_duration_s is not None or wanted.max_duration_s is not None:
        calls = _with_duration(calls, wanted.min_duration_s, wanted.max_duration_s)
    if wanted.text:
        said = TranscriptTurn.objects.filter(call=OuterRef("pk"), text__icontains=wanted.text)
        calls = calls.filter(Exists(said))
    return calls


def listed_calls() -> QuerySet[Call]:
    """Calls, newest first, with everything one row of a list shows."""
    calls = Call.objects.select_related("attempt__campaign", "attempt__contact", "agent", "endpoint")
    return calls.order_by("-started_at")


def live_calls() -> QuerySet[Call]:
    """Calls that have not ended, newest first."""
    return listed_calls().filter(pk__in=live_call_ids())


def placed_live_calls() -> QuerySet[Call]:
    """Calls that campaigns have placed and that have not ended: those a stop of all dialing may hang up."""
    return Call.objects.filter(pk__in=live_call_ids(), attempt__isnull=False)


def dispositions() -> list[str]:
    """Every disposition calls have been given, in alphabetical order."""
    return list(
        Call.objects.exclude(disposition="").order_by("disposition").values_list("disposition", flat=True).distinct()
    )


def call_detail(call_id: UUID) -> CallDetail | None:
    """One call and what belongs to it; None when there is no such call."""
    call = listed_calls().select_related("attempt__trunk", "analysis").filter(pk=call_id).first()
    if call is None:
        return None
    return CallDetail(
        call=call,
        turns=tuple(call.turns.all()),
        analysis=getattr(call, "analysis", None),
        steps=tuple(call.steps.all()),
    )


def duration_s(call: Call, now: datetime) -> float:
    """How long the call has lasted, or lasted, in seconds."""
    return ((call.ended_at or now) - call.started_at).total_seconds()


def _with_duration(calls: QuerySet[Call], shortest_s: int | None, longest_s: int | None) -> QuerySet[Call]:
    calls = calls.filter(ended_at__isnull=False).annotate(lasted_s=SecondsBetween("started_at", "ended_at"))
    if shortest_s is not None:
        calls = calls.filter(lasted_s__gte=shortest_s - ROUNDING_S)
    if longest_s is not None:
        calls = calls.filter(lasted_s__lte=longest_s + ROUNDING_S)
    return calls


def _local_midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
