"""What the dialer needs to know before it calls: who is due, what is open, and the facts the gates look at."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db.models import BigIntegerField, Count, DateTimeField, Exists, OuterRef, Q, QuerySet, Subquery

from campaigns.enums import AttemptState, CampaignState, ContactState, TrunkHold
from campaigns.models import BridgeNode, Call, CallAttempt, Campaign, Contact, Trunk
from campaigns.policies.cadence import Cadence, Moment, default_cadence, parse_cadence
from campaigns.policies.calling_window import CallingWindow, zones_of
from campaigns.policies.eligibility import DialFacts
from campaigns.policies.next_try import Hours, next_try_at
from campaigns.policies.number_caps import number_use
from campaigns.policies.outcomes import RedialRules
from campaigns.policies.pacing import free_slots, ramp_up_factor
from campaigns.queries.agent_outages import outage_of, trial_of
from campaigns.queries.calling_rules import (
    calls_to,
    consent_of,
    country_fault,
    dnc_fault,
    number_fault,
    rules_of,
    standing_of,
    stops_in_force,
    window_of,
)
from campaigns.queries.extensions import extension_fault
from campaigns.queries.prepared import Given, Prepared
from telephony.phone_numbers import timezones_of

log = logging.getLogger(__name__)

# A bridge beats every 5 s; three beats missed and it counts for nothing.
NODE_SEEN_S = 15.0
# Priorities walked one by one; a campaign with more of them pays for a longer scan.
PRIORITY_STEPS = 8
# As their partial indexes are sorted.
DUE_ORDER = ("-priority", "next_attempt_at", "id")
CALLBACK_ORDER = ("next_attempt_at", "id")
# What a claim looks at.
CLAIM_FIELDS = ("campaign_id", "phone_number", "timezone", "priority", "attempts_made")
# A fill writes a block at least this often while it runs.
FILL_STALE_S = 5.0
FILLABLE_STATES = (CampaignState.RUNNING, CampaignState.PAUSED)


def redial_rules(campaign: Campaign) -> RedialRules:
    """The campaign's rules of trying again, with the installation's floors."""
    return RedialRules(
        cadence=cadence_of(campaign),
        max_attempts=campaign.max_attempts,
        redial_min_s=settings.REDIAL_MIN_S,
        unconfirmed_redial_min_s=settings.UNCONFIRMED_REDIAL_MIN_S,
    )


def cadence_of(campaign: Campaign) -> Cadence:
    """The campaign's cadence; the default one where it cannot be read, so that no contact is given up for it."""
    try:
        return parse_cadence(campaign.cadence)
    except ValueError:
        log.warning("cadence_broken", extra={"campaign_id": campaign.pk})
        return parse_cadence(default_cadence())


def zones_for(contact: Contact, window: CallingWindow) -> tuple[str, ...]:
    """The timezones in which the campaign's window must be open for this contact."""
    needs_number = not (window.is_by_own_clock or contact.timezone)
    return zones_of(
        window,
        customer_zone=contact.timezone,
        number_zones=timezones_of(contact.phone_number) if needs_number else (),
        fallback=settings.TIME_ZONE,
    )


def try_at(
    contact: Contact, earliest: datetime, moment: Moment | None = None, dialed_at: Sequence[datetime] = ()
) -> datetime:
    """When the contact is tried again: not before `earliest`, inside its calling window, at the moment if one is given.

    `earliest` itself where the window never opens. `dialed_at` are its earlier tries, the latest last.
    """
    window = window_of(contact.campaign, earliest)
    hours = Hours(window, zones_for(contact, window), contact.pk)
    return next_try_at(hours, earliest, moment=moment, dialed_at=dialed_at)


def campaign_rate_per_s(campaign: Campaign, now: datetime) -> float:
    """The calls per second a campaign may start now, while it grows into its pace and after."""
    return campaign.calls_per_second * ramp_up_factor(campaign.launched_at, campaign.ramp_up_minutes, now)


@dataclass(frozen=True, slots=True)
class OpenLines:
    """Lines in use, as rows of trunk, campaign, attempt's state and how many.

    An ended attempt's is a call that came after its deadline. They are counted from the rows themselves, so none can
    leak.
    """

    rows: Sequence[tuple[int, int, str, int]]

    def by_campaign(self, trunk_id: int) -> dict[int, int]:
        """Those of a trunk, by campaign."""
        lines = Counter[int]()
        for trunk, campaign, _, calls in self.rows:
            if trunk == trunk_id:
                lines[campaign] += calls
        return dict(lines)

    def free_slots(self, nodes: Iterable[BridgeNode]) -> int:
        """Calls these bridges can still take, which are all there are."""
        by_state = Counter[str]()
        for _, _, state, calls in self.rows:
            by_state[state] += calls
        nodes = list(nodes)
        return free_slots(
            capacity=sum(node.capacity for node in nodes),
            live_calls=sum(node.live_calls for node in nodes),
            in_call_attempts=by_state[AttemptState.IN_CALL],
            ringing_attempts=by_state.total() - by_state[AttemptState.IN_CALL] - by_state[AttemptState.ENDED],
        )


def open_lines() -> OpenLines:
    """All lines that are in use, in one query."""
    return OpenLines(_OPEN_LINES.ask())


def open_calls_by_campaign(trunk_id: int) -> dict[int, int]:
    """Lines of a trunk that are in use, by campaign."""
    return open_lines().by_campaign(trunk_id)


def open_attempts() -> QuerySet[CallAttempt]:
    """Attempts that have not ended."""
    return CallAttempt.objects.exclude(state=AttemptState.ENDED)


def live_nodes(now: datetime) -> QuerySet[BridgeNode]:
    """Bridge processes that were seen lately and take new calls."""
    return nodes_seen(seen_since(now))


def nodes_seen(since: datetime | Given) -> QuerySet[BridgeNode]:
    """Bridge processes that were seen since then and take new calls."""
    return BridgeNode.objects.filter(seen_at__gte=since, is_draining=False)


def seen_since(now: datetime) -> datetime:
    """Since when a bridge process must have been seen to count."""
    return now - timedelta(seconds=NODE_SEEN_S)


def free_bridge_slots(now: datetime) -> int:
    """Calls the bridges can still take; 0 where no bridge is running."""
    return open_lines().free_slots(live_nodes(now))


def due_contacts(campaign: Campaign, *, now: datetime, limit: int, has_asked: bool = True) -> Iterator[Contact]:
    """Contacts of a campaign that are due, locked: who asked to be called, then by importance and length of waiting.

    One range of the `contact_due` index per priority: asking for all priorities at once would read every contact of
    the first that is not due before it reached the second. `has_asked` False spares the look for who asked. Each has
    `is_number_busy`: whether the number is in an open call, of whichever campaign.
    """
    if limit <= 0:
        return
    if has_asked:
        asked = Contact.objects.filter(campaign=campaign, state=ContactState.PENDING, callback_at__isnull=False)
        asked_for = list(_locked_due(asked, now, limit, order=CALLBACK_ORDER))
        yield from asked_for
        limit -= len(asked_for)
    waiting = _waiting(campaign.pk)
    for step in range(PRIORITY_STEPS):
        if limit <= 0:
            return
        # Nearly always the first step is the last.
        found = (
            list(_locked_of_top(waiting, now, limit)) if step else _top_due(limit).ask(campaign_id=campaign.pk, now=now)
        )
        yield from found
        limit -= len(found)
        if limit <= 0:
            return
        # Of the most important there are no more: on to the next.
        highest = found[0].priority if found else _top(waiting).values_list("priority", flat=True).first()
        if highest is None:
            return
        waiting = waiting.filter(priority__lt=highest)
    yield from _locked_due(waiting, now, limit)


def facts_for(
    contact: Contact,
    *,
    now: datetime,
    frozen_number: str = "",
    extension: str | None = None,
    is_agent_trusted: bool = False,
) -> DialFacts:
    """The facts of a contact whose campaign and trunk are loaded, as of now.

    `frozen_number` and `extension` are an attempt's; without the latter it is asked whether any is free.
    `is_agent_trusted` says that the caller has just seen that the agent is not out.
    """
    campaign, trunk = contact.campaign, contact.campaign.trunk
    rules, window = rules_of(campaign, now), window_of(campaign, now)
    zones = zones_for(contact, window)
    standing = standing_of(contact.phone_number, campaign.pk, now)
    agent_outage = None if is_agent_trusted else outage_of(campaign.agent_id, now)
    return DialFacts(
        stop_reason=standing.stop_reason,
        campaign_state=CampaignState(campaign.state),
        is_trunk_usable=trunk.is_enabled and bool(trunk.token),
        trunk_hold=TrunkHold(trunk.hold),
        trunk_hold_detail=trunk.hold_detail,
        throttled_until=trunk.throttled_until,
        agent_outage=agent_outage,
        agent_trial_at=None if agent_outage is None else trial_of(campaign.agent_id, now),
        contact_number=contact.phone_number,
        frozen_number=frozen_number or contact.phone_number,
        number_fault=number_fault(contact.phone_number),
        country_fault=country_fault(contact.phone_number, trunk, rules),
        suppressed_by=standing.suppressed_by,
        dnc_fault=dnc_fault(rules, standing.dnc_oldest_at, now),
        dnc_version=standing.dnc_version,
        consent=consent_of(contact, zones, now) if rules.needs_consent else None,
        attempts_made=contact.attempts_made,
        has_asked_for_call=contact.callback_at is not None,
        max_attempts=campaign.max_attempts,
        window=window,
        zones=zones,
        rules=rules,
        use=number_use(calls_to(contact.phone_number, now), rules, redial_rules(campaign), now),
        extension_fault=extension_fault(campaign, now, taken=extension),
    )


def _waiting(campaign_id: int | Given) -> QuerySet[Contact]:
    """Contacts that wait, and have not asked for a time."""
    return Contact.objects.filter(campaign_id=campaign_id, state=ContactState.PENDING, callback_at=None)


def _top(waiting: QuerySet[Contact]) -> QuerySet[Contact]:
    return waiting.order_by(*DUE_ORDER)[:1]


def _locked_of_top(waiting: QuerySet[Contact], now: datetime | Given, limit: int) -> QuerySet[Contact]:
    """Those of the highest priority among these that are due."""
    return _locked_due(waiting.filter(priority=Subquery(_top(waiting).values("priority"))), now, limit)


def _locked_due(
    waiting: QuerySet[Contact], now: datetime | Given, limit: int, *, order: Sequence[str] = DUE_ORDER
) -> QuerySet[Contact]:
    # A column and no condition: that the database could answer for all who are due before it takes the first of them.
    busy = Exists(open_attempts().filter(phone_number=OuterRef("phone_number")))
    due = waiting.filter(next_attempt_at__lte=now).order_by(*order).only(*CLAIM_FIELDS).annotate(is_number_busy=busy)
    return due.select_for_update(skip_locked=True, of=("self",))[:limit]


def dialable_trunk_ids() -> list[int]:
    """Trunks on which something may have to be dialed: enabled, not held, with a running campaign; none in a stop."""
    if stops_in_force().exists():
        return []
    trunks = Trunk.objects.filter(is_enabled=True, hold=TrunkHold.NONE, campaigns__state=CampaignState.RUNNING)
    return list(trunks.order_by("pk").values_list("pk", flat=True).distinct())


def due_launches(now: datetime) -> list[int]:
    """Scheduled campaigns whose time has come."""
    due = Campaign.objects.filter(state=CampaignState.SCHEDULED, starts_at__lte=now)
    return list(due.order_by("starts_at").values_list("pk", flat=True))


def unfilled_campaign_ids(now: datetime) -> list[int]:
    """Launched campaigns whose contacts nobody seems to be filling in."""
    is_left_over = Q(contacts_filled_at=None) | Q(lists_followed_to__isnull=False)
    unfilled = Campaign.objects.filter(
        is_left_over, state__in=FILLABLE_STATES, updated_at__lte=now - timedelta(seconds=FILL_STALE_S)
    )
    return list(unfilled.order_by("pk").values_list("pk", flat=True))


def _open_lines() -> QuerySet[Any, tuple[int, int, str, int]]:
    late = Call.objects.filter(ended_at=None, attempt__state=AttemptState.ENDED).order_by()
    late_by = late.values_list("attempt__trunk_id", "attempt__campaign_id", "attempt__state")
    open_by = open_attempts().order_by().values_list("trunk_id", "campaign_id", "state")
    lines: QuerySet[Any, Any] = open_by.annotate(calls=Count("*"))
    return lines.union(late_by.annotate(calls=Count("*")), all=True)


@cache
def _top_due(limit: int) -> Prepared[Contact]:
    """The most important contacts of a campaign that are due, locked. Written once for each limit; few occur."""
    now = Given("now", DateTimeField())
    return Prepared(lambda: _locked_of_top(_waiting(Given("campaign_id", BigIntegerField())), now, limit))


# Asked every second.
_OPEN_LINES: Final = Prepared(_open_lines)
