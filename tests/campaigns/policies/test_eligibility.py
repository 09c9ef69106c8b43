"""Gates: each closes for its own reason, in order, and says when it opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.enums import CampaignState, Outcome, TrunkHold
from campaigns.policies.agent_breaker import AgentOutage
from campaigns.policies.calling_window import WEEKDAYS, parse_window
from campaigns.policies.eligibility import (
    LABELS,
    DialFacts,
    Gate,
    dial_gates,
    first_closed,
    refusal_outcome,
    refusal_retry_at,
)

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
WINDOW = parse_window({"days": {day: [["08:00", "09:00"]] for day in WEEKDAYS}})
CLEAR = DialFacts(
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
    is_suppressed=False,
    attempts_made=0,
    has_asked_for_call=False,
    max_attempts=3,
    window=WINDOW,
    zones=("UTC",),
    rested_at=None,
)
CLOSED: list[tuple[Any, ...]] = [
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
    ({"is_suppressed": True}, Gate.SUPPRESSED, "Take it off the list to call it.", None, Outcome.BLOCKED, None),
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
        {"rested_at": LATER},
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
    facts = replace(CLEAR, throttled_until=NOW, rested_at=NOW, agent_outage=outage, agent_trial_at=NOW)
    assert first_closed(dial_gates(facts, NOW)) is None


def test_a_call_that_was_asked_for_needs_no_attempt_left() -> None:
    facts = replace(CLEAR, attempts_made=3, has_asked_for_call=True)
    assert first_closed(dial_gates(facts, NOW)) is None
