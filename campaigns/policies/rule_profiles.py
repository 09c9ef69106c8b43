"""Calling rules by country and purpose, as data with versions, and how a campaign may change them.

A campaign names a profile. What the campaign adds can only make it stricter; only an override, given by a person with
the permission and a reason, can loosen hours, caps and gaps. Number classes, do-not-call and consent have no override.

The operator answers for the law, not this table: its texts say where each number comes from, and counsel must check
them. A change of the law is a new entry with a higher version and the date from which it holds; entries are never
edited, because attempts name the version they were placed under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from campaigns.enums import RuleProfileName
from campaigns.policies.calling_window import parse_hours

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
CALLS_MAX = 100
GAP_MAX_S: Final = 90 * DAY_S
_OVERRIDABLE = frozenset({"hours", "calls_per_day", "calls_per_week", "min_gap_s"})


@dataclass(frozen=True, slots=True)
class RuleProfile:
    """One version of one profile. None, 0 and an empty set leave a matter to the campaign.

    `hours` are minutes of the customer's day; `calls_per_day` and `calls_per_week` count all calls to one number, of
    all campaigns, in any 24 hours and any 7 days; gaps are between two calls to one number, the second one after a call
    that nobody can vouch for; a do-not-call list older than `dnc_max_age_days`, or none at all, stops the campaign.
    Nobody is called on the `holidays` of a set of `policies.holiday_sets`, besides those the campaign names.
    """

    name: RuleProfileName
    version: int
    effective_on: date
    source: str
    hours: tuple[int, int] | None = None
    calls_per_day: int | None = None
    calls_per_week: int | None = None
    min_gap_s: float = 0.0
    unconfirmed_gap_s: float = 0.0
    needs_consent: bool = False
    dnc_max_age_days: int | None = None
    countries: frozenset[str] = frozenset()
    holidays: str = ""

    @property
    def label(self) -> str:
        """Name and version, as attempts keep it."""
        return f"{self.name.value}@{self.version}"


# Where a source says "own", the number is the project's choice: no law was found that names one.
PROFILES: tuple[RuleProfile, ...] = (
    RuleProfile(
        RuleProfileName.CUSTOM,
        1,
        date(2026, 1, 1),
        "None: the campaign's own settings, and what holds for all calls (number classes, do-not-call, gaps).",
    ),
    RuleProfile(
        RuleProfileName.VN_ADS,
        1,
        date(2020, 10, 1),
        "Decree 91/2020/ND-CP of Vietnam, Article 13: advertising calls 08:00 to 17:00, one per number in 24 hours, "
        "prior consent, DoNotCall register. The register's greatest age (31 days) and the week's cap are own. Whether "
        "the decree still stands must be checked.",
        hours=(8 * 60, 17 * 60),
        calls_per_day=1,
        calls_per_week=3,
        unconfirmed_gap_s=DAY_S,
        needs_consent=True,
        dnc_max_age_days=31,
        countries=frozenset({"VN"}),
    ),
    RuleProfile(
        RuleProfileName.VN_SERVICE,
        1,
        date(2026, 1, 1),
        "Own: calls to one's own customers that advertise nothing.",
        hours=(8 * 60, 20 * 60),
        calls_per_day=3,
        calls_per_week=7,
        min_gap_s=HOUR_S,
        countries=frozenset({"VN"}),
    ),
    RuleProfile(
        RuleProfileName.US_TCPA,
        1,
        date(2024, 2, 8),
        "47 CFR 64.1200: 08:00 to 21:00 where the called person is, prior express consent for an artificial voice (FCC "
        "ruling of 8 February 2024), do-not-call lists no older than 31 days. Caps are own.",
        hours=(8 * 60, 21 * 60),
        calls_per_day=3,
        calls_per_week=7,
        needs_consent=True,
        dnc_max_age_days=31,
        countries=frozenset({"US"}),
    ),
    RuleProfile(
        RuleProfileName.US_FL_OK,
        1,
        date(2022, 11, 1),
        "As us_tcpa, with the stricter hours and cap of Florida and Oklahoma (HB 3168): 08:00 to 20:00, three calls in "
        "24 hours.",
        hours=(8 * 60, 20 * 60),
        calls_per_day=3,
        calls_per_week=7,
        needs_consent=True,
        dnc_max_age_days=31,
        countries=frozenset({"US"}),
    ),
)


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What a campaign asks for beyond its profile; None asks for nothing."""

    calls_per_day: int | None = None
    calls_per_week: int | None = None
    min_gap_s: float | None = None
    needs_consent: bool = False


@dataclass(frozen=True, slots=True)
class CallingRules:
    """The rules that hold for a campaign's calls now: profile, override and the campaign's own, taken together."""

    profile: str
    is_overridden: bool
    hours: tuple[int, int] | None
    calls_per_day: int | None
    calls_per_week: int | None
    min_gap_s: float
    unconfirmed_gap_s: float
    needs_consent: bool
    dnc_max_age_days: int | None
    countries: frozenset[str]
    holidays: str = ""


def profile_at(name: RuleProfileName, on: date) -> RuleProfile:
    """The version of a profile that holds on a day; the first one before any does."""
    versions = sorted((each for each in PROFILES if each.name is name), key=lambda each: each.version)
    return max((each for each in versions if each.effective_on <= on), key=_version, default=versions[0])


def parse_override(raw: Any) -> dict[str, Any]:
    """What a campaign's stored override changes, by field of `RuleProfile`; empty for none.

    Raises:
        ValueError: the text says which part is wrong.
    """
    if not isinstance(raw, Mapping) or not set(raw) <= _OVERRIDABLE:
        raise ValueError(f"An override may have only {', '.join(sorted(_OVERRIDABLE))}.")
    changes: dict[str, Any] = {}
    if "hours" in raw:
        pair = raw["hours"]
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise ValueError('"hours" must be a pair such as ["08:00", "18:00"].')
        changes["hours"] = parse_hours(*pair)
    for name in ("calls_per_day", "calls_per_week"):
        if name in raw:
            changes[name] = _whole(name, raw[name])
    if "min_gap_s" in raw:
        changes["min_gap_s"] = _seconds(raw["min_gap_s"])
    return changes


def rules_in_force(profile: RuleProfile, own: OwnRules, override: Mapping[str, Any]) -> CallingRules:
    """The rules of a campaign: an override replaces the profile's numbers, the campaign's own can only tighten them."""
    return CallingRules(
        profile=profile.label,
        is_overridden=bool(override),
        hours=override.get("hours", profile.hours),
        calls_per_day=_least(override.get("calls_per_day", profile.calls_per_day), own.calls_per_day),
        calls_per_week=_least(override.get("calls_per_week", profile.calls_per_week), own.calls_per_week),
        min_gap_s=max(override.get("min_gap_s", profile.min_gap_s), own.min_gap_s or 0.0),
        unconfirmed_gap_s=profile.unconfirmed_gap_s,
        needs_consent=profile.needs_consent or own.needs_consent,
        dnc_max_age_days=profile.dnc_max_age_days,
        countries=profile.countries,
        holidays=profile.holidays,
    )


def _version(profile: RuleProfile) -> int:
    return profile.version


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _whole(name: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= CALLS_MAX:
        raise ValueError(f'"{name}" must be a whole number from 1 to {CALLS_MAX}.')
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= GAP_MAX_S:
        raise ValueError(f'"min_gap_s" must be a number of seconds from 0 to {GAP_MAX_S:.0f}.')
    return float(value)
