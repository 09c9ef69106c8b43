"""Why nobody is being called right now, and until when: for one contact every gate, for a campaign what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, Min, Sum
from django.utils import timezone

from campaigns.enums import CampaignState, ContactState, Outcome, TrunkHold
from campaigns.models import Campaign, Contact, Trunk
from campaigns.policies.calling_window import closed_date_in, is_open, next_opening
from campaigns.policies.eligibility import Gate, GateState, dial_gates, gate
from campaigns.policies.outcomes import CALLBACK
from campaigns.policies.pacing import TokenBucket, pace_factor
from campaigns.queries.agent_outages import outage_of, trial_of
from campaigns.queries.calling_rules import dnc_fault, dnc_oldest_at, rules_of, stops_in_force, window_of
from campaigns.queries.dialing import (
    facts_for,
    free_bridge_slots,
    live_nodes,
    open_attempts,
    open_calls_by_campaign,
)


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that holds a campaign back. `count` is how many contacts wait for it; `opens_at` None: nobody knows."""

    code: str
    label: str
    count: int
    opens_at: datetime | None = None


WAIT_LABELS = {
    CALLBACK: "Waiting for the time they asked to be called at",
    Gate.BLACKOUT.value: "Waiting for a blackout date to be over",
    Gate.WINDOW.value: "Waiting for the calling window",
    Gate.NUMBER_CAP.value: "Waiting because the number was called as often as it may be",
    Gate.DNC_LISTS.value: "Waiting for a newer do-not-call list",
    Gate.STOPPED.value: "Waiting because all dialing was stopped",
    Gate.AGENT.value: "Waiting because the agent was unavailable",
    Gate.RECENT_CALL.value: "Waiting because the number was just called",
    Gate.NUMBER_BUSY.value: "Waiting for another call to the same number to end",
    Gate.TRUNK_HELD.value: "Waiting because the trunk was held",
    Gate.TRUNK_THROTTLED.value: "Waiting because the switch asked for a pause",
    "not_connected": "Waiting because the switch could not be reached",
}


def why_not(contact: Contact, now: datetime) -> list[GateState]:
    """Every gate between a contact and its next call, in the order they are asked."""
    contact = Contact.objects.select_related("campaign__trunk", "customer").get(pk=contact.pk)
    is_waiting = contact.state == ContactState.PENDING
    state = ContactState(contact.state)
    is_due = contact.next_attempt_at is None or contact.next_attempt_at <= now
    other_call = open_attempts().filter(phone_number=contact.phone_number).exclude(contact=contact)
    return [
        gate(Gate.CONTACT, is_waiting, _sentence(state.label, contact.state_reason)),
        *dial_gates(facts_for(contact, now=now), now),
        gate(
            Gate.NOT_DUE,
            is_due,
            _sentence("Waiting for its time", contact.state_reason),
            contact.next_attempt_at,
        ),
        gate(Gate.NUMBER_BUSY, not other_call.exists(), "Another campaign is calling it."),
        *_capacity_gates(contact.campaign, now),
    ]


def blockers(campaign: Campaign, now: datetime) -> list[Blocker]:
    """What holds the campaign's contacts back right now; empty if nothing does, or nobody waits."""
    campaign = Campaign.objects.select_related("trunk").get(pk=campaign.pk)
    waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING)
    due = waiting.filter(next_attempt_at__lte=now).count()
    later = waiting.filter(next_attempt_at__gt=now).values("state_reason")
    groups = list(later.annotate(times=Count("id"), opens_at=Min("next_attempt_at")).order_by("opens_at"))
    total = due + sum(group["times"] for group in groups)
    found = list(_campaign_blockers(campaign, total, now))
    if due:
        found += [
            Blocker(state.code, _closed_label(state), due, state.opens_at)
            for state in _capacity_gates(campaign, now)
            # A pace that allows no call this very second holds nobody back.
            if not state.is_open and state.code not in (Gate.CAMPAIGN_PACE, Gate.TRUNK_PACE)
        ]
    found += [
        Blocker(
            group["state_reason"] or Gate.NOT_DUE, _wait_label(group["state_reason"]), group["times"], group["opens_at"]
        )
        for group in groups
    ]
    return found


def _campaign_blockers(campaign: Campaign, waiting: int, now: datetime) -> Iterator[Blocker]:
    trunk = campaign.trunk
    state = CampaignState(campaign.state)
    for stop in stops_in_force():
        since = f"{timezone.localtime(stop.at):%Y-%m-%d %H:%M}"
        yield Blocker(Gate.STOPPED, f"All dialing has been stopped since {since}: {stop.reason}", waiting)
    if state is not CampaignState.RUNNING:
        starts_at = campaign.starts_at if state is CampaignState.SCHEDULED else None
        yield Blocker(Gate.CAMPAIGN, f"The campaign is {state.label.lower()}", waiting, starts_at)
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
            yield Blocker(Gate.BLACKOUT, f"{blackout:%Y-%m-%d} is a blackout date", waiting, opens_at)
        else:
            yield Blocker(Gate.WINDOW, f"The calling window is closed in {window.timezone}", waiting, opens_at)


def _capacity_gates(campaign: Campaign, now: datetime) -> list[GateState]:
    trunk = campaign.trunk
    open_calls = open_calls_by_campaign(trunk.pk)
    campaign_calls, trunk_calls = open_calls.get(campaign.pk, 0), sum(open_calls.values())
    rate_per_s = trunk.calls_per_second * pace_factor(trunk.throttled_until, now)
    return [
        gate(
            Gate.CAMPAIGN_LINES,
            campaign_calls < campaign.max_concurrent_calls,
            f"{campaign_calls} of {campaign.max_concurrent_calls} lines are in use.",
        ),
        gate(
            Gate.TRUNK_LINES,
            trunk_calls < trunk.max_concurrent_calls,
            f"{trunk_calls} of {trunk.max_concurrent_calls} lines are in use.",
        ),
        _pace_gate(Gate.CAMPAIGN_PACE, campaign, campaign.calls_per_second, now),
        _pace_gate(Gate.TRUNK_PACE, trunk, rate_per_s, now),
        _bridge_gate(now),
    ]


def _pace_gate(code: Gate, paced: Campaign | Trunk, rate_per_s: float, now: datetime) -> GateState:
    bucket = TokenBucket(paced.bucket_tokens, paced.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
    if bucket.calls or not rate_per_s:
        return GateState(code, True)
    opens_at = now + timedelta(seconds=(1 - bucket.tokens) / rate_per_s)
    return GateState(code, False, f"{rate_per_s:g} calls a second are used up.", opens_at)


def _bridge_gate(now: datetime) -> GateState:
    capacity = live_nodes(now).aggregate(calls=Sum("capacity"))["calls"]
    if capacity is None:
        return GateState(Gate.BRIDGE, False, "No bridge is running.")
    return gate(Gate.BRIDGE, free_bridge_slots(now) > 0, f"All {capacity} calls the bridges can take are in use.")


def _closed_label(state: GateState) -> str:
    names = {
        Gate.CAMPAIGN_LINES: "All lines of the campaign are in use",
        Gate.TRUNK_LINES: "All lines of the trunk are in use",
        Gate.BRIDGE: state.reason.rstrip("."),
    }
    return names.get(state.code, state.reason)


def _wait_label(reason: str) -> str:
    if reason in WAIT_LABELS:
        return WAIT_LABELS[reason]
    if reason in Outcome.values:
        return f"To be tried again after: {Outcome(reason).label.lower()}"
    return f"Waiting for their time ({reason})" if reason else "Waiting for their time"


def _sentence(text: str, reason: str) -> str:
    return f"{text}: {reason}." if reason else f"{text}."
