"""What holds a campaign back right now: how many contacts wait for what, and until when.

All contacts are counted at once: one grouped query over those that wait, and a fixed number of small ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db.models import Count, Min, Q
from django.utils import timezone

from campaigns.enums import CampaignState, ContactState, TrunkHold
from campaigns.models import Campaign, Contact
from campaigns.policies.calling_window import closed_date_in, date_in_words, is_open, next_opening
from campaigns.policies.eligibility import LABELS, Gate, GateState
from campaigns.policies.outcomes import CALLBACK, CALLBACK_EXPIRED
from campaigns.policies.wait_text import try_in_words
from campaigns.queries.agent_outages import outage_of, trial_of
from campaigns.queries.calling_rules import dnc_fault, dnc_oldest_at, rules_of, stops_in_force, window_of
from campaigns.queries.why_not import capacity_gates, extension_gate, why_not

# Nothing else explains why nobody is called: these many of the next contacts are asked gate by gate.
SAMPLED_CONTACTS: Final = 3


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that holds a campaign back. `count` is how many contacts wait for it; `opens_at` None: nobody knows."""

    code: str
    label: str
    count: int
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Contacts that wait for one reason: how many are due by now, how many are not, and when the next of those is."""

    reason: str
    due: int
    later: int
    opens_at: datetime | None


WAIT_LABELS = {
    CALLBACK: "Waiting for the time they asked to be called at",
    CALLBACK_EXPIRED: "Asked to be called, and could not be in time",
    Gate.BLACKOUT.value: "Waiting for a blackout date to be over",
    Gate.WINDOW.value: "Waiting for the calling window",
    Gate.NUMBER_CAP.value: "Waiting because the number was called as often as it may be",
    Gate.DNC_LISTS.value: "Waiting for a newer do-not-call list",
    Gate.STOPPED.value: "Waiting because all dialing was stopped",
    Gate.AGENT.value: "Waiting because the agent was unavailable",
    Gate.RECENT_CALL.value: "Waiting because the number was just called",
    Gate.EXTENSION.value: "Waiting because the extension was not free",
    Gate.NUMBER_BUSY.value: "Waiting for another call to the same number to end",
    Gate.TRUNK_HELD.value: "Waiting because the trunk was held",
    Gate.TRUNK_THROTTLED.value: "Waiting because the switch asked for a pause",
    "journal_unwritable": "Waiting because the dial worker's disk takes no lines",
    "not_connected": "Waiting because the switch could not be reached",
}
CLOSED_LABELS = {
    Gate.CAMPAIGN_LINES: "All lines of the campaign are in use",
    Gate.TRUNK_LINES: "All lines of the trunk are in use",
    Gate.CAMPAIGN_PACE: "Waiting for their turn at the campaign's pace",
    Gate.TRUNK_PACE: "Waiting for their turn at the trunk's pace",
    Gate.TURN: "Other campaigns of the trunk are served first",
    Gate.CANARY: "The first calls of a careful start are awaited",
}


def blockers(campaign: Campaign, now: datetime) -> list[Blocker]:
    """What holds the campaign's contacts back right now, the most general first.

    Empty only if nobody waits, or if whoever is due will be claimed by the next tick.
    """
    campaign = Campaign.objects.select_related("trunk").get(pk=campaign.pk)
    groups = _waiting(campaign, now)
    due = sum(group.due for group in groups)
    found = list(_campaign_blockers(campaign, due + sum(group.later for group in groups), now))
    if due:
        found += [
            Blocker(state.code, CLOSED_LABELS.get(state.code, state.reason.rstrip(".")), due, state.opens_at)
            for state in (extension_gate(campaign, now), *capacity_gates(campaign, now))
            if not state.is_open
        ]
        if not found:
            found += _sampled(campaign, due, now)
    return [*found, *_put_off(groups)]


def _waiting(campaign: Campaign, now: datetime) -> list[_Waiting]:
    waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING)
    is_due = Q(next_attempt_at__lte=now)
    rows = waiting.order_by().values_list("state_reason")
    counted = rows.annotate(
        total=Count("*"), due=Count("next_attempt_at", filter=is_due), opens_at=Min("next_attempt_at", filter=~is_due)
    )
    return [_Waiting(reason, due, total - due, opens_at) for reason, total, due, opens_at in counted]


def _campaign_blockers(campaign: Campaign, waiting: int, now: datetime) -> Iterator[Blocker]:
    trunk = campaign.trunk
    state = CampaignState(campaign.state)
    for stop in stops_in_force():
        since = f"{timezone.localtime(stop.at):%Y-%m-%d %H:%M}"
        yield Blocker(Gate.STOPPED, f"All dialing has been stopped since {since}: {stop.reason}", waiting)
    if state is not CampaignState.RUNNING:
        starts_at = campaign.starts_at if state is CampaignState.SCHEDULED else None
        is_draft = state is CampaignState.DRAFT
        label = "The campaign has not been launched" if is_draft else f"The campaign is {state.label.lower()}"
        yield Blocker(Gate.CAMPAIGN, label, waiting, starts_at)
    elif campaign.contacts_filled_at is None:
        yield Blocker("contacts_filling", "Contacts are still being made of the lists", 0)
    if not (trunk.is_enabled and trunk.token):
        yield Blocker(Gate.TRUNK_DISABLED, "The trunk is disabled or has no token", waiting)
    if trunk.hold != TrunkHold.NONE:
        yield Blocker(Gate.TRUNK_HELD, f"The trunk is held: {TrunkHold(trunk.hold).label}", waiting)
    if trunk.throttled_until is not None and trunk.throttled_until > now:
        yield Blocker(Gate.TRUNK_THROTTLED, "The switch asked for a pause", waiting, trunk.throttled_until)
    outage = outage_of(campaign.agent_id, now)
    if outage is not None:
        since = f"{timezone.localtime(outage.since):%Y-%m-%d %H:%M}"
        label = f"The agent has been unavailable since {since}. {outage.reason}"
        yield Blocker(Gate.AGENT, label, waiting, trial_of(campaign.agent_id, now))
    rules = rules_of(campaign, now)
    fault = dnc_fault(rules, dnc_oldest_at() if rules.dnc_max_age_days else None, now)
    if fault:
        yield Blocker(Gate.DNC_LISTS, fault.rstrip("."), waiting)
    yield from _window_blockers(campaign, waiting, now)


def _window_blockers(campaign: Campaign, waiting: int, now: datetime) -> Iterator[Blocker]:
    window = window_of(campaign, now)
    own = replace(window, legal_hours=None)
    if window.is_never_open:
        yield Blocker(Gate.WINDOW, "The calling window is never open", waiting)
    elif window.timezone and not is_open(own, (window.timezone,), now):
        opens_at = next_opening(own, (window.timezone,), now)
        blackout = closed_date_in(own, (window.timezone,), now)
        if blackout is not None:
            yield Blocker(Gate.BLACKOUT, f"{date_in_words(window, blackout)} is a blackout date", waiting, opens_at)
        else:
            yield Blocker(Gate.WINDOW, f"The calling window is closed in {window.timezone}", waiting, opens_at)


def _sampled(campaign: Campaign, due: int, now: datetime) -> list[Blocker]:
    """The gates that are closed for the contacts whose turn is next."""
    waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING, next_attempt_at__lte=now)
    following = waiting.order_by("-priority", "next_attempt_at", "pk")[:SAMPLED_CONTACTS]
    closed: dict[Gate, GateState] = {}
    for contact in following:
        for state in why_not(contact, now):
            if not state.is_open:
                closed.setdefault(state.code, state)
    return [Blocker(state.code, state.reason.rstrip("."), due, state.opens_at) for state in closed.values()]


def _put_off(groups: Sequence[_Waiting]) -> list[Blocker]:
    """Contacts whose time has not come, by what they wait for; the next to come first."""
    later = sorted((group for group in groups if group.opens_at is not None), key=lambda group: str(group.opens_at))
    return [
        Blocker(group.reason or Gate.NOT_DUE, _wait_label(group.reason), group.later, group.opens_at) for group in later
    ]


def _wait_label(reason: str) -> str:
    if reason in WAIT_LABELS:
        return WAIT_LABELS[reason]
    if reason in LABELS:
        return f"Waiting until this holds: {LABELS[Gate(reason)]}"
    if after := try_in_words(reason):
        return f"To be tried again after: {after}"
    return f"Waiting for their time ({reason})" if reason else "Waiting for their time"
