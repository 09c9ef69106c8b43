"""The gates between a contact and its call, in order; the first closed one decides, and nothing is dialed on doubt.

The same gates are asked in the transaction that writes the marker and by `why_not`, so the explanation cannot differ
from the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from campaigns.enums import CampaignState, Outcome, TrunkHold
from campaigns.policies.agent_breaker import AgentOutage
from campaigns.policies.calling_window import CallingWindow, closed_date_in, date_in_words, is_open, next_opening
from campaigns.policies.consent import Consent
from campaigns.policies.number_caps import NumberUse
from campaigns.policies.rule_profiles import CallingRules


class Gate(StrEnum):
    """What can stand in the way of a call. Stable: these stand in attempts, in the API and in pages."""

    STOPPED = "dialing_stopped"
    CAMPAIGN = "campaign_not_running"
    TRUNK_DISABLED = "trunk_disabled"
    TRUNK_HELD = "trunk_held"
    TRUNK_THROTTLED = "trunk_throttled"
    AGENT = "agent_unavailable"
    NUMBER_CHANGED = "number_changed"
    NUMBER_CLASS = "number_not_allowed"
    COUNTRY = "country_not_allowed"
    SUPPRESSED = "suppressed"
    DNC_LISTS = "dnc_list_outdated"
    CONSENT = "no_consent"
    MAX_ATTEMPTS = "max_attempts"
    BLACKOUT = "blackout_date"
    WINDOW = "outside_window"
    NUMBER_CAP = "number_cap"
    RECENT_CALL = "called_recently"
    EXTENSION = "no_free_extension"
    # Only asked to explain a wait: the claim counts these for many contacts at once.
    CONTACT = "contact_not_waiting"
    NOT_DUE = "not_due"
    NUMBER_BUSY = "number_in_another_call"
    CAMPAIGN_LINES = "campaign_lines"
    TRUNK_LINES = "trunk_lines"
    CAMPAIGN_PACE = "campaign_pace"
    TRUNK_PACE = "trunk_pace"
    TURN = "waiting_turn"
    CANARY = "canary_running"
    BRIDGE = "no_bridge_slot"
    DIALER = "dialer_not_running"
    CLOCK = "clock_off"


LABELS: Mapping[Gate, str] = {
    Gate.STOPPED: "Dialing as a whole is not stopped",
    Gate.CAMPAIGN: "The campaign is running",
    Gate.TRUNK_DISABLED: "The trunk is enabled and has a token",
    Gate.TRUNK_HELD: "The trunk is not held",
    Gate.TRUNK_THROTTLED: "The switch has not asked for a pause",
    Gate.AGENT: "The agent works",
    Gate.NUMBER_CHANGED: "The number is still the contact's",
    Gate.NUMBER_CLASS: "The number may be dialed",
    Gate.COUNTRY: "The number is in an allowed country",
    Gate.SUPPRESSED: "The number is on no do-not-call list",
    Gate.DNC_LISTS: "The imported do-not-call lists are recent enough",
    Gate.CONSENT: "The customer has consented, where that is needed",
    Gate.MAX_ATTEMPTS: "Attempts are left",
    Gate.BLACKOUT: "It is no blackout date there",
    Gate.WINDOW: "The calling window is open there",
    Gate.NUMBER_CAP: "The number was not called too often",
    Gate.RECENT_CALL: "The number was not called a moment ago",
    Gate.EXTENSION: "An extension is free to be rung first",
    Gate.CONTACT: "The contact waits for a call",
    Gate.NOT_DUE: "The contact is due",
    Gate.NUMBER_BUSY: "No other call to this number is open",
    Gate.CAMPAIGN_LINES: "The campaign has a free line",
    Gate.TRUNK_LINES: "The trunk has a free line",
    Gate.CAMPAIGN_PACE: "The campaign's calls per second allow one more",
    Gate.TRUNK_PACE: "The trunk's calls per second allow one more",
    Gate.TURN: "No other campaign of the trunk has its turn first",
    Gate.CANARY: "The first calls of a careful start went well",
    Gate.BRIDGE: "A bridge can take the call",
    Gate.DIALER: "The dial worker takes messages",
    Gate.CLOCK: "The dial workers' clocks agree with the database's",
}
# Gates that will not open by waiting end the contact; all others give it back.
ENDING_GATES: Mapping[Gate, Outcome] = {
    Gate.NUMBER_CLASS: Outcome.BLOCKED,
    Gate.COUNTRY: Outcome.BLOCKED,
    Gate.SUPPRESSED: Outcome.BLOCKED,
    Gate.CONSENT: Outcome.BLOCKED,
    Gate.MAX_ATTEMPTS: Outcome.BLOCKED,
}
# What protects a customer's peace says nothing against a person of the house who wants to hear the campaign.
NOT_ASKED_OF_TEST_CALLS = frozenset(
    {
        Gate.CAMPAIGN,
        Gate.AGENT,
        Gate.CONSENT,
        Gate.MAX_ATTEMPTS,
        Gate.BLACKOUT,
        Gate.WINDOW,
        Gate.NUMBER_CAP,
        Gate.RECENT_CALL,
    }
)
OVER_STATES = frozenset({CampaignState.CANCELED, CampaignState.FINISHED})


@dataclass(frozen=True, slots=True)
class GateState:
    """One gate as it stands. `reason` says why it is closed; `opens_at` is None where nobody can say."""

    code: Gate
    is_open: bool
    reason: str = ""
    opens_at: datetime | None = None

    @property
    def label(self) -> str:
        """What the gate asks, as a statement that holds when it is open."""
        return LABELS[self.code]


@dataclass(frozen=True, slots=True)
class DialFacts:
    """All that the dial-time gates look at, read in one transaction.

    `agent_trial_at` is set with an outage: when one call may try the agent again. `frozen_number` is the number the
    attempt was claimed for. Texts that end in `_fault`, `stop_reason` and `suppressed_by` say what is wrong, and are
    empty where nothing is. `consent` is None where the rules ask for none.
    """

    stop_reason: str
    campaign_state: CampaignState
    is_trunk_usable: bool
    trunk_hold: TrunkHold
    trunk_hold_detail: str
    throttled_until: datetime | None
    agent_outage: AgentOutage | None
    agent_trial_at: datetime | None
    contact_number: str
    frozen_number: str
    number_fault: str
    country_fault: str
    suppressed_by: str
    dnc_fault: str
    dnc_version: int | None
    consent: Consent | None
    attempts_made: int
    has_asked_for_call: bool
    max_attempts: int
    window: CallingWindow
    zones: tuple[str, ...]
    rules: CallingRules
    use: NumberUse
    extension_fault: str = ""


def dial_gates(facts: DialFacts, now: datetime) -> list[GateState]:
    """Every gate that is asked before the marker, in order."""
    return [
        gate(Gate.STOPPED, not facts.stop_reason, facts.stop_reason),
        gate(
            Gate.CAMPAIGN,
            facts.campaign_state is CampaignState.RUNNING,
            f"It is {facts.campaign_state.label.lower()}.",
        ),
        gate(Gate.TRUNK_DISABLED, facts.is_trunk_usable, "Enable the trunk and set its token."),
        gate(
            Gate.TRUNK_HELD,
            facts.trunk_hold is TrunkHold.NONE,
            facts.trunk_hold_detail or facts.trunk_hold.label,
        ),
        gate(
            Gate.TRUNK_THROTTLED,
            facts.throttled_until is None or facts.throttled_until <= now,
            "The switch answered 429.",
            facts.throttled_until,
        ),
        _agent_gate(facts, now),
        gate(Gate.NUMBER_CHANGED, facts.contact_number == facts.frozen_number, "It changed after the claim.", now),
        gate(Gate.NUMBER_CLASS, not facts.number_fault, facts.number_fault),
        gate(Gate.COUNTRY, not facts.country_fault, facts.country_fault),
        gate(Gate.SUPPRESSED, not facts.suppressed_by, facts.suppressed_by),
        gate(Gate.DNC_LISTS, not facts.dnc_fault, facts.dnc_fault),
        gate(Gate.CONSENT, facts.consent in (None, Consent.GIVEN), facts.consent or ""),
        gate(
            Gate.MAX_ATTEMPTS,
            facts.attempts_made < facts.max_attempts or facts.has_asked_for_call,
            f"{facts.attempts_made} of {facts.max_attempts} are used.",
        ),
        *_window_gates(facts, now),
        _cap_gate(facts, now),
        gate(
            Gate.RECENT_CALL,
            facts.use.rested_at is None or facts.use.rested_at <= now,
            "Its last call, in whichever campaign, was a moment ago.",
            facts.use.rested_at,
        ),
        gate(Gate.EXTENSION, not facts.extension_fault, facts.extension_fault),
    ]


def call_test_gates(facts: DialFacts, now: datetime) -> list[GateState]:
    """Every gate that is asked before the marker of a test call, in order."""
    return [state for state in dial_gates(facts, now) if state.code not in NOT_ASKED_OF_TEST_CALLS]


def gate(code: Gate, is_open: bool, reason: str, opens_at: datetime | None = None) -> GateState:
    """A gate's state; an open gate has no reason and no time."""
    return GateState(code, True) if is_open else GateState(code, False, reason, opens_at)


def first_closed(gates: Iterable[GateState]) -> GateState | None:
    """The gate that decides, or None if the way is free."""
    return next((state for state in gates if not state.is_open), None)


def refusal_outcome(closed: GateState, campaign_state: CampaignState) -> Outcome:
    """How an attempt ends that a gate has refused."""
    if campaign_state in OVER_STATES:
        return Outcome.CANCELED
    return ENDING_GATES.get(closed.code, Outcome.RELEASED)


def refusal_retry_at(closed: GateState, now: datetime) -> datetime | None:
    """When a refused contact may be claimed again; None backs off.

    A campaign that is not running claims nobody, nor does anybody during a stop or while no extension is free, so
    contacts need no wait of their own.
    """
    return now if closed.code in (Gate.CAMPAIGN, Gate.STOPPED, Gate.EXTENSION) else closed.opens_at


def allowed_by(facts: DialFacts) -> dict[str, Any]:
    """What let a call through, as its attempt keeps it: enough to compute the decision again."""
    window = facts.window
    # A window that is the same every day, as most are, is kept once.
    ranges = window.ranges[:1] if len(set(window.ranges)) == 1 else window.ranges
    allowed: dict[str, Any] = {
        "profile": facts.rules.profile,
        "zones": sorted(facts.zones),
        "calls_24h": facts.use.calls_24h,
        "calls_7d": facts.use.calls_7d,
        "caps": [facts.rules.calls_per_day, facts.rules.calls_per_week],
        "window": {"timezone": window.timezone, "ranges": ranges, "legal_hours": window.legal_hours},
        "dnc": facts.dnc_version,
    }
    if facts.rules.is_overridden:
        allowed["is_overridden"] = True
    if facts.consent is not None:
        allowed["consent"] = facts.consent.name.lower()
    return allowed


def _agent_gate(facts: DialFacts, now: datetime) -> GateState:
    trial_at = facts.agent_trial_at
    if facts.agent_outage is None or (trial_at is not None and trial_at <= now):
        return GateState(Gate.AGENT, True)
    return GateState(Gate.AGENT, False, f"{facts.agent_outage.reason} One call a minute tries it.", trial_at)


def _window_gates(facts: DialFacts, now: datetime) -> list[GateState]:
    """Blackout date and calling window: one closed gate at most, so that the reason is the true one."""
    if is_open(facts.window, facts.zones, now):
        return [GateState(Gate.BLACKOUT, True), GateState(Gate.WINDOW, True)]
    opens_at = next_opening(facts.window, facts.zones, now)
    zones = facts.zones if facts.window.is_by_own_clock else tuple({*facts.zones, facts.window.timezone} - {""})
    blackout = closed_date_in(facts.window, zones, now)
    if blackout is not None:
        reason = f"{date_in_words(facts.window, blackout)} is a blackout date in {_named(zones)}."
        return [GateState(Gate.BLACKOUT, False, reason, opens_at), GateState(Gate.WINDOW, True)]
    reason = f"It is closed in {_named(zones)}."
    return [GateState(Gate.BLACKOUT, True), GateState(Gate.WINDOW, False, reason, opens_at)]


def _cap_gate(facts: DialFacts, now: datetime) -> GateState:
    use, rules = facts.use, facts.rules
    caps = ((use.calls_24h, rules.calls_per_day, "24 hours"), (use.calls_7d, rules.calls_per_week, "7 days"))
    full = [f"{calls} of {cap} calls in {period}" for calls, cap, period in caps if cap is not None and calls >= cap]
    is_free = use.cap_opens_at is None or use.cap_opens_at <= now
    return gate(Gate.NUMBER_CAP, is_free, f"The number has had {' and '.join(full)}.", use.cap_opens_at)


def _named(zones: Sequence[str]) -> str:
    return ", ".join(sorted(zones))
