"""Why a contact is not being called right now: every gate between it and its next call, and when each opens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Sum

from campaigns.enums import CampaignState, ContactState
from campaigns.models import Campaign, Contact, Trunk
from campaigns.policies.canary import in_words
from campaigns.policies.eligibility import Gate, GateState, dial_gates, gate
from campaigns.policies.pacing import TokenBucket, pace_factor
from campaigns.queries.canaries import canary_calls_left, canary_count, canary_limits
from campaigns.queries.clock import clock_fault
from campaigns.queries.contacts import because
from campaigns.queries.dialing import (
    campaign_rate_per_s,
    facts_for,
    free_bridge_slots,
    live_nodes,
    open_attempts,
    open_calls_by_campaign,
)
from campaigns.queries.extensions import extension_fault
from campaigns.queries.health import dialer_fault

# Who was served by the latest tick or the one before it.
JUST_NOW: Final = timedelta(seconds=2)


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
            because(contact),
            contact.next_attempt_at,
        ),
        gate(Gate.NUMBER_BUSY, not other_call.exists(), "Another campaign is calling it."),
        *capacity_gates(contact.campaign, now),
    ]


def extension_gate(campaign: Campaign, now: datetime) -> GateState:
    """Whether an extension is free, as `why_not` tells it among the gates of a contact."""
    fault = extension_fault(campaign, now)
    return gate(Gate.EXTENSION, not fault, fault)


def capacity_gates(campaign: Campaign, now: datetime) -> list[GateState]:
    """The gates that are the same for all contacts of a campaign whose trunk is loaded: lines, pace, machinery."""
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
        _pace_gate(Gate.CAMPAIGN_PACE, campaign, campaign_rate_per_s(campaign, now), now),
        _pace_gate(Gate.TRUNK_PACE, trunk, rate_per_s, now),
        _turn_gate(campaign, now),
        _canary_gate(campaign),
        _bridge_gate(now),
        _dialer_gate(now),
        _clock_gate(now),
    ]


def _pace_gate(code: Gate, paced: Campaign | Trunk, rate_per_s: float, now: datetime) -> GateState:
    bucket = TokenBucket(paced.bucket_tokens, paced.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
    wait_s = bucket.wait_s(rate_per_s) if rate_per_s else 0.0
    reason = f"{rate_per_s:g} calls a second are used up."
    return gate(code, not wait_s, reason, now + timedelta(seconds=wait_s))


def _canary_gate(campaign: Campaign) -> GateState:
    is_waiting = canary_calls_left(campaign) == 0
    reason = f"{in_words(canary_count(campaign), canary_limits(campaign))}." if is_waiting else ""
    return gate(Gate.CANARY, not is_waiting, reason[:1].upper() + reason[1:])


def _turn_gate(campaign: Campaign, now: datetime) -> GateState:
    """Closed where others of the trunk were served by the latest ticks, and this campaign was not."""
    just_now = now - JUST_NOW
    is_served = campaign.bucket_at is not None and campaign.bucket_at > just_now
    others = Campaign.objects.filter(trunk=campaign.trunk, state=CampaignState.RUNNING, bucket_at__gt=just_now)
    is_passed_over = not is_served and others.exclude(pk=campaign.pk).exists()
    return gate(Gate.TURN, not is_passed_over, "Other campaigns of the trunk are served first.")


def _bridge_gate(now: datetime) -> GateState:
    capacity = live_nodes(now).aggregate(calls=Sum("capacity"))["calls"]
    if capacity is None:
        return GateState(Gate.BRIDGE, False, "No bridge is running.")
    return gate(Gate.BRIDGE, free_bridge_slots(now) > 0, f"All {capacity} calls the bridges can take are in use.")


def _dialer_gate(now: datetime) -> GateState:
    fault = dialer_fault(now)
    return gate(Gate.DIALER, not fault, f"The dial worker {fault}.")


def _clock_gate(now: datetime) -> GateState:
    fault = clock_fault(now)
    return gate(Gate.CLOCK, not fault, f"Of the dial workers' clocks {fault}; those claim nobody.")


def _sentence(text: str, reason: str) -> str:
    return f"{text}: {reason}." if reason else f"{text}."
