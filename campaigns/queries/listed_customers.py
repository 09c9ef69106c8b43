"""Who stands on a campaign's lists, however many that are: questions of sets, answered inside the database."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from campaigns.models import Campaign, Customer, ListEntry
from campaigns.queries.calling_rules import imported_numbers, suppressions


def entries_of(campaign: Campaign) -> QuerySet[ListEntry]:
    """The entries of the campaign's lists. By the lists' ids: joined to them they are not read in an index's order."""
    return ListEntry.objects.filter(list__in=list(campaign.customer_lists.values_list("pk", flat=True)))


def count_customers(entries: QuerySet[ListEntry]) -> int:
    """How many customers these entries name, each once."""
    return entries.order_by().values("customer").distinct().count()


def customers_of(entries: QuerySet[ListEntry]) -> QuerySet[Customer]:
    """The customers these entries name, each once, in no order."""
    return Customer.objects.filter(pk__in=entries.order_by().values("customer")).order_by()


def on_do_not_call_list(campaign: Campaign, entries: QuerySet[ListEntry], now: datetime) -> int:
    """How many customers of these entries the campaign may not call because a do-not-call list names them."""
    numbers = suppressions(campaign.pk, now).order_by().values("phone_number")
    # One set of numbers and not two conditions: those would be looked at for every customer.
    listed = numbers.union(imported_numbers().order_by().values("phone_number"))
    return customers_of(entries).filter(phone_number__in=listed).count()
