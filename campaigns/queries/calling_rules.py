"""What the rules know of a call before it is made: stops, blackout dates, do-not-call, consent, earlier calls.

Everything is read when it is asked for, in the transaction of whoever asks; nothing is kept between two calls.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import BigIntegerField, CharField, DateField, DateTimeField, Q, QuerySet, Subquery
from django.utils import timezone

from campaigns.enums import AttemptState, DncVersionState, Outcome, RuleProfileName
from campaigns.models import (
    BlackoutDate,
    Call,
    CallAttempt,
    Campaign,
    Contact,
    DialingStop,
    DncList,
    DncNumber,
    DncVersion,
    SuppressedNumber,
    Trunk,
)
from campaigns.policies.calling_window import NEVER_OPEN, CallingWindow, parse_window
from campaigns.policies.consent import Consent, read_consent
from campaigns.policies.holiday_sets import holidays_of
from campaigns.policies.number_caps import WEEK, EarlierCall
from campaigns.policies.rule_profiles import CallingRules, OwnRules, parse_override, profile_at, rules_in_force
from campaigns.queries.prepared import Given, Prepared
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import parse_phone_number, region_of

log = logging.getLogger(__name__)

# More calls to one number in a week than any cap allows.
CALLS_LOOKED_AT = 200
LOAD_STALE = timedelta(seconds=30)
NO_DNC_LIST = "The rules ask for an imported do-not-call list, and there is none. Import one."


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands against a number in general; empty texts where nothing does.

    `dnc_oldest_at` is when the oldest imported do-not-call list was made and `dnc_version` the id of the newest
    version, None where there is no such list.
    """

    stop_reason: str
    suppressed_by: str
    dnc_oldest_at: datetime | None
    dnc_version: int | None


def rules_of(campaign: Campaign, now: datetime) -> CallingRules:
    """The rules of a campaign's calls. An override that cannot be read loosens nothing."""
    try:
        override = parse_override(campaign.rule_override)
    except ValueError:
        log.warning("rule_override_broken", extra={"campaign_id": campaign.pk})
        override = {}
    profile = profile_at(RuleProfileName(campaign.rule_profile), timezone.localdate(now))
    own = OwnRules(
        campaign.calls_per_number_day,
        campaign.calls_per_number_week,
        campaign.number_gap_s,
        needs_consent=bool(campaign.consent_attribute),
    )
    return rules_in_force(profile, own, override)


def window_of(campaign: Campaign, now: datetime) -> CallingWindow:
    """The campaign's calling window with its rules' hours, the blackout dates and the holidays."""
    dates = _CLOSED_DATES.ask(since=_still_somewhere(now), campaign_id=campaign.pk)
    return _window(campaign, dict(dates), now)


def windows_of(campaigns: Iterable[Campaign], trunk_id: int, now: datetime) -> dict[int, CallingWindow]:
    """The calling windows of campaigns of a trunk by id, with hours, blackout dates and holidays, in one query.

    One that cannot be read is never open, and stops nobody else's dialing.
    """
    closed = defaultdict[int | None, dict[date, str]](dict)
    for campaign_id, local_date, name in _CLOSED_ON_TRUNK.ask(since=_still_somewhere(now), trunk_id=trunk_id):
        closed[campaign_id][local_date] = name
    return {campaign.pk: _window(campaign, closed[None] | closed[campaign.pk], now) for campaign in campaigns}


def number_fault(phone_number: str) -> str:
    """Why a number may not be dialed at all (emergency, premium, not a number); empty if it may."""
    try:
        return "" if parse_phone_number(phone_number).e164 == phone_number else "The number is not in E.164 form."
    except PhoneNumberError as error:
        return str(error)


def country_fault(phone_number: str, trunk: Trunk, rules: CallingRules) -> str:
    """Why the number's country may not be called; empty if installation, trunk and rules all allow it."""
    region = region_of(phone_number)
    name = region or "a country nobody can tell"
    limits: tuple[tuple[str, Iterable[str]], ...] = (
        ("This installation", settings.ALLOWED_COUNTRIES),
        (f"The trunk “{trunk.name}”", trunk.allowed_countries or [region]),
        (f"The profile {rules.profile}", rules.countries or [region]),
    )
    who = next((who for who, countries in limits if not region or region not in countries), "")
    return f"{who} may not call {name}." if who else ""


def standing_of(phone_number: str, campaign_id: int, now: datetime) -> Standing:
    """Stops and do-not-call, in one query."""
    (row,) = _STANDING.ask(phone_number=phone_number, campaign_id=campaign_id, now=now)
    suppressed_by = "Take it off the do-not-call list to call it." if row["own"] is not None else ""
    if row["imported"] is not None and not suppressed_by:
        suppressed_by = f"It is on the imported list “{row['imported']}”."
    stop_reason = "" if row["stop"] is None else f"All dialing is stopped: {row['stop']}"
    return Standing(stop_reason, suppressed_by, row["dnc_oldest_at"], row["dnc_version"])


def _standing() -> QuerySet[Campaign, Any]:
    phone_number, now = Given("phone_number", CharField()), Given("now", DateTimeField())
    campaign_id = Given("campaign_id", BigIntegerField())
    lists = DncList.objects.filter(is_active=True, current__isnull=False)
    own = suppressions(campaign_id, now).filter(phone_number=phone_number)
    imported = imported_numbers().filter(phone_number=phone_number)
    standing = Campaign.objects.filter(pk=campaign_id).order_by()
    return standing.values(
        stop=Subquery(stops_in_force().values("reason")[:1]),
        own=Subquery(own.order_by().values("id")[:1]),
        dnc_oldest_at=Subquery(lists.order_by("current__as_of").values("current__as_of")[:1]),
        dnc_version=Subquery(lists.order_by("-current_id").values("current_id")[:1]),
        imported=Subquery(imported.values("version__list__name")[:1]),
    )


def stops_in_force() -> QuerySet[DialingStop]:
    """The stops of all dialing that nobody has lifted."""
    return DialingStop.objects.filter(lifted_at=None).order_by("id")


def calls_to_hang_up(call_ids: Iterable[UUID]) -> list[UUID]:
    """Which of these live calls campaigns have placed, while a stop that hangs up is in force; else none."""
    if not stops_in_force().filter(hangs_up=True).exists():
        return []
    placed = Call.objects.filter(pk__in=call_ids, attempt__isnull=False, ended_at=None)
    return list(placed.values_list("pk", flat=True))


def suppressions(campaign_id: int | Given | None, now: datetime | Given) -> QuerySet[SuppressedNumber]:
    """Entries of the do-not-call list that hold now: everybody's, and a campaign's own where one is given."""
    in_force = SuppressedNumber.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    return in_force.filter(Q(campaign=None) | Q(campaign_id=campaign_id))


def imported_numbers() -> QuerySet[DncNumber]:
    """Numbers of the versions in force of all active imported lists."""
    return DncNumber.objects.filter(version__current_of__is_active=True)


def is_suppressed(phone_number: str, now: datetime, *, campaign_id: int | None = None) -> bool:
    """Whether a number is on a do-not-call list: everybody's, an imported one, or the campaign's own where given."""
    is_on = suppressions(campaign_id, now).filter(phone_number=phone_number).exists()
    return is_on or imported_numbers().filter(phone_number=phone_number).exists()


def dnc_oldest_at() -> datetime | None:
    """When the oldest of the active imported do-not-call lists was made; None without any."""
    lists = DncList.objects.filter(is_active=True, current__isnull=False).order_by("current__as_of")
    return lists.values_list("current__as_of", flat=True).first()


def dnc_fault(rules: CallingRules, oldest_at: datetime | None, now: datetime) -> str:
    """Why the imported do-not-call lists are not good enough for the rules; empty if they are."""
    if rules.dnc_max_age_days is None:
        return ""
    if oldest_at is None:
        return NO_DNC_LIST
    age_days = (now - oldest_at).total_seconds() / 86_400
    if age_days <= rules.dnc_max_age_days:
        return ""
    return f"A do-not-call list is {age_days:.0f} days old; the rules allow {rules.dnc_max_age_days}. Import a new one."


def loading_dnc_versions(now: datetime) -> list[int]:
    """Versions of do-not-call lists that nobody may be reading: not at their end, and older than a fresh upload."""
    stale = DncVersion.objects.filter(state=DncVersionState.LOADING, created_at__lte=now - LOAD_STALE)
    return list(stale.order_by("pk").values_list("pk", flat=True))


def with_good_dnc_lists(campaigns: Iterable[Campaign], now: datetime) -> list[Campaign]:
    """The campaigns without those whose rules ask for newer do-not-call lists: nobody of theirs can be called."""
    campaigns = list(campaigns)
    if not any(rules_of(campaign, now).dnc_max_age_days for campaign in campaigns):
        return campaigns
    oldest_at = dnc_oldest_at()
    return [campaign for campaign in campaigns if not dnc_fault(rules_of(campaign, now), oldest_at, now)]


def consent_of(contact: Contact, zones: Iterable[str], now: datetime) -> Consent:
    """Whether the contact consented. What the customer's own record has said since the launch counts against a yes."""
    name = contact.campaign.consent_attribute
    # Where the date is in doubt, the later one counts: consent ends too early rather than too late.
    today = max(now.astimezone(ZoneInfo(zone)).date() for zone in zones)
    consent = read_consent(str(contact.attributes.get(name, "")) if name else "", today)
    if consent is Consent.GIVEN and name in contact.customer.attributes:
        return read_consent(str(contact.customer.attributes[name]), today)
    return consent


def calls_to(phone_number: str, now: datetime) -> list[EarlierCall]:
    """Calls of the last seven days that were, or may have been, made to a number, by whichever campaign.

    From the attempts themselves: what is open counts from its marker on, what has ended if it was counted. The index
    `attempt_by_phone` holds them in this order.
    """
    rows = _CALLS_TO.ask(phone_number=phone_number, since=now - WEEK)
    return [
        EarlierCall(dispatched_at, Outcome(outcome) if outcome else None, answered_at is not None)
        for dispatched_at, outcome, answered_at in rows
        if dispatched_at is not None
    ]


def _still_somewhere(now: datetime) -> date:
    """A date that is over wherever a customer may be; the next one may not be."""
    return timezone.localdate(now) - timedelta(days=3)


def _window(campaign: Campaign, blackouts: Mapping[date, str], now: datetime) -> CallingWindow:
    """The campaign's window; never open where it, or its set of holidays, cannot be read."""
    rules, closed = rules_of(campaign, now), dict[date, str]()
    try:
        window = parse_window(campaign.calling_window)
        for code in {campaign.holidays, rules.holidays} - {""}:
            closed |= holidays_of(code, timezone.localdate(now))
    except ValueError:
        log.warning("calling_window_broken", extra={"campaign_id": campaign.pk})
        window = NEVER_OPEN
    # A person's own name for a day says more than the calendar's.
    closed |= {day: name or closed.get(day, "") for day, name in blackouts.items()}
    return replace(window, legal_hours=rules.hours, closed_dates=frozenset(closed), day_names=closed)


def _closed_dates() -> QuerySet[BlackoutDate, tuple[date, str]]:
    of_it = Q(campaign=None) | Q(campaign_id=Given("campaign_id", BigIntegerField()))
    return (
        BlackoutDate.objects.filter(of_it, date__gt=Given("since", DateField())).order_by().values_list("date", "name")
    )


def _closed_on_trunk() -> QuerySet[BlackoutDate, tuple[int | None, date, str]]:
    of_these = Q(campaign=None) | Q(campaign__trunk_id=Given("trunk_id", BigIntegerField()))
    dates = BlackoutDate.objects.filter(of_these, date__gt=Given("since", DateField()))
    return dates.order_by().values_list("campaign_id", "date", "name")


def _calls_to() -> QuerySet[CallAttempt, tuple[datetime | None, str, datetime | None]]:
    since = Given("since", DateTimeField())
    attempts = CallAttempt.objects.filter(phone_number=Given("phone_number", CharField()), dispatched_at__gt=since)
    made = attempts.filter(Q(is_counted=True) | ~Q(state=AttemptState.ENDED)).order_by("-dispatched_at")
    return made.values_list("dispatched_at", "outcome", "answered_at")[:CALLS_LOOKED_AT]


# Asked every second, or before every call.
_CLOSED_ON_TRUNK: Final = Prepared(_closed_on_trunk)
_STANDING: Final = Prepared(_standing)
_CLOSED_DATES: Final = Prepared(_closed_dates)
_CALLS_TO: Final = Prepared(_calls_to)
