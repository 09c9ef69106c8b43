"""A call as webhooks and files tell it to others: one flat object of plain JSON, bounded in size."""

from __future__ import annotations

import json
from typing import Any

from campaigns.models import Call

# A webhook's payload stays below 20 kB (reliability.md P6); what does not fit is read from the API.
MAX_ANSWERS_BYTES = 8_000


def call_facts(call: Call, *, sequence: int) -> dict[str, Any]:
    """The call's facts. `sequence` orders the events of one call: 1 started, 2 ended, 3 analyzed.

    Answers that would make the payload too big are left out, `has_more_answers` says so, and `url` leads to them.
    """
    attempt = call.attempt
    is_small = len(json.dumps(call.answers)) <= MAX_ANSWERS_BYTES
    return {
        "sequence": sequence,
        "call_id": str(call.id),
        "url": f"/api/v1/calls/{call.id}/",
        "protocol": call.protocol,
        "vendor_call_id": call.vendor_call_id,
        "campaign_id": attempt.campaign_id if attempt else None,
        "contact_id": attempt.contact_id if attempt else None,
        "attempt_id": str(attempt.id) if attempt else None,
        "endpoint_id": call.endpoint_id,
        "phone_number": attempt.phone_number if attempt else call.customer_number or None,
        "agent": {"name": call.agent.name, "kind": call.agent.kind, "version": call.agent_version},
        "started_at": call.started_at.isoformat(),
        "ended_at": call.ended_at.isoformat() if call.ended_at else None,
        "duration_s": round((call.ended_at - call.started_at).total_seconds(), 3) if call.ended_at else None,
        "ended_by": call.ended_by or None,
        "disposition": call.disposition,
        "transferred_to": call.transferred_to,
        "callback_at": call.callback_at.isoformat() if call.callback_at else None,
        "callback_note": call.callback_note,
        "has_opted_out": call.suppressions.exists(),
        "answers": call.answers if is_small else [],
        "has_more_answers": not is_small,
    }
