"""The page of the calling rules says what the tables in the code say."""

from __future__ import annotations

from campaigns.policies.eligibility import ENDING_GATES, LABELS
from campaigns.policies.rule_profiles import PROFILES, RuleProfile
from tests.docs.pages import code, page, rows

PAGE = page("reference/calling-rules.md")


def clock(hours: tuple[int, int] | None) -> str:
    return "–" if hours is None else "–".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in hours)


def number(value: float | None) -> str:
    return f"{value:g}" if value else "–"


def cells(profile: RuleProfile) -> list[str]:
    return [
        f"`{profile.label}`",
        str(profile.effective_on),
        clock(profile.hours),
        number(profile.calls_per_day),
        number(profile.calls_per_week),
        number(profile.min_gap_s),
        number(profile.unconfirmed_gap_s),
        "yes" if profile.needs_consent else "–",
        number(profile.dnc_max_age_days),
        ", ".join(sorted(profile.countries)) or "–",
        profile.holidays or "–",
        profile.source,
    ]


def test_every_version_of_every_profile_is_told():
    told = [row for row in rows(PAGE) if "@" in code(row[0])]
    assert told == [cells(profile) for profile in PROFILES]


def test_every_gate_is_told_in_order():
    told = [row for row in rows(PAGE) if row[-1] in ("waits", "ends the contact")]
    assert told == [
        [f"`{gate.value}`", label, "ends the contact" if gate in ENDING_GATES else "waits"]
        for gate, label in LABELS.items()
    ]
