"""Numbers of the field over attempts and calls: answer rate, ASR, ACD, outcomes, and what happened in which hour.

An attempt counts as soon as its result is known: it is being held, or it ended and may have reached the switch
(`is_counted`). It is answered once its call was connected. Attempts that still ring stand in no rate.
* ASR: answered attempts / counted attempts.
* Answer rate: contacts answered at least once / contacts dialed at least once.
* ACD: mean duration of the calls that have ended, in seconds.
Rates are fractions from 0 to 1, and None while there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Avg, Count, DateTimeField, Field, FloatField, Func, IntegerField, Q, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from campaigns.enums import AttemptState, Outcome
from campaigns.models import Call, CallAttempt, Contact
from campaigns.queries.remembered import Remembered
from campaigns.states import REAL_CONTACT_STATES

HOURS_SHOWN = 24
# Test calls are no part of any statistics.
COUNTED = Q(is_test=False) & (Q(is_counted=True) | Q(state=AttemptState.IN_CALL))
ANSWERED = COUNTED & Q(answered_at__isnull=False)


@dataclass(frozen=True, slots=True)
class HourCount:
    """Attempts made in one clock hour, and how many of them were answered."""

    hour_at: datetime
    attempts: int
    answered: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What became of a set of attempts. `outcomes` names every outcome, also those with 0."""

    attempts: int
    answered: int
    contacts_dialed: int
    contacts_answered: int
    outcomes: Mapping[str, int]

    @property
    def asr(self) -> float | None:
        return ratio(self.answered, self.attempts)

    @property
    def answer_rate(self) -> float | None:
        return ratio(self.contacts_answered, self.contacts_dialed)


@dataclass(frozen=True, slots=True)
class CampaignStats:
    """One campaign in numbers. `contacts` and `outcomes` name every state and outcome, also those with 0."""

    contacts: Mapping[str, int]
    contacts_total: int
    attempts: int
    answered: int
    outcomes: Mapping[str, int]
    answer_rate: float | None
    asr: float | None
    acd_s: float | None
    live_calls: int
    by_hour: tuple[HourCount, ...]


class SecondsBetween(Func):
    """The seconds from one moment to another, reckoned by the database itself: Django's own difference of moments is
    a Python function on SQLite, called for every row. Right to a millisecond."""

    arity = 2
    output_field: Field[Any, Any] = FloatField()
    sqlite = "((julianday(%(second)s) - julianday(%(first)s)) * 86400.0)"
    postgresql = "EXTRACT(EPOCH FROM %(second)s - %(first)s)::float8"

    def as_sqlite(self, compiler: SQLCompiler, *_: Any, **__: Any) -> Any:
        return self._between(self.sqlite, compiler)

    def as_postgresql(self, compiler: SQLCompiler, *_: Any, **__: Any) -> Any:
        return self._between(self.postgresql, compiler)

    def _between(self, template: str, compiler: SQLCompiler) -> tuple[str, tuple[Any, ...]]:
        first, second = (compiler.compile(source) for source in self.get_source_expressions())
        return template % {"first": first[0], "second": second[0]}, (*second[1], *first[1])


class HoursBetween(SecondsBetween):
    """The whole hours from one moment to a later one. The millisecond is SQLite's, which reckons in parts of a day."""

    output_field: Field[Any, Any] = IntegerField()
    sqlite = f"CAST(({SecondsBetween.sqlite} + 0.001) / 3600 AS INTEGER)"
    postgresql = f"FLOOR(({SecondsBetween.postgresql}) / 3600)::int"


def ratio(part: int, whole: int) -> float | None:
    """`part / whole`, or None when there is no whole."""
    return part / whole if whole else None


def campaign_stats(campaign_id: int, now: datetime) -> CampaignStats:
    """The numbers of one campaign; `by_hour` covers the 24 clock hours that end with the current one.

    Those of a campaign with 100,000 contacts or attempts may be ten seconds old, all but `live_calls`.
    """
    counted = _COUNTED.get(campaign_id, now, lambda: _count(campaign_id, now))
    live = Call.objects.filter(attempt__campaign_id=campaign_id, attempt__is_test=False, pk__in=live_call_ids())
    return replace(counted, live_calls=live.count())


def _count(campaign_id: int, now: datetime) -> CampaignStats:
    """The numbers of one campaign without its live calls."""
    attempts = CallAttempt.objects.filter(campaign_id=campaign_id)
    calls = Call.objects.filter(attempt__campaign_id=campaign_id, attempt__is_test=False)
    traffic = traffic_of(attempts)
    contacts = contacts_by_state(Contact.objects.filter(campaign_id=campaign_id))
    return CampaignStats(
        contacts=contacts,
        contacts_total=sum(contacts.values()),
        attempts=traffic.attempts,
        answered=traffic.answered,
        outcomes=traffic.outcomes,
        answer_rate=traffic.answer_rate,
        asr=traffic.asr,
        acd_s=average_duration_s(calls),
        live_calls=0,
        by_hour=attempts_by_hour(attempts, now),
    )


_COUNTED: Final = Remembered[CampaignStats](lambda stats: max(stats.contacts_total, sum(stats.outcomes.values())))


def traffic_of(attempts: QuerySet[CallAttempt]) -> Traffic:
    """The totals of these attempts, in two queries."""
    totals = attempts.aggregate(
        attempts=Count("pk", filter=COUNTED),
        answered=Count("pk", filter=ANSWERED),
        contacts_dialed=Count("contact_id", filter=COUNTED, distinct=True),
        contacts_answered=Count("contact_id", filter=ANSWERED, distinct=True),
    )
    ended = (
        attempts.filter(is_test=False).exclude(outcome="").order_by().values_list("outcome").annotate(total=Count("pk"))
    )
    return Traffic(**totals, outcomes={outcome.value: 0 for outcome in Outcome} | dict(ended))


def contacts_by_state(contacts: QuerySet[Contact]) -> dict[str, int]:
    """How many of these contacts stand in each state; every state is named but that of test calls."""
    counted = contacts.order_by().values_list("state").annotate(total=Count("*"))
    found = dict(counted)
    return {state.value: found.get(state, 0) for state in REAL_CONTACT_STATES}


def live_call_ids() -> list[UUID]:
    """The calls that have not ended: as many as the bridges can hold.

    Read apart and without an order, so that the index of live calls is used whatever else is asked of them.
    """
    return list(Call.objects.filter(ended_at__isnull=True).order_by().values_list("pk", flat=True))


def average_duration_s(calls: QuerySet[Call]) -> float | None:
    """Mean duration of those of these calls that have ended, in seconds; None without any."""
    duration = SecondsBetween("started_at", "ended_at")
    average: float | None = calls.filter(ended_at__isnull=False).aggregate(value=Avg(duration))["value"]
    return average


def attempts_by_hour(attempts: QuerySet[CallAttempt], now: datetime) -> tuple[HourCount, ...]:
    """Counted attempts per clock hour (of the current time zone) in which they were claimed; empty hours are named."""
    # In UTC, because wall-clock arithmetic skips or repeats an hour when the clocks change.
    first = clock_hour(now).astimezone(UTC) - timedelta(hours=HOURS_SHOWN - 1)
    rows = (
        attempts.filter(COUNTED, claimed_at__gte=first)
        .order_by()
        .annotate(step=HoursBetween(Value(first, DateTimeField()), "claimed_at"))
        .values_list("step")
        .annotate(attempts=Count("pk"), answered=Count("pk", filter=ANSWERED))
    )
    found = {step: (made, answered) for step, made, answered in rows}
    zone = timezone.get_current_timezone()
    return tuple(
        HourCount((first + timedelta(hours=step)).astimezone(zone), *found.get(step, (0, 0)))
        for step in range(HOURS_SHOWN)
    )


def clock_hour(moment: datetime) -> datetime:
    """The beginning of the clock hour that holds this moment, in the current time zone."""
    return timezone.localtime(moment).replace(minute=0, second=0, microsecond=0)


def midnight(now: datetime) -> datetime:
    """When today began in the current time zone."""
    return clock_hour(now).replace(hour=0)
