"""Other lists for a campaign that runs: whoever is on none of them any more is taken out, whoever is new comes in.

The lists change at once; the contacts follow in blocks, each a transaction that holds the trunk's lock as a claim does.
A killed walk goes on at its cursor. Who is being dialed is only marked, and is not dialed again after that call.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Case, DateTimeField, Exists, F, OuterRef, Q, Value, When

from campaigns.enums import ContactState
from campaigns.errors import RecordInUse
from campaigns.models import Campaign, CampaignEvent, Contact, CustomerList, ListEntry, Trunk
from campaigns.policies.outcomes import LIST_REMOVED
from campaigns.queries.dialing import FILLABLE_STATES
from campaigns.queries.preflight import preflight

BLOCK_CONTACTS = 2000
# What lists can stand against.
FIELDS_OF_LISTS = frozenset({"customer_lists", "parameter_template"})


def change_lists(campaign: Campaign, lists: Iterable[CustomerList], *, now: datetime) -> None:
    """Give a campaign that the caller has locked these lists.

    Where it is running or paused, the caller enqueues `fill_contacts`, which lets the contacts follow.

    Raises:
        RecordInUse: it runs, and could not run with these lists.
    """
    with transaction.atomic():
        campaign.customer_lists.set(lists)
        if campaign.state not in FILLABLE_STATES:
            return
        faults = [problem.message for problem in preflight(campaign, now) if problem.field in FIELDS_OF_LISTS]
        if faults:
            raise RecordInUse("The campaign cannot go on with these lists.", errors={"customer_lists": faults})
        campaign.lists_followed_to = campaign.contacts_filled_to = 0
        campaign.contacts_filled_at = None
        campaign.updated_at = now
        campaign.save(update_fields=["lists_followed_to", "contacts_filled_to", "contacts_filled_at", "updated_at"])


def follow_lists_block(campaign_id: int, *, now: datetime, limit: int = BLOCK_CONTACTS) -> bool:
    """Hold the next block of contacts against the campaign's lists; False when there is none left to look at."""
    with transaction.atomic():
        trunk_id = Campaign.objects.values_list("trunk_id", flat=True).get(pk=campaign_id)
        # In the order in which a claim locks them.
        Trunk.objects.select_for_update().get(pk=trunk_id)
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.lists_followed_to is None or campaign.state not in FILLABLE_STATES:
            return False
        contacts = Contact.objects.filter(campaign_id=campaign_id, pk__gt=campaign.lists_followed_to).order_by("pk")
        block = list(contacts.values_list("pk", flat=True)[:limit])
        if block:
            _follow(campaign_id, block[0], block[-1], now)
        else:
            _report(campaign, now)
        last = block[-1] if block else None
        Campaign.objects.filter(pk=campaign_id).update(lists_followed_to=last, updated_at=now)
        return bool(block)


def _follow(campaign_id: int, first: int, last: int, now: datetime) -> None:
    entries = ListEntry.objects.filter(list__campaigns=campaign_id, customer=OuterRef("customer"))
    block = Contact.objects.filter(campaign_id=campaign_id, pk__gte=first, pk__lte=last)
    is_marked = Q(state_reason=LIST_REMOVED)
    going = block.filter(~Exists(entries), ~is_marked, state__in=(ContactState.PENDING, ContactState.DIALING))
    going.update(
        state=_moved(ContactState.PENDING, ContactState.CANCELED),
        next_attempt_at=Value(None, DateTimeField()),
        state_reason=LIST_REMOVED,
        updated_at=now,
    )
    coming = block.filter(Exists(entries), is_marked, state__in=(ContactState.CANCELED, ContactState.DIALING))
    coming.update(
        next_attempt_at=Case(When(state=ContactState.CANCELED, then=Value(now, DateTimeField())), default=None),
        state=_moved(ContactState.CANCELED, ContactState.PENDING),
        state_reason="",
        updated_at=now,
    )


def _moved(old: ContactState, new: ContactState) -> Case:
    """The state of a row: the new one in the place of the old, any other as it is."""
    return Case(When(state=old, then=Value(new.value)), default=F("state"))


def _report(campaign: Campaign, now: datetime) -> None:
    removed = Contact.objects.filter(campaign=campaign, state_reason=LIST_REMOVED).count()
    CampaignEvent.objects.create(
        campaign=campaign,
        at=now,
        kind="lists_followed",
        message=f"{removed:,} contacts are out because no list of the campaign has them any more.",
        details={"removed": removed},
    )
