"""Calling one number to hear a campaign, before it is launched or while it runs.

A test call is a call like any other: the same gates but those that protect a customer's peace, the same marker, the
same lines, and it counts against the caps of its number. Its contact stands apart, in the state `test`, so that no
statistics see it and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from campaigns.enums import App, AttemptState, ContactState
from campaigns.errors import CallTestRefused
from campaigns.models import (
    AttemptLog,
    CallAttempt,
    Campaign,
    CampaignEvent,
    Contact,
    Customer,
    ListEntry,
    Trunk,
)
from campaigns.policies.eligibility import Gate, GateState, call_test_gates, first_closed
from campaigns.policies.extension_pool import free_extensions
from campaigns.policies.pacing import TokenBucket, pace_factor
from campaigns.queries.dialing import facts_for
from campaigns.queries.extensions import extension_use
from campaigns.queries.why_not import capacity_gates
from campaigns.services.claiming import FIRST_FENCE, Claimed
from telephony.errors import PhoneNumberError
from telephony.phone_numbers import mask, parse_phone_number

# Of the campaign's own limits a test call needs none.
CAPACITY_ASKED = frozenset({Gate.TRUNK_LINES, Gate.BRIDGE, Gate.DIALER})
# Longer than a few starts of a running campaign nobody waits for a test call.
PACE_WAIT_MAX_S = 3.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the agent is told of the person who is called; None takes what the lists say, else an example of them."""

    name: str | None = None
    attributes: Mapping[str, str] | None = None


def claim_test_call(campaign_id: int, phone_number: str, *, told: Told, user: User | None, now: datetime) -> Claimed:
    """An attempt to call this number for the campaign; the caller enqueues `place_call` with it.

    Raises:
        CallTestRefused: the number is none, a gate is closed, or the trunk has no room; `code` is the gate's.
    """
    try:
        number = parse_phone_number(phone_number).e164
    except PhoneNumberError as error:
        raise CallTestRefused(error.code, str(error)) from None
    try:
        with transaction.atomic():
            trunk_id = Campaign.objects.values_list("trunk_id", flat=True).get(pk=campaign_id)
            trunk = Trunk.objects.select_for_update().get(pk=trunk_id)
            contact = _contact(Campaign.objects.select_related("trunk", "agent").get(pk=campaign_id), number, told)
            gates = [gate for gate in capacity_gates(contact.campaign, now) if gate.code in CAPACITY_ASKED]
            _refuse_closed([*call_test_gates(facts_for(contact, now=now), now), *gates])
            return _claim(contact, trunk, user, now)
    except IntegrityError:
        raise CallTestRefused(Gate.NUMBER_BUSY, "Another call to this number is open. Wait for its end.") from None


def _contact(campaign: Campaign, number: str, told: Told) -> Contact:
    customer = Customer.objects.get_or_create(phone_number=number)[0]
    entries = ListEntry.objects.filter(list__campaigns=campaign).order_by("id").select_related("customer")
    example = entries.filter(customer=customer).first() or entries.first()
    listed = {} if example is None else {**example.customer.attributes, **example.attributes}
    return Contact.objects.create(
        campaign=campaign,
        customer=customer,
        phone_number=number,
        name=customer.name if told.name is None else told.name,
        timezone=customer.timezone,
        attributes=listed if told.attributes is None else dict(told.attributes),
        state=ContactState.TEST,
    )


def _refuse_closed(gates: list[GateState]) -> None:
    closed = first_closed(gates)
    if closed is not None:
        raise CallTestRefused(
            closed.code, f"No test call was placed. {closed.reason or f'This must hold first: {closed.label}.'}"
        )


def _longest_idle(campaign: Campaign, now: datetime) -> str:
    """The extension to ring; the gate has found one free, and under the trunk's lock nobody else takes it."""
    if campaign.app != App.DIAL:
        return ""
    return free_extensions(campaign.extensions, extension_use(campaign.trunk_id, now))[0]


def _claim(contact: Contact, trunk: Trunk, user: User | None, now: datetime) -> Claimed:
    attempt = CallAttempt.objects.create(
        contact=contact,
        campaign=contact.campaign,
        trunk=trunk,
        phone_number=contact.phone_number,
        number=1,
        extension=_longest_idle(contact.campaign, now),
        state=AttemptState.CLAIMED,
        fence=FIRST_FENCE,
        claimed_at=now,
        deadline_at=now + timedelta(seconds=settings.CLAIM_LEASE_S),
        is_test=True,
    )
    AttemptLog.objects.create(attempt=attempt, at=now, to_state=AttemptState.CLAIMED, reason="test_call")
    rate_per_s = trunk.calls_per_second * pace_factor(trunk.throttled_until, now)
    bucket = TokenBucket(trunk.bucket_tokens, trunk.bucket_at).refilled(rate_per_s=rate_per_s, now=now)
    wait_s = bucket.wait_s(rate_per_s)
    if wait_s > PACE_WAIT_MAX_S:
        raise CallTestRefused(Gate.TRUNK_PACE, f"The trunk is busy for {wait_s:.0f} s. Try again then.")
    left = bucket.after_start(wait_s, rate_per_s)
    Trunk.objects.filter(pk=trunk.pk).update(bucket_tokens=left.tokens, bucket_at=left.at)
    CampaignEvent.objects.create(
        campaign=contact.campaign,
        at=now,
        kind="test_call",
        message=f"Test call to {mask(contact.phone_number)}.",
        details={"attempt_id": str(attempt.pk), "contact_id": contact.pk},
        user=user,
    )
    return Claimed(attempt.pk, attempt.fence, wait_s)
