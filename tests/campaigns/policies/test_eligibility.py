"""Gates: each closes for its own reason, in order, and says when it opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.enums import CampaignState, Outcome, RuleProfileName, TrunkHold
from campaigns.policies.agent_breaker import AgentOutage
from campaigns.policies.calling_window import WEEKDAYS, parse_window
from campaigns.policies.consent import Consent
from campaigns.policies.eligibility import (
    LABELS,
    DialFacts,
    Gate,
    allowed_by,
    dial_gates,
    first_closed,
    refusal_outcome,
    refusal_retry_at,
)
from campaigns.policies.number_caps import NumberUse
from campaigns.policies.rule_profiles import OwnRules, profile_at, rules_in_force

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
NIGHTLY = parse_window({"days": {"fri": [["22:00", "02:00"]]}})
WINDOW = parse_window({"days": {day: [["08:00", "09:00"]] for day in WEEKDAYS}})
RULES = rules_in_force(profile_at(RuleProfileName.CUSTOM, NOW.date()), OwnRules(), {})
CAPPED = replace(RULES, calls_per_day=1, calls_per_week=9)
CLEAR = DialFacts(
    stop_reason="",
    campaign_state=CampaignState.RUNNING,
    is_trunk_usable=True,
    trunk_hold=TrunkHold.NONE,
    trunk_hold_detail="",
    throttled_until=None,
    agent_outage=None,
    agent_trial_at=None,
    contact_number="+84912345678",
    frozen_number="+84912345678",
    number_fault="",
    country_fault="",
    suppressed_by="",
    dnc_fault="",
    dnc_version=None,
    consent=None,
    attempts_made=0,
    has_asked_for_call=False,
    max_attempts=3,
    window=WINDOW,
    zones=("UTC",),
    rules=RULES,
    use=NumberUse(),
)
CLOSED: list[tuple[Any, ...]] = [
    ({"stop_reason": "Fire."}, Gate.STOPPED, "Fire.", None, Outcome.RELEASED, NOW),
    ({"campaign_state": CampaignState.PAUSED}, Gate.CAMPAIGN, "It is paused.", None, Outcome.RELEASED, NOW),
    ({"campaign_state": CampaignState.CANCELED}, Gate.CAMPAIGN, "It is canceled.", None, Outcome.CANCELED, NOW),
    (
        {"is_trunk_usable": False},
        Gate.TRUNK_DISABLED,
        "Enable the trunk and set its token.",
        None,
        Outcome.RELEASED,
        None,
    ),
    ({"trunk_hold": TrunkHold.MANUAL}, Gate.TRUNK_HELD, "Held by a person", None, Outcome.RELEASED, None),
    ({"throttled_until": LATER}, Gate.TRUNK_THROTTLED, "The switch answered 429.", LATER, Outcome.RELEASED, LATER),
    (
        {"agent_outage": AgentOutage(NOW, "It failed."), "agent_trial_at": LATER},
        Gate.AGENT,
        "It failed. One call a minute tries it.",
        LATER,
        Outcome.RELEASED,
        LATER,
    ),
    ({"contact_number": "+1"}, Gate.NUMBER_CHANGED, "It changed after the claim.", NOW, Outcome.RELEASED, NOW),
    ({"number_fault": "No."}, Gate.NUMBER_CLASS, "No.", None, Outcome.BLOCKED, None),
    ({"country_fault": "No."}, Gate.COUNTRY, "No.", None, Outcome.BLOCKED, None),
    ({"suppressed_by": "It is."}, Gate.SUPPRESSED, "It is.", None, Outcome.BLOCKED, None),
    ({"dnc_fault": "Old."}, Gate.DNC_LISTS, "Old.", None, Outcome.RELEASED, None),
    ({"consent": Consent.WITHDRAWN}, Gate.CONSENT, "Consent was withdrawn.", None, Outcome.BLOCKED, None),
    ({"attempts_made": 3}, Gate.MAX_ATTEMPTS, "3 of 3 are used.", None, Outcome.BLOCKED, None),
    (
        {"zones": ("Asia/Ho_Chi_Minh",)},
        Gate.WINDOW,
        "It is closed in Asia/Ho_Chi_Minh.",
        NOW.replace(hour=1, minute=0) + timedelta(days=1),
        Outcome.RELEASED,
        NOW.replace(hour=1, minute=0) + timedelta(days=1),
    ),
    (
        {"rules": CAPPED, "use": NumberUse(1, 1, cap_opens_at=LATER, rested_at=LATER)},
        Gate.NUMBER_CAP,
        "The number has had 1 of 1 calls in 24 hours.",
        LATER,
        Outcome.RELEASED,
        LATER,
    ),
    (
        {"use": NumberUse(rested_at=LATER)},
        Gate.RECENT_CALL,
        "Its last call, in whichever campaign, was a moment ago.",
        LATER,
        Outcome.RELEASED,
        LATER,
    ),
]


def test_nothing_stands_in_the_way_of_a_clear_contact() -> None:
    assert first_closed(dial_gates(CLEAR, NOW)) is None


@pytest.mark.parametrize(("change", "code", "reason", "opens_at", "outcome", "retry_at"), CLOSED)
def test_gate_closes_and_decides(change, code, reason, opens_at, outcome, retry_at) -> None:
    facts = replace(CLEAR, **change)
    closed = first_closed(dial_gates(facts, NOW))
    assert closed is not None
    assert (closed.code, closed.reason, closed.opens_at, closed.label) == (code, reason, opens_at, LABELS[code])
    assert refusal_outcome(closed, facts.campaign_state) is outcome
    assert refusal_retry_at(closed, NOW) == retry_at


def test_the_first_closed_gate_decides() -> None:
    worst = CLEAR
    for change, *_ in reversed(CLOSED):
        worst = replace(worst, **change)
    order = [gate.code for gate in dial_gates(worst, NOW) if not gate.is_open]
    assert order == list(dict.fromkeys(code for _, code, *_ in CLOSED))


def test_a_gate_opens_at_its_moment() -> None:
    outage = AgentOutage(NOW, "It failed.")
    facts = replace(CLEAR, throttled_until=NOW, use=NumberUse(rested_at=NOW), agent_outage=outage, agent_trial_at=NOW)
    assert first_closed(dial_gates(facts, NOW)) is None


def test_a_call_that_was_asked_for_needs_no_attempt_left() -> None:
    facts = replace(CLEAR, attempts_made=3, has_asked_for_call=True)
    assert first_closed(dial_gates(facts, NOW)) is None


BLACKOUT = replace(WINDOW, closed_dates=frozenset({NOW.date()}))


def test_a_blackout_date_is_named_and_not_the_window() -> None:
    closed = first_closed(dial_gates(replace(CLEAR, window=BLACKOUT), NOW))
    assert closed is not None
    assert (closed.code, closed.reason) == (Gate.BLACKOUT, "2026-11-20 is a blackout date in UTC.")
    assert closed.opens_at == NOW.replace(hour=8, minute=0) + timedelta(days=1)


def test_a_holiday_is_called_by_its_name() -> None:
    window = replace(BLACKOUT, day_names={NOW.date(): "Lunar New Year"})
    closed = first_closed(dial_gates(replace(CLEAR, window=window), NOW))
    assert closed is not None
    assert closed.reason == "2026-11-20 (Lunar New Year) is a blackout date in UTC."


def test_the_hours_of_a_profile_count_where_the_customer_is() -> None:
    window = replace(WINDOW, timezone="UTC", legal_hours=(8 * 60, 17 * 60))
    zones = ("America/New_York",)
    closed = first_closed(dial_gates(replace(CLEAR, window=window, zones=zones), NOW))
    assert closed is not None
    assert (closed.code, closed.reason) == (Gate.WINDOW, "It is closed in America/New_York, UTC.")


def test_an_attempt_keeps_what_let_its_call_through() -> None:
    facts = replace(CLEAR, consent=Consent.GIVEN, dnc_version=7, use=NumberUse(1, 2), rules=CAPPED)
    assert allowed_by(facts) == {
        "profile": "custom@1",
        "zones": ["UTC"],
        "calls_24h": 1,
        "calls_7d": 2,
        "caps": [1, 9],
        "window": {"timezone": "", "ranges": (((480, 540),),), "legal_hours": None},
        "dnc": 7,
        "consent": "given",
    }
    loosened = replace(facts, rules=replace(CAPPED, is_overridden=True), consent=None, window=NIGHTLY)
    kept = allowed_by(loosened)
    assert (kept["is_overridden"], "consent" in kept, len(kept["window"]["ranges"])) == (True, False, 7)
