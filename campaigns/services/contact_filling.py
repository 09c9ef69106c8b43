"""Making contacts of a campaign's list entries, set by set, inside the database.

A block is one INSERT … SELECT and the cursor that remembers it, in one transaction under the campaign's lock: a killed
fill goes on where it was, two fills at once take turns, and a customer on several lists becomes one contact, with the
attributes of the entry that was made first.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from campaigns.enums import ContactState
from campaigns.models import Campaign, CampaignEvent, Contact, Customer, ListEntry
from campaigns.queries.dialing import FILLABLE_STATES

BLOCK_ENTRIES = 5000

# What a list says of a customer stands above what the customer's own record says.
_MERGED = {"postgresql": "c.attributes || e.attributes", "sqlite": "json_patch(c.attributes, e.attributes)"}

# Each customer is looked up by its key. Left to itself PostgreSQL reads the whole table of customers for every block.
_CUSTOMER = {
    "postgresql": "CROSS JOIN LATERAL (SELECT * FROM {customer} WHERE id = e.customer_id OFFSET 0) c",
    "sqlite": "JOIN {customer} c ON c.id = e.customer_id",
}


def fill_block(campaign_id: int, *, now: datetime, limit: int = BLOCK_ENTRIES) -> bool:
    """Make contacts of the next block of entries; False when the campaign is filled, or no longer wants any."""
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if campaign.contacts_filled_at is not None or campaign.state not in FILLABLE_STATES:
            return False
        list_ids = list(campaign.customer_lists.values_list("pk", flat=True))
        block = ListEntry.objects.filter(list_id__in=list_ids, pk__gt=campaign.contacts_filled_to).order_by("pk")
        entry_ids = list(block.values_list("pk", flat=True)[:limit])
        if entry_ids:
            _insert(campaign, list_ids, first=entry_ids[0], last=entry_ids[-1], now=now)
            Campaign.objects.filter(pk=campaign_id).update(contacts_filled_to=entry_ids[-1], updated_at=now)
            return True
        Campaign.objects.filter(pk=campaign_id).update(contacts_filled_at=now, updated_at=now)
        contacts = Contact.objects.filter(campaign=campaign).exclude(state=ContactState.TEST).count()
        CampaignEvent.objects.create(
            campaign=campaign,
            at=now,
            kind="contacts_filled",
            message=f"{contacts:,} contacts are in the campaign.",
            details={"contacts": contacts},
        )
        return False


def _insert(campaign: Campaign, list_ids: list[int], *, first: int, last: int, now: datetime) -> None:
    names = {
        "contact": Contact._meta.db_table,
        "customer": _CUSTOMER[connection.vendor].format(customer=Customer._meta.db_table),
        "entry": ListEntry._meta.db_table,
        "merged": _MERGED[connection.vendor],
        "lists": ", ".join(["%s"] * len(list_ids)),
    }
    # Only table names and placeholders are put into the text; every value travels as a parameter.
    statement = """
        INSERT INTO {contact} (
            campaign_id, customer_id, phone_number, name, timezone, attributes, state, state_reason,
            next_attempt_at, priority, attempts_made, releases, last_outcome, disposition, updated_at
        )
        SELECT %s, c.id, c.phone_number, c.name, c.timezone, {merged}, %s, '', %s, 0, 0, 0, '', '', %s
        FROM {entry} e {customer}
        WHERE e.list_id IN ({lists}) AND e.id BETWEEN %s AND %s
        ORDER BY e.id
        ON CONFLICT (campaign_id, customer_id) WHERE NOT (state = 'test') DO NOTHING
    """.format(**names)  # noqa: S608  see above
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(statement, [campaign.pk, ContactState.PENDING.value, at, at, *list_ids, first, last])
