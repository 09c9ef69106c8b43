"""Rule profiles: versions, what a campaign may tighten, and what only an override loosens."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import RuleProfileName
from campaigns.policies import rule_profiles
from campaigns.policies.rule_profiles import PROFILES, OwnRules, RuleProfile, parse_override, profile_at, rules_in_force

TODAY = date(2026, 11, 20)
ADS = profile_at(RuleProfileName.VN_ADS, TODAY)
NOTHING = OwnRules()


def test_every_profile_has_versions_from_one_on() -> None:
    for name in RuleProfileName:
        versions = [profile.version for profile in PROFILES if profile.name is name]
        assert versions == list(range(1, len(versions) + 1))
        assert versions
    assert all(profile.source for profile in PROFILES)


def test_a_profile_changes_on_the_day_from_which_its_next_version_holds(monkeypatch) -> None:
    later = RuleProfile(RuleProfileName.VN_ADS, 2, TODAY + timedelta(days=1), "A new decree.")
    monkeypatch.setattr(rule_profiles, "PROFILES", (later, *PROFILES))
    days = (date(2000, 1, 1), TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=900))
    assert [profile_at(RuleProfileName.VN_ADS, day).label for day in days] == [
        "vn_ads@1",
        "vn_ads@1",
        "vn_ads@2",
        "vn_ads@2",
    ]


def test_the_advertising_profile_is_the_strict_one() -> None:
    rules = rules_in_force(ADS, NOTHING, {})
    assert (rules.hours, rules.calls_per_day, rules.needs_consent) == ((480, 1020), 1, True)
    assert (rules.unconfirmed_gap_s, rules.dnc_max_age_days, sorted(rules.countries)) == (86_400, 31, ["VN"])


caps = st.none() | st.integers(1, 100)
gaps = st.none() | st.floats(0, 1e6)
overrides = st.fixed_dictionaries(
    {},
    optional={
        "calls_per_day": st.integers(1, 100),
        "calls_per_week": st.integers(1, 100),
        "min_gap_s": st.floats(0, 1e6),
    },
)


@given(st.sampled_from(PROFILES), caps, caps, gaps, overrides)
def test_a_campaign_can_only_tighten(profile, per_day, per_week, gap_s, override) -> None:
    base = rules_in_force(profile, NOTHING, override)
    rules = rules_in_force(profile, OwnRules(per_day, per_week, gap_s), override)
    for name in ("calls_per_day", "calls_per_week"):
        assert (getattr(rules, name) or 10**9) <= (getattr(base, name) or 10**9)
    assert rules.min_gap_s >= base.min_gap_s
    # Whatever is overridden: where, to whom and after which gap nobody can vouch for stays the profile's.
    for name in ("needs_consent", "dnc_max_age_days", "countries", "unconfirmed_gap_s"):
        assert getattr(rules, name) == getattr(profile, name)
    assert rules.is_overridden is bool(override)


def test_an_override_loosens_hours_caps_and_gaps() -> None:
    changes = parse_override({"hours": ["07:00", "21:00"], "calls_per_day": 3, "calls_per_week": 9, "min_gap_s": 60})
    rules = rules_in_force(ADS, OwnRules(calls_per_day=2), changes)
    assert (rules.hours, rules.calls_per_day, rules.calls_per_week, rules.min_gap_s) == ((420, 1260), 2, 9, 60.0)
    assert parse_override({}) == {}


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"needs_consent": False},
        {"dnc_max_age_days": 900},
        {"countries": ["US"]},
        {"hours": "08:00-17:00"},
        {"hours": ["08:00"]},
        {"hours": [8, 17]},
        {"hours": ["17:00", "08:00"]},
        {"calls_per_day": 0},
        {"calls_per_day": True},
        {"calls_per_week": 101},
        {"calls_per_week": None},
        {"min_gap_s": -1},
        {"min_gap_s": "1"},
    ],
)
def test_an_override_of_anything_else_is_refused(raw) -> None:
    with pytest.raises(ValueError):
        parse_override(raw)


def test_nothing_in_a_profile_can_be_changed_by_accident() -> None:
    assert {field.name for field in fields(RuleProfile)} >= rule_profiles._OVERRIDABLE
