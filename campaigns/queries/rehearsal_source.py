"""What a rehearsal of a campaign is made of: its rows as they stand, and how its calls have gone so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from random import Random
from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet, Sum

from campaigns.enums import CampaignState, ContactState, EndedBy, Outcome
from campaigns.models import (
    BlackoutDate,
    Call,
    CallAttempt,
    Campaign,
    Contact,
    Customer,
    DncList,
    DncNumber,
    DncVersion,
    ListEntry,
    SuppressedNumber,
)
from campaigns.policies.call_ends import OUR_FAULT
from campaigns.policies.number_caps import WEEK
from campaigns.policies.rehearsed_calls import PastCall, Talk
from campaigns.queries.calling_rules import stops_in_force
from campaigns.queries.dialing import live_nodes

PAST_CALLS: Final = 1_000
PAST_CALLS_MIN: Final = 50
# Campaigns of the trunk that are looked at for calls, the latest first.
PAST_CAMPAIGNS: Final = 3
# Ids in one question.
BLOCK: Final = 500
UNDER_WAY: Final = (CampaignState.RUNNING, CampaignState.PAUSED)
# What a call that was never answered, or broke by our own fault, says of how people talk.
NO_TALK: Final = Talk(0.0)

Row = TypeVar("Row", bound=Model)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RehearsalSource:
    """Rows to be copied. `contacts` is how many the whole campaign has to call, `played` how many of them were chosen.

    `is_begun` says that it is under way and those chosen are who waits in it, else customers of its lists. Attempts of
    the past that are not theirs have contacts and campaigns that there are not.
    `bridge_calls` is what the bridges can hold, None where none runs.
    """

    rows: Sequence[Model]
    contacts: int
    played: int
    is_begun: bool
    bridge_calls: int | None


def rehearsal_source(campaign: Campaign, now: datetime, *, limit: int | None, dice: Random) -> RehearsalSource:
    """The rows of a campaign whose trunk and agent are loaded: of those it has to call `limit` by chance, None all.

    Of one that is under way those who wait; of any other all customers on its lists.
    """
    is_begun = campaign.state in UNDER_WAY and campaign.contacts_filled_at is not None
    if is_begun:
        waiting = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING)
        ids = list(waiting.order_by("pk").values_list("pk", flat=True))
        chosen = sorted(dice.sample(ids, _at_most(limit, len(ids))))
        contacts = list(_in_blocks(Contact.objects.all(), "pk", chosen))
        customer_ids = [contact.customer_id for contact in contacts]
        people: list[Model] = [*contacts, *_earlier_attempts(contacts)]
    else:
        entries = ListEntry.objects.filter(list__campaigns=campaign)
        ids = list(entries.order_by("customer_id").values_list("customer_id", flat=True).distinct())
        customer_ids = chosen = sorted(dice.sample(ids, _at_most(limit, len(ids))))
        people = list(_in_blocks(entries.distinct(), "customer_id", chosen))
    customers = list(_in_blocks(Customer.objects.all(), "pk", customer_ids))
    lists = list(campaign.customer_lists.all())
    through = campaign.customer_lists.through
    rows: list[Model] = [
        campaign,
        campaign.trunk,
        campaign.agent,
        *lists,
        *(through(campaign_id=campaign.pk, customerlist_id=each.pk) for each in lists),
        *customers,
        *people,
        *_rules(campaign),
        *_do_not_call([customer.phone_number for customer in customers]),
    ]
    rows += _calls_of_the_week(customers, rows, now)
    return RehearsalSource(rows, len(ids), len(chosen), is_begun, _bridge_calls(now))


def past_calls(campaign: Campaign) -> list[PastCall]:
    """How counted attempts have ended lately: the campaign's own, or those of another on its trunk that had enough."""
    launched = Campaign.objects.filter(trunk=campaign.trunk, launched_at__isnull=False).order_by("-launched_at")
    for known in (campaign, *launched.exclude(pk=campaign.pk)[:PAST_CAMPAIGNS]):
        counted = CallAttempt.objects.filter(campaign=known, is_counted=True, is_test=False, ended_at__isnull=False)
        rows = counted.order_by("-claimed_at").values_list(
            "outcome",
            "reason",
            "dispatched_at",
            "answered_at",
            "ended_at",
            "call__ended_at",
            "call__ended_by",
            "call__disposition",
        )
        calls = [_past_call(*row) for row in rows[:PAST_CALLS]]
        if len(calls) >= PAST_CALLS_MIN:
            return calls
    return []


def _at_most(limit: int | None, count: int) -> int:
    return count if limit is None else min(limit, count)


def _past_call(
    outcome: str,
    reason: str,
    dispatched_at: datetime | None,
    answered_at: datetime | None,
    ended_at: datetime | None,
    call_ended_at: datetime | None,
    ended_by: str | None,
    disposition: str | None,
) -> PastCall:
    if answered_at is None:
        return PastCall(outcome, reason, None, NO_TALK)
    rang_s = max(0.0, (answered_at - (dispatched_at or answered_at)).total_seconds())
    talk_s = max(0.0, ((call_ended_at or ended_at or answered_at) - answered_at).total_seconds())
    talk = Talk(talk_s, EndedBy(ended_by or EndedBy.CUSTOMER_HANGUP), disposition or "")
    if outcome != Outcome.FAILED and talk.ended_by in OUR_FAULT:
        # It was talked enough to count as answered; nothing is said in a rehearsal.
        talk = Talk(talk_s, EndedBy.CUSTOMER_HANGUP, talk.disposition)
    return PastCall(outcome, reason, rang_s, talk)


def _earlier_attempts(contacts: Sequence[Contact]) -> list[Model]:
    """What the contacts have behind them, by which their cadence goes."""
    ids = [contact.pk for contact in contacts]
    attempts = list(_in_blocks(CallAttempt.objects.filter(ended_at__isnull=False), "contact_id", ids))
    return [*attempts, *_in_blocks(Call.objects.all(), "attempt_id", [attempt.pk for attempt in attempts])]


def _rules(campaign: Campaign) -> Iterator[Model]:
    yield from stops_in_force()
    yield from BlackoutDate.objects.filter(campaign=None)
    yield from campaign.blackout_dates.all()


def _do_not_call(numbers: Sequence[str]) -> Iterator[Model]:
    yield from _in_blocks(SuppressedNumber.objects.all(), "phone_number", numbers)
    lists = list(DncList.objects.filter(current__isnull=False))
    yield from lists
    versions = [each.current_id for each in lists if each.current_id is not None]
    yield from DncVersion.objects.filter(pk__in=versions)
    yield from _in_blocks(DncNumber.objects.filter(version__in=versions), "phone_number", numbers)


def _calls_of_the_week(customers: Sequence[Customer], known: Sequence[Model], now: datetime) -> Iterator[CallAttempt]:
    """Calls to these customers that count against the caps of their numbers, beyond those that are known."""
    known_ids = {row.pk for row in known if isinstance(row, CallAttempt)}
    recent = CallAttempt.objects.filter(dispatched_at__gt=now - WEEK, ended_at__isnull=False)
    for attempt in _in_blocks(recent, "phone_number", [customer.phone_number for customer in customers]):
        if attempt.pk not in known_ids:
            # The copy's contacts get ids of their own, which may be these.
            attempt.contact_id, attempt.campaign_id = -attempt.contact_id, -attempt.campaign_id
            yield attempt


def _bridge_calls(now: datetime) -> int | None:
    calls: int | None = live_nodes(now).aggregate(calls=Sum("capacity"))["calls"]
    return calls


def _in_blocks(rows: QuerySet[Row], field: str, values: Sequence[Any]) -> Iterator[Row]:
    """The rows whose field has one of these values, in the order of their ids within a block."""
    for block in _blocks(values):
        yield from rows.filter(**{f"{field}__in": block}).order_by("pk")


def _blocks(values: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while block := list(islice(rest, BLOCK)):
        yield block
