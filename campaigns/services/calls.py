"""The writes of a live call: it opens, its turns are recorded, it shows that it lives, it ends exactly once.

A call ends by whoever comes first: the bridge (hang-up, lost socket, drain) or the sweeper (the bridge died). The
first to set `ended_at` wins and does, in the same transaction, everything the end means; the others do nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet, Sum

from campaigns import crash_points
from campaigns.enums import (
    PSR,
    EndedBy,
    ResultStep,
    SpeakerKind,
    StepState,
    WebhookEvent,
)
from campaigns.errors import CallRefused
from campaigns.models import Agent, Call, CallAttempt, CallStep, TranscriptTurn
from campaigns.policies.agent_setup import transfer_targets
from campaigns.policies.cadence import DO_NOT_CALL
from campaigns.policies.call_ends import ended_by_of, outcome_of_call
from campaigns.policies.clean_text import clean_json, clean_text
from campaigns.policies.file_names import safe_vendor_call_id
from campaigns.policies.parameter_template import Recipient, parse_template
from campaigns.policies.peer_networks import may_connect
from campaigns.policies.stream_channels import customer_side, stream_channel
from campaigns.queries.call_facts import call_facts
from campaigns.services import attempts
from campaigns.services.call_requests import obey_opt_out
from campaigns.services.durable_files import data_file
from campaigns.services.outbox import record_event
from telephony.phone_numbers import is_e164
from telephony.protocols.events import Side, TransferTarget

log = logging.getLogger(__name__)

MAX_TURNS = 5_000
MAX_TURN_CHARS = 10_000
MAX_PARAMETER_CHARS = 2_000
MAX_DISPOSITION_CHARS = 40
MAX_CALL_MS = 24 * 3_600_000
SWEEP_BATCH = 200
# What is made of the turns is made again when turns come late.
STEPS_MADE_OF_TURNS = (ResultStep.TRANSCRIPT_FILE, ResultStep.CALL_FILE, ResultStep.ANALYSIS, ResultStep.OPT_OUT)


@dataclass(frozen=True, slots=True)
class OpenedCall:
    """What the bridge needs to hold the conversation. `prompts` are absolute paths by name.

    Numbers are E.164, empty where unknown. `channel`, `customer_side` and `allowed_networks` are told of PSR's calls.
    """

    call_id: UUID
    agent_kind: str
    agent_config: dict[str, Any]
    prompts: dict[str, Path]
    parameters: dict[str, str]
    max_call_s: int
    channel: str = ""
    customer_side: str = ""
    allowed_networks: tuple[str, ...] = ()
    customer_number: str = ""
    own_number: str = ""
    is_outbound: bool = True
    transfer_targets: tuple[TransferTarget, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnDraft:
    """One transcript entry as the bridge has it now; the same `seq` again replaces it. Times from the call's start."""

    seq: int
    speaker: str
    item_id: str
    text: str
    heard_text: str
    start_ms: int
    end_ms: int
    is_interrupted: bool
    confidence: float | None


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended. `recording_path` is relative to DATA_DIR, or empty."""

    ended_by: str
    disposition: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    transferred_to: str = ""
    recording_path: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    is_agent_broken: bool = False


def open_psr_call(
    *,
    token: str,
    vendor_call_id: str,
    query: Mapping[str, str],
    now: datetime,
    tenant: str = "",
    peer: str = "",
    is_wanted: Callable[[], bool] = lambda: True,
) -> OpenedCall:
    """Turn a socket that PSR opened with our token into a call; `peer` is the address it came from.

    The customer's parameters come from our own tables; what the query repeats of them is not trusted. `is_wanted` is
    asked last: whether the socket still waits.

    Raises:
        CallRefused: 403 forged, or not from the trunk's tenant and addresses; 409 used before or under another call
            id; 410 expired or over; 503 not wanted any more. Nothing was changed.
    """
    switch_call_id = safe_vendor_call_id(vendor_call_id)
    with transaction.atomic():
        attempt = attempts.connect(token=token, switch_call_id=switch_call_id, now=now)
        campaign, agent = attempt.campaign, attempt.campaign.agent
        _refuse_unless_of_trunk(attempt, tenant, peer)
        parameters = _parameters_of(attempt)
        call = Call.objects.create(
            protocol=PSR,
            vendor_call_id=switch_call_id,
            attempt=attempt,
            customer_number=attempt.phone_number,
            agent=agent,
            agent_version=agent.version,
            parameters=parameters,
            started_at=now,
            last_seen_at=now,
        )
        record_event(
            type=WebhookEvent.CALL_STARTED, subject=str(call.id), body=call_facts(call, sequence=1), occurred_at=now
        )
        refuse_unless_wanted(is_wanted)
    crash_points.reach("ws_consumed")
    lost = sorted(set(parameters) - set(query))
    if lost:
        log.info("psr_parameters_lost", extra={"call_id": str(call.id), "names": lost})
    return replace(
        opened_call(call, agent),
        channel=stream_channel(campaign.app, campaign.channel).value,
        customer_side=customer_side(campaign.app, Side(settings.PSR_STEREO_CUSTOMER_SIDE)).value,
        allowed_networks=tuple(attempt.trunk.allowed_networks),
    )


def refuse_unless_wanted(is_wanted: Callable[[], bool]) -> None:
    """Raises CallRefused (503) where the socket has given up: a call that it opened would be nobody's."""
    if not is_wanted():
        raise CallRefused(503, "too_late", "The socket has given up.")


def opened_call(call: Call, agent: Agent) -> OpenedCall:
    """What the bridge needs of a call that was just written."""
    return OpenedCall(
        call_id=call.id,
        agent_kind=agent.kind,
        agent_config=dict(agent.config),
        prompts=_prompts_of(agent),
        parameters=call.parameters,
        max_call_s=int(settings.MAX_CALL_S),
        customer_number=call.customer_number if is_e164(call.customer_number) else "",
        own_number=call.own_number if is_e164(call.own_number) else "",
        is_outbound=call.is_outbound,
        transfer_targets=transfer_targets(agent.config),
    )


def _refuse_unless_of_trunk(attempt: CallAttempt, tenant: str, peer: str) -> None:
    trunk = attempt.trunk
    faults = {
        "tenant_differs": trunk.tenant not in ("", tenant),
        "address_not_allowed": not may_connect(trunk.allowed_networks, peer),
    }
    for code, is_so in faults.items():
        if is_so:
            # Somebody has our token who should not.
            log.warning("psr_socket_refused", extra={"attempt_id": str(attempt.pk), "code": code})
            raise CallRefused(403, code)


def record_turns(turns: Mapping[UUID, Sequence[TurnDraft]]) -> None:
    """Write transcript entries of some calls at once; an entry with a known `seq` is replaced.

    Entries that come after a call ended are kept too, and what was made of its turns is made again. Those of a call
    that does not exist are dropped.
    """
    rows = {call_id: made for call_id, drafts in turns.items() if (made := _rows_of(call_id, drafts))}
    if not rows:
        return
    with transaction.atomic():
        # Under a call's lock a turn is either seen by the steps after the end, or makes them run again. Locks of many
        # calls are taken in one order everywhere.
        calls = Call.objects.select_for_update().order_by("pk").filter(pk__in=list(rows))
        ended = dict(calls.values_list("pk", "ended_at"))
        for call_id in rows.keys() - ended.keys():
            log.error("turns_of_unknown_call", extra={"call_id": str(call_id), "turns": len(rows[call_id])})
        TranscriptTurn.objects.bulk_create(
            [row for call_id in ended for row in rows[call_id]],
            update_conflicts=True,
            unique_fields=["call", "seq"],
            update_fields=[
                "speaker",
                "item_id",
                "text",
                "heard_text",
                "start_ms",
                "end_ms",
                "is_interrupted",
                "confidence",
            ],
        )
        for call_id, ended_at in ended.items():
            if ended_at is not None:
                _redo_steps(call_id)
    crash_points.reach("turns_written")


def _rows_of(call_id: UUID, drafts: Sequence[TurnDraft]) -> list[TranscriptTurn]:
    rows = {draft.seq: _turn(call_id, draft) for draft in drafts if 0 <= draft.seq < MAX_TURNS}
    if len(rows) < len({draft.seq for draft in drafts}):
        log.warning("turns_beyond_limit", extra={"call_id": str(call_id), "limit": MAX_TURNS})
    return list(rows.values())


def record_findings(*, call_id: UUID, answers: Sequence[Mapping[str, Any]], disposition: str, now: datetime) -> None:
    """Write what the agent has learned so far, so that a bridge that dies does not take it along.

    An end that the bridge told itself has said it all. One that the sweeper assumed has not: what comes after it is
    kept too, and a wish not to be called again is obeyed.

    Raises:
        Call.DoesNotExist: there is no such call.
    """
    with transaction.atomic():
        call = Call.objects.select_for_update(of=("self",)).select_related("attempt").get(pk=call_id)
        if call.ended_at is not None and call.ended_by != EndedBy.INTERRUPTED:
            return
        call.answers = clean_json(answers)
        # Empty says nothing: a wish never to be called again may stand there already.
        call.disposition = clean_text(disposition, max_chars=MAX_DISPOSITION_CHARS) or call.disposition
        call.save(update_fields=["answers", "disposition"])
        if call.ended_at is None and disposition == DO_NOT_CALL:
            obey_opt_out(call_id, now=now)
        if call.ended_at is not None:
            _redo_steps(call_id)
            if call.attempt is not None:
                _end_attempt(call, call.attempt, now)


def recover_recording(*, call_id: UUID, path: str) -> bool:
    """Name the recording (relative to DATA_DIR) of a call whose bridge died before it could; whether the call is over.

    False while it may still be live, and for a call that is not known.
    """
    over = Call.objects.filter(pk=call_id, ended_at__isnull=False)
    over.filter(recording_path="").update(recording_path=path)
    return over.exists()


def touch_calls(*, call_ids: Iterable[UUID], now: datetime) -> None:
    """Note that these calls are alive; all calls of a process at once, locked in the order that all writers keep."""
    live = Call.objects.select_for_update().order_by("pk")
    with transaction.atomic():
        touched = list(
            live.filter(pk__in=list(call_ids), ended_at__isnull=True, last_seen_at__lt=now).values_list("pk", flat=True)
        )
        Call.objects.filter(pk__in=touched).update(last_seen_at=now)


def finish_call(*, call_id: UUID, end: CallEnd, now: datetime) -> bool:
    """End a call; True for the one caller that did it. Safe to repeat, from anywhere, in any order."""
    disposition = clean_text(end.disposition, max_chars=MAX_DISPOSITION_CHARS)
    told = {
        "ended_at": now,
        "ended_by": ended_by_of(end.ended_by),
        **({"disposition": disposition} if disposition else {}),
        "answers": clean_json(end.answers),
        "transferred_to": clean_text(end.transferred_to, max_chars=32),
        "recording_path": clean_text(end.recording_path, max_chars=200),
        "metrics": clean_json(end.metrics),
        "is_agent_broken": end.is_agent_broken,
    }
    return _finish(call_id, Call.objects.all(), told, now)


def finish_lost_calls(*, now: datetime) -> list[UUID]:
    """End the calls whose bridge has fallen silent for CALL_LOST_S; the ids of those ended here.

    Such a call ended when it was last seen, not when we noticed, and keeps what its agent had learned.
    """
    silent_since = now - timedelta(seconds=settings.CALL_LOST_S)
    silent = Call.objects.filter(ended_at__isnull=True, last_seen_at__lt=silent_since).order_by("last_seen_at")
    ids = list(silent.values_list("pk", flat=True)[:SWEEP_BATCH])
    lost = {"ended_at": F("last_seen_at"), "ended_by": EndedBy.INTERRUPTED}
    # The bridge may have spoken up since we looked.
    still_silent = Call.objects.filter(last_seen_at__lt=silent_since)
    return [call_id for call_id in ids if _finish(call_id, still_silent, lost, now)]


def _finish(call_id: UUID, candidates: QuerySet[Call], changes: Mapping[str, Any], now: datetime) -> bool:
    """End a call with everything its end means, if it is live and still one of the candidates."""
    with transaction.atomic():
        if not candidates.filter(pk=call_id, ended_at__isnull=True).update(**changes):
            return False
        call = Call.objects.select_related("agent", "attempt__contact", "attempt__campaign").get(pk=call_id)
        if call.attempt is not None:
            _end_attempt(call, call.attempt, now)
        _plan_steps(call, now)
        record_event(
            type=WebhookEvent.CALL_ENDED, subject=str(call.id), body=call_facts(call, sequence=2), occurred_at=now
        )
        crash_points.reach("finish_before_commit")
    crash_points.reach("finished")
    return True


def _redo_steps(call_id: UUID) -> None:
    CallStep.objects.filter(call_id=call_id, step__in=STEPS_MADE_OF_TURNS).update(
        state=StepState.PENDING, tries=0, lease_until=None, error=""
    )
    Call.objects.filter(pk=call_id).update(is_processed=False)


def _end_attempt(call: Call, attempt: CallAttempt, now: datetime) -> None:
    spoken = call.turns.aggregate(ms=Sum(F("end_ms") - F("start_ms")))["ms"] or 0
    outcome = outcome_of_call(ended_by=EndedBy(call.ended_by), disposition=call.disposition, talk_ms=spoken)
    attempts.end_attempt(attempt.id, outcome=outcome, reason=call.ended_by, now=now, disposition=call.disposition)


def _plan_steps(call: Call, now: datetime) -> None:
    has_switch_recording = call.attempt is not None and bool(call.attempt.switch_call_id)
    CallStep.objects.bulk_create(
        [
            CallStep(
                call=call,
                step=step,
                state=StepState.SKIPPED
                if step is ResultStep.RECORDING and not has_switch_recording
                else StepState.PENDING,
                run_at=now,
            )
            for step in ResultStep
        ],
        ignore_conflicts=True,
    )


def _turn(call_id: UUID, draft: TurnDraft) -> TranscriptTurn:
    start_ms = min(max(draft.start_ms, 0), MAX_CALL_MS)
    return TranscriptTurn(
        call_id=call_id,
        seq=draft.seq,
        speaker=SpeakerKind(draft.speaker),
        item_id=clean_text(draft.item_id, max_chars=64),
        text=clean_text(draft.text, max_chars=MAX_TURN_CHARS),
        heard_text=clean_text(draft.heard_text, max_chars=MAX_TURN_CHARS),
        start_ms=start_ms,
        end_ms=min(max(draft.end_ms, start_ms), MAX_CALL_MS),
        is_interrupted=draft.is_interrupted,
        confidence=draft.confidence if draft.confidence is not None and 0 <= draft.confidence <= 1 else None,
    )


def _parameters_of(attempt: CallAttempt) -> dict[str, str]:
    """The customer's parameters; none where somebody broke the template since the call was placed."""
    contact = attempt.contact
    try:
        template = parse_template(attempt.campaign.parameter_template)
    except ValueError:
        log.warning("parameter_template_broken", extra={"campaign_id": attempt.campaign_id})
        return {}
    rendered = template.render(Recipient(contact.name, attempt.phone_number, contact.attributes))
    return {name: clean_text(text, max_chars=MAX_PARAMETER_CHARS) for name, text in rendered.items()}


def _prompts_of(agent: Agent) -> dict[str, Path]:
    """The agent's own prompts by name; one whose file is gone is left out, so that the bundled one speaks."""
    paths = {name: data_file(f"prompts/{path}") for name, path in agent.prompts.values_list("name", "path")}
    missing = sorted(name for name, path in paths.items() if path is None)
    if missing:
        log.warning("prompt_files_missing", extra={"agent_id": agent.pk, "names": missing})
    return {name: path for name, path in paths.items() if path is not None}
