"""To whom a vendor that asks back is to hand a caller."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from campaigns.models import Call
from campaigns.policies.file_names import safe_vendor_call_id

# The vendor asks at once. An id that comes up much later is another call's.
TRANSFER_KEPT: Final = timedelta(minutes=10)


def prepared_transfer(endpoint_id: int, vendor_call_id: str, *, now: datetime) -> str:
    """The number for which the last call of that id was prepared, empty where there is none."""
    calls = Call.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=now - TRANSFER_KEPT),
        endpoint_id=endpoint_id,
        vendor_call_id=safe_vendor_call_id(vendor_call_id),
    )
    return calls.order_by("-started_at").values_list("transferred_to", flat=True).first() or ""
