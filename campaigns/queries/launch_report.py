"""What a launch would do, told before it: who would be skipped and why, what is sent for some of them, and how long it
takes. Counted over the lists as sets; nothing is written."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet
from django.db.models.functions import Mod
from django.utils import timezone

from campaigns.models import CallAttempt, Campaign, ListEntry
from campaigns.policies.calling_window import closed_date_in, next_opening, zones_of
from campaigns.policies.consent import Consent, read_consent
from campaigns.policies.eligibility import Gate
from campaigns.policies.extension_pool import lines_of
from campaigns.policies.launch_estimate import ASSUMED, Estimate, Experience, Limits, estimate
from campaigns.policies.number_caps import DAY, WEEK
from campaigns.policies.parameter_template import ParameterTemplate, Recipient, parse_template
from campaigns.policies.rule_profiles import CallingRules
from campaigns.queries.calling_rules import country_fault, number_fault, rules_of, window_of
from campaigns.queries.listed_customers import count_customers, customers_of, entries_of, on_do_not_call_list
from campaigns.queries.preflight import Problem, preflight

EXAMPLES = 5
# Reading a number takes 0.07 ms.
NUMBERS_LOOKED_AT = 5_000
CLOSED_DAYS_AHEAD = timedelta(days=60)
EXPERIENCE_CALLS = 1_000
EXPERIENCE_MIN_CALLS = 50


@dataclass(frozen=True, slots=True)
class Skipped:
    """Customers who would not be called, or not at once. `is_final` says that waiting does not change it."""

    code: str
    label: str
    count: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A local date on which nobody is called: a blackout date or a holiday. `name` may be empty."""

    date: date
    name: str


@dataclass(frozen=True, slots=True)
class Example:
    """What the agent would be told of one customer."""

    name: str
    phone_number: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LaunchReport:
    """A campaign before its launch. A customer may be skipped for several reasons, and is counted in each."""

    problems: Sequence[Problem]
    customers: int
    skipped: Sequence[Skipped]
    closed_days: Sequence[ClosedDay]
    examples: Sequence[Example]
    estimate: Estimate


def launch_report(campaign: Campaign, now: datetime, dice: random.Random) -> LaunchReport:
    """The report of a campaign whose trunk is loaded; `dice` chooses the examples."""
    entries = entries_of(campaign)
    customers = count_customers(entries)
    skipped = [skip for skip in _skipped(campaign, entries, customers, now) if skip.count]
    final = max((skip.count for skip in skipped if skip.is_final), default=0)
    return LaunchReport(
        problems=preflight(campaign, now),
        customers=customers,
        skipped=skipped,
        closed_days=_closed_days(campaign, now),
        examples=_examples(campaign, entries, dice),
        estimate=_estimate(campaign, customers - final, now),
    )


def _skipped(campaign: Campaign, entries: QuerySet[ListEntry], customers: int, now: datetime) -> Iterator[Skipped]:
    rules = rules_of(campaign, now)
    yield from _undialable(campaign, entries, customers, rules)
    yield Skipped(Gate.SUPPRESSED, "Are on a do-not-call list", on_do_not_call_list(campaign, entries, now), True)
    if rules.needs_consent:
        yield Skipped(Gate.CONSENT, "Have not consented", _without_consent(campaign, entries, now), True)
    for cap, window in ((rules.calls_per_day, DAY), (rules.calls_per_week, WEEK)):
        if cap is not None:
            full = entries.filter(customer__phone_number__in=_called(now - window, times=cap))
            hours = f"{window.total_seconds() / 3600:.0f} hours"
            yield Skipped(Gate.NUMBER_CAP, f"Were called {cap} times within {hours}", count_customers(full), False)
    yield _resting(entries, rules, now)
    yield from _outside_window(campaign, entries, customers, now)
    yield from _empty_values(campaign, entries)


def _undialable(
    campaign: Campaign, entries: QuerySet[ListEntry], customers: int, rules: CallingRules
) -> Iterator[Skipped]:
    """Numbers that are no longer, or never were, such as may be dialed. Of a long list a part is looked at."""
    every = -(-customers // NUMBERS_LOOKED_AT) or 1
    part = entries.annotate(place=Mod("customer_id", every)).filter(place=0) if every > 1 else entries
    numbers = part.order_by().values_list("customer__phone_number", flat=True).distinct()
    found: Counter[Gate] = Counter()
    for number in numbers:
        if number_fault(number):
            found[Gate.NUMBER_CLASS] += every
        elif country_fault(number, campaign.trunk, rules):
            found[Gate.COUNTRY] += every
    about = ", about, by a part of them" if every > 1 else ""
    yield Skipped(Gate.NUMBER_CLASS, f"Have a number that is not dialed{about}", found[Gate.NUMBER_CLASS], True)
    yield Skipped(Gate.COUNTRY, f"Are in a country that may not be called{about}", found[Gate.COUNTRY], True)


def _closed_days(campaign: Campaign, now: datetime) -> list[ClosedDay]:
    window = window_of(campaign, now)
    today = timezone.localdate(now)
    coming = sorted(day for day in window.closed_dates if today <= day < today + CLOSED_DAYS_AHEAD)
    return [ClosedDay(day, window.day_names.get(day, "")) for day in coming]


def _called(since: datetime, *, times: int) -> QuerySet[CallAttempt, Any]:
    """Numbers that were called so often since then, by whichever campaign."""
    calls = CallAttempt.objects.filter(dispatched_at__gt=since).filter(Q(is_counted=True) | Q(ended_at=None))
    often = calls.order_by().values("phone_number").annotate(times=Count("pk")).filter(times__gte=times)
    return often.values("phone_number")


def _resting(entries: QuerySet[ListEntry], rules: CallingRules, now: datetime) -> Skipped:
    since = now - timedelta(seconds=max(rules.min_gap_s, settings.REDIAL_MIN_S))
    resting = entries.filter(customer__phone_number__in=_called(since, times=1))
    return Skipped(Gate.RECENT_CALL, "Were called a moment ago", count_customers(resting), False)


def _without_consent(campaign: Campaign, entries: QuerySet[ListEntry], now: datetime) -> int:
    """Read once for each different text of the column, however many customers have it."""
    name = campaign.consent_attribute
    today = now.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    texts = entries.order_by().values_list(f"attributes__{name}", f"customer__attributes__{name}")
    counted = texts.annotate(customers=Count("customer", distinct=True))
    return sum(
        customers
        for listed, own, customers in counted
        if read_consent(str(own if listed is None else listed or ""), today) is not Consent.GIVEN
    )


def _outside_window(
    campaign: Campaign, entries: QuerySet[ListEntry], everybody: int, now: datetime
) -> Iterator[Skipped]:
    window = window_of(campaign, now)
    zones: Iterable[tuple[str, int]] = [("", everybody)]
    if not window.is_by_own_clock:
        zones = customers_of(entries).values_list("timezone").annotate(customers=Count("*"))
    closed, blacked_out = 0, 0
    for zone, customers in zones:
        # Numbers without a zone of their own are taken for local ones.
        where = zones_of(window, customer_zone=zone, number_zones=(), fallback=settings.TIME_ZONE)
        if closed_date_in(window, where, now) is not None:
            blacked_out += customers
        elif next_opening(window, where, now) != now:
            closed += customers
    yield Skipped(Gate.BLACKOUT, "Have to wait for a blackout date or holiday to be over", blacked_out, False)
    yield Skipped(Gate.WINDOW, "Have to wait for the calling window", closed, False)


def _empty_values(campaign: Campaign, entries: QuerySet[ListEntry]) -> Iterator[Skipped]:
    """Customers whose row lacks a value that the agent is told: called all the same, and told nothing in its place."""
    for column in _template(campaign).columns:
        lacks = Q(**{f"attributes__{column}__isnull": True}) | Q(**{f"attributes__{column}": ""})
        own = Q(**{f"customer__attributes__{column}__isnull": True}) | Q(**{f"customer__attributes__{column}": ""})
        yield Skipped(
            "empty_value",
            f"Are called without a value for “{column}”",
            count_customers(entries.filter(lacks & own)),
            False,
        )


def _template(campaign: Campaign) -> ParameterTemplate:
    try:
        return parse_template(campaign.parameter_template)
    except ValueError:
        return parse_template({})


def _examples(campaign: Campaign, entries: QuerySet[ListEntry], dice: random.Random) -> list[Example]:
    """Rows at random places, found by their ids: sorting a million rows by chance would take seconds."""
    template = _template(campaign)
    ends = entries.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return []
    places = {dice.randint(ends["first"], ends["last"]) for _ in range(EXAMPLES)}
    rows = entries.select_related("customer").order_by("pk")
    found = {entry.customer_id: entry for place in sorted(places) for entry in rows.filter(pk__gte=place)[:EXAMPLES]}
    chosen = dice.sample(sorted(found), min(EXAMPLES, len(found)))
    return [_example(template, found[customer_id]) for customer_id in chosen]


def _example(template: ParameterTemplate, entry: ListEntry) -> Example:
    customer = entry.customer
    told = Recipient(customer.name, customer.phone_number, {**customer.attributes, **entry.attributes})
    return Example(customer.name, customer.phone_number, template.render(told))


def _estimate(campaign: Campaign, customers: int, now: datetime) -> Estimate:
    trunk = campaign.trunk
    window = window_of(campaign, now)
    limits = Limits(
        calls_per_second=min(campaign.calls_per_second, trunk.calls_per_second),
        max_concurrent_calls=min(
            lines_of(campaign.app, campaign.max_concurrent_calls, campaign.extensions), trunk.max_concurrent_calls
        ),
        max_attempts=campaign.max_attempts,
        ring_s=settings.RING_TIMEOUT_S if campaign.ring_timeout_s is None else campaign.ring_timeout_s,
    )
    zones = zones_of(window, customer_zone="", number_zones=(), fallback=settings.TIME_ZONE)
    begin = max(now, campaign.starts_at or now)
    return estimate(customers, limits, _experience(campaign), window=window, zones=zones, begin=begin)


def _experience(campaign: Campaign) -> Experience:
    """How calls on this trunk went lately: those of its latest campaign that had enough of them."""
    earlier = Campaign.objects.filter(trunk=campaign.trunk, launched_at__isnull=False).order_by("-launched_at")
    for known in earlier[:3]:
        calls = CallAttempt.objects.filter(campaign=known, is_counted=True, is_test=False, ended_at__isnull=False)
        rows = calls.order_by("-claimed_at").values_list("answered_at", "ended_at")
        ended = list(rows[:EXPERIENCE_CALLS])
        talked_s = [(end - answered).total_seconds() for answered, end in ended if answered is not None and end]
        if len(ended) >= EXPERIENCE_MIN_CALLS:
            talk_s = sum(talked_s) / len(talked_s) if talked_s else ASSUMED.talk_s
            return Experience(len(talked_s) / len(ended), talk_s, is_assumed=False)
    return ASSUMED
