"""Keeping what a call amounts to."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from campaigns.models import CallAnalysis
from campaigns.queries.call_record import call_record


def analyze_call(call_id: UUID, *, now: datetime) -> CallAnalysis:
    """Compute and store the call's analysis. Computing again from the same turns leaves the row as it is."""
    result = call_record(call_id).analysis
    fields = {
        "metrics": result.metrics,
        "extracted": result.extracted,
        "question_answers": [asdict(pair) for pair in result.question_answers],
        "summary": result.summary,
        "disposition": result.disposition,
    }
    row, is_new = CallAnalysis.objects.get_or_create(call_id=call_id, defaults={**fields, "computed_at": now})
    if not is_new and any(getattr(row, name) != value for name, value in fields.items()):
        CallAnalysis.objects.filter(pk=row.pk).update(**fields, computed_at=now)
        row.refresh_from_db()
    return row
