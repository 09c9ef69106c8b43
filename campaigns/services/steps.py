"""Runs the steps after a call. Each step is a row; the row says what remains to be done, a message only hurries it.

A try claims its row by a lease, does its work, and writes the result under that same lease; whoever lost the lease
writes nothing. A process that dies leaves a lease that runs out; the try it began has been counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from campaigns import crash_points
from campaigns.enums import ResultStep, StepState, WebhookEvent
from campaigns.errors import CampaignsError
from campaigns.models import Call, CallAnalysis, CallStep
from campaigns.policies.clean_text import clean_text
from campaigns.policies.step_backoff import LEASE, MAX_TRIES, wait_after_failure
from campaigns.queries.call_facts import call_facts
from campaigns.services.analysis import analyze_call
from campaigns.services.call_requests import heed_spoken_opt_out
from campaigns.services.outbox import record_event
from campaigns.services.recordings import fetch_switch_recording
from campaigns.services.step_results import Done, GivenUp, NotYet, StepResult
from campaigns.services.transcripts import write_call_file, write_transcript_file
from telephony.errors import TelephonyError

log = logging.getLogger(__name__)

OPEN_STATES = (StepState.PENDING, StepState.FAILED)
# How long the webhook waits for an analysis that does not come (reliability.md B.6, P5).
ANALYSIS_PATIENCE = timedelta(minutes=10)
ANALYSIS_POLL = timedelta(seconds=10)
SWEEP_BATCH = 200
# What a try may run into through no fault of the code: a full disk, a lost database, a switch, a rule.
_EXPECTED_ERRORS = (OSError, DatabaseError, CampaignsError, TelephonyError)


def run_step(*, call_id: UUID, step: ResultStep, now: datetime, jitter: float = 0.0) -> StepState | None:
    """Try one step if it is due; the state it is left in, or None if it was not due or is in other hands.

    `jitter` (-0.2 … 0.2) spreads what failed together. An error that is the code's own passes through: its try is
    counted, the lease keeps others off for a while, and the other steps are not touched.
    """
    row = _claim(call_id, step, now)
    if row is None:
        return None
    if row.tries > MAX_TRIES:
        return _settle(row, GivenUp("no try came to an end"), now=now)
    try:
        result = _WORK[step](row, now)
    except _EXPECTED_ERRORS as error:
        log.warning("step_failed", extra={"call_id": str(call_id), "step": step, "error": type(error).__name__})
        return _settle_failure(row, error, now=now, jitter=jitter)
    crash_points.reach("step_done")
    return _settle(row, result, now=now)


def due_steps(*, call_id: UUID, now: datetime) -> list[ResultStep]:
    """The call's steps that could run now, in their order."""
    due = set(_due(now).filter(call_id=call_id).values_list("step", flat=True))
    return [step for step in ResultStep if step in due]


def calls_with_due_steps(*, now: datetime) -> list[UUID]:
    """Calls with work that is due and in nobody's hands, longest waiting first; at most 200."""
    rows = _due(now).order_by("run_at").values_list("call_id", flat=True)[: SWEEP_BATCH * len(ResultStep)]
    return list(dict.fromkeys(rows))[:SWEEP_BATCH]


def close_processed_calls() -> int:
    """Mark calls whose steps are all over, where two steps that ended together left that to each other."""
    open_steps = CallStep.objects.filter(call=OuterRef("pk"), state__in=OPEN_STATES)
    calls = Call.objects.filter(is_processed=False, ended_at__isnull=False)
    return calls.filter(~Exists(open_steps)).update(is_processed=True)


def replay_step(*, call_id: UUID, step: ResultStep, now: datetime) -> bool:
    """Make a step that is over due again; True if there was one."""
    with transaction.atomic():
        revived = CallStep.objects.filter(call_id=call_id, step=step).exclude(state__in=OPEN_STATES)
        count = revived.update(state=StepState.PENDING, tries=0, run_at=now, lease_until=None, error="")
        if count:
            Call.objects.filter(pk=call_id).update(is_processed=False)
    return bool(count)


def _due(now: datetime) -> QuerySet[CallStep]:
    return CallStep.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=now), state__in=OPEN_STATES, run_at__lte=now
    )


def _claim(call_id: UUID, step: ResultStep, now: datetime) -> CallStep | None:
    lease_until = now + LEASE
    if not _due(now).filter(call_id=call_id, step=step).update(lease_until=lease_until, tries=F("tries") + 1):
        return None
    # Gone again only if the row was reset in between; then whoever reset it wants another try.
    return CallStep.objects.filter(call_id=call_id, step=step, lease_until=lease_until).first()


def _settle(row: CallStep, result: StepResult, *, now: datetime) -> StepState:
    match result:
        case Done(details):
            return _write(row, StepState.DONE, result=dict(details), error="")
        case NotYet(retry_at, details):
            return _write(row, StepState.PENDING, result=dict(details), run_at=retry_at, tries=row.tries - 1)
        case GivenUp(reason):
            log.warning("step_given_up", extra={"call_id": str(row.call_id), "step": row.step, "at": now.isoformat()})
            return _write(row, StepState.DEAD, error=clean_text(reason, max_chars=300))


def _settle_failure(row: CallStep, error: Exception, *, now: datetime, jitter: float) -> StepState:
    text = clean_text(f"{type(error).__name__}: {error}", max_chars=300)
    wait = wait_after_failure(row.tries, jitter=jitter)
    if wait is None:
        return _settle(row, GivenUp(text), now=now)
    return _write(row, StepState.FAILED, run_at=now + wait, error=text)


def _write(row: CallStep, state: StepState, **fields: object) -> StepState:
    with transaction.atomic():
        mine = CallStep.objects.filter(pk=row.pk, lease_until=row.lease_until, state__in=OPEN_STATES)
        if mine.update(state=state, lease_until=None, **fields) and state not in OPEN_STATES:
            still_open = CallStep.objects.filter(call_id=row.call_id, state__in=OPEN_STATES)
            Call.objects.filter(~Exists(still_open), pk=row.call_id).update(is_processed=True)
    return state


def _transcript_file(row: CallStep, now: datetime) -> StepResult:
    return Done({"file": write_transcript_file(row.call_id).name, "at": now.isoformat()})


def _call_file(row: CallStep, now: datetime) -> StepResult:
    return Done({"file": write_call_file(row.call_id).name, "at": now.isoformat()})


def _analysis(row: CallStep, now: datetime) -> StepResult:
    return Done({"summary": analyze_call(row.call_id, now=now).summary})


def _opt_out(row: CallStep, now: datetime) -> StepResult:
    return Done({"phrase": heed_spoken_opt_out(row.call_id, now=now)})


def _recording(row: CallStep, now: datetime) -> StepResult:
    return fetch_switch_recording(row.call_id, misses=int(row.result.get("misses", 0)), now=now)


def _webhooks(row: CallStep, now: datetime) -> StepResult:
    """Tell what the analysis found, once it is there; after a while, that it is not."""
    call = Call.objects.select_related("agent", "attempt").get(pk=row.call_id)
    ended_at = call.ended_at or now
    analysis = CallAnalysis.objects.filter(call=call).first()
    is_open = CallStep.objects.filter(call=call, step=ResultStep.ANALYSIS, state__in=OPEN_STATES).exists()
    if is_open and now < ended_at + ANALYSIS_PATIENCE:
        return NotYet(now + ANALYSIS_POLL)
    body = {**call_facts(call, sequence=3), "analysis": _analysis_facts(analysis)}
    record_event(
        type=WebhookEvent.CALL_ANALYZED,
        subject=str(call.id),
        body=body,
        occurred_at=analysis.computed_at if analysis else ended_at,
    )
    return Done({"has_analysis": analysis is not None})


def _analysis_facts(analysis: CallAnalysis | None) -> dict[str, object] | None:
    if analysis is None:
        return None
    return {
        "summary": analysis.summary,
        "disposition": analysis.disposition,
        "metrics": analysis.metrics,
        "computed_at": analysis.computed_at.isoformat(),
    }


_WORK: Mapping[ResultStep, Callable[[CallStep, datetime], StepResult]] = {
    ResultStep.TRANSCRIPT_FILE: _transcript_file,
    ResultStep.CALL_FILE: _call_file,
    ResultStep.ANALYSIS: _analysis,
    ResultStep.OPT_OUT: _opt_out,
    ResultStep.RECORDING: _recording,
    ResultStep.WEBHOOKS: _webhooks,
}
