"""Calling rules in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from campaigns.enums import RuleProfileName
from campaigns.policies.rule_profiles import OwnRules, profile_at, rules_in_force
from campaigns.policies.rule_text import rules_in_words

TODAY = date(2026, 11, 20)


def words(name: RuleProfileName, **changes: object) -> tuple[str, ...]:
    rules = rules_in_force(profile_at(name, TODAY), OwnRules(), {})
    return rules_in_words(replace(rules, **changes))  # type: ignore[arg-type]  # any field


def test_what_sets_no_limit_is_left_out() -> None:
    assert words(RuleProfileName.CUSTOM) == ("Profile custom@1",)


def test_every_limit_is_told() -> None:
    assert words(RuleProfileName.VN_ADS) == (
        "Profile vn_ads@1",
        "08:00 to 17:00 where the customer is",
        "At most 1 call to one number in 24 hours",
        "At most 3 calls to one number in 7 days",
        "Consent is needed",
        "Imported do-not-call lists no older than 31 days",
        "Numbers of VN only",
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30, "30 seconds"), (90, "1.5 minutes"), (7200, "2 hours"), (172_800, "2 days"), (0.5, "0.5 s")],
)
def test_a_gap_is_told_in_its_unit_and_loosening_is_told(seconds, text) -> None:
    told = words(RuleProfileName.CUSTOM, min_gap_s=seconds, is_overridden=True)
    assert told[0] == "Profile custom@1, loosened: see the log"
    assert told[1].startswith(f"At least {text}")
