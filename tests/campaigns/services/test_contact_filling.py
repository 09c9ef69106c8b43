"""How blocks of contacts are read; what they become is told by the tests of campaigns."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Contact, Customer, CustomerList, ListEntry
from campaigns.services.contact_filling import fill_block
from tests.factories import NOW, make_campaign

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plan")
def test_a_block_looks_its_customers_up_however_many_there_are() -> None:
    listed = CustomerList.objects.create(name="Everybody")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO campaigns_customer (phone_number, name, timezone, attributes, created_at, updated_at)
            SELECT '+84' || 900000000 + n, '', '', '{}', now(), now() FROM generate_series(1, 5000) n
            """
        )
        cursor.execute(
            "INSERT INTO campaigns_listentry (list_id, customer_id, attributes) "
            "SELECT %s, id, '{}' FROM campaigns_customer",
            [listed.pk],
        )
        cursor.execute(f"ANALYZE {Customer._meta.db_table}, {ListEntry._meta.db_table}")
    campaign = make_campaign()
    campaign.customer_lists.add(listed)
    with CaptureQueriesContext(connection) as queries:
        assert fill_block(campaign.pk, now=NOW, limit=2500)
    (insert,) = (query["sql"] for query in queries if f"INTO {Contact._meta.db_table}" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {insert}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "campaigns_customer_pkey" in plan
    assert f"Seq Scan on {Customer._meta.db_table}" not in plan
    assert Contact.objects.filter(campaign=campaign).count() == 2500
