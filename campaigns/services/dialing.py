"""Placing one claimed attempt: the marker before the POST, and what the POST's answer means.

`mark` and `apply_verdict` stand on either side of the one POST an attempt may ever cause. The marker is committed
before a byte is sent, so whatever dies in between leaves a row that says a call may exist.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never
from uuid import UUID

import phonenumbers
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import DateTimeField, IntegerField, QuerySet, UUIDField

from campaigns.crash_points import reach
from campaigns.enums import AttemptState, Outcome, TrunkHold
from campaigns.errors import IllegalTransition
from campaigns.models import Agent, CallAttempt, Campaign, CampaignEvent, Contact
from campaigns.policies import call_tokens
from campaigns.policies.eligibility import (
    allowed_by,
    call_test_gates,
    dial_gates,
    first_closed,
    refusal_outcome,
    refusal_retry_at,
)
from campaigns.policies.parameter_template import Recipient, parse_template
from campaigns.policies.stream_channels import stream_channel
from campaigns.queries.agent_outages import outage_of
from campaigns.queries.dialing import facts_for
from campaigns.queries.prepared import Given, Prepared
from campaigns.services import trunks
from campaigns.services.attempts import advance, end_attempt, placed_deadline, token_keys, unknown_deadline
from campaigns.services.campaigns import pause_after_refusals
from campaigns.services.claiming import Claimed, claim_due
from campaigns.services.dial_journal import Marker
from campaigns.services.post_breaker import stop_if_failing
from telephony.errors import LocalProtocolError
from telephony.protocols.events import Channel
from telephony.psr.answers import PsrAnswer
from telephony.psr.classifier import DialVerdict, TrunkAction, Verdict
from telephony.psr.payloads import AudioFile, CreateStreamRequest, DialFormat, PsrApp, render_destination

__all__ = ["Claimed", "DialOrder", "apply_verdict", "claim_due", "mark", "release"]

log = logging.getLogger(__name__)

TOKEN_PARAMETER = "trunkline_token"  # noqa: S105  a name, not a token
REASON_MAX_CHARS = 60


@dataclass(frozen=True, slots=True)
class DialOrder:
    """What one POST needs. Nothing secret or personal shows in its repr."""

    attempt_id: UUID
    base_url: str
    auth_scheme: str
    trunk_token: str = field(repr=False)
    request: CreateStreamRequest = field(repr=False)
    marker: Marker = field(repr=False)


class _Unsendable(Exception):
    """The request cannot be built for this contact; `outcome` says whether it ever can."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def mark(attempt_id: UUID, fence: int, *, now: datetime) -> DialOrder | None:
    """Ask every gate and write the marker, committed on return; None where nothing may be sent.

    None is the normal answer to a message that came twice or late, and to a gate that is closed; in that case the
    attempt has been ended with the gate's name and its contact given back or ended.
    """
    with transaction.atomic(durable=True):
        attempt = _lock_claimed(attempt_id, fence, now)
        if attempt is None:
            return None
        contact = attempt.contact
        facts = facts_for(
            contact,
            now=now,
            frozen_number=attempt.phone_number,
            extension=attempt.extension,
            is_agent_trusted=not _queue_for_trial(contact.campaign.agent_id, now),
        )
        gates = call_test_gates if attempt.is_test else dial_gates
        closed = first_closed(gates(facts, now))
        if closed is not None:
            outcome = refusal_outcome(closed, facts.campaign_state)
            end_attempt(
                attempt_id, outcome=outcome, reason=closed.code, now=now, retry_at=refusal_retry_at(closed, now)
            )
            return None
        token = _mint(attempt, now)
        try:
            request = _build_request(attempt, contact, token)
        except _Unsendable as fault:
            log.warning("request_cannot_be_built", extra={"attempt_id": str(attempt_id), "reason": fault.reason})
            end_attempt(attempt_id, outcome=fault.outcome, reason=fault.reason[:REASON_MAX_CHARS], now=now)
            return None
        advance(
            attempt_id,
            AttemptState.DISPATCHING,
            now=now,
            reason="marker",
            seen=AttemptState.CLAIMED,
            deadline_at=now + timedelta(seconds=settings.DISPATCH_LEASE_S),
            dispatched_at=now,
            posts=attempt.posts + 1,
            token_digest=call_tokens.digest(token),
            allowed_by=allowed_by(facts),
        )
        trunk = attempt.trunk
        marker = Marker(attempt_id, contact.pk, attempt.number or 0, call_tokens.digest(token), now)
        order = DialOrder(attempt_id, trunk.base_url, trunk.auth_scheme, trunk.token, request, marker)
        reach("mark_before_commit")
    reach("marked")
    return order


def release(attempt_id: UUID, *, reason: str, now: datetime, only_from: AttemptState) -> bool:
    """Give an attempt back that was provably never sent; False if it has moved on by itself."""
    try:
        return end_attempt(attempt_id, outcome=Outcome.RELEASED, reason=reason, now=now, only_from=only_from)
    except IllegalTransition:
        return False


def apply_verdict(attempt_id: UUID, *, verdict: Verdict, answer: PsrAnswer, now: datetime) -> None:
    """Record what the switch's answer proves. Facts that arrived meanwhile by the socket are kept."""
    attempt = _POSTED.first(pk=attempt_id)
    if attempt is None:
        raise CallAttempt.DoesNotExist(f"There is no attempt {attempt_id}.")
    # In a transaction of its own and first: dying after it costs one contact a short wait, not the trunk its stop.
    _act_on_trunk(attempt.trunk_id, verdict, answer, now)
    try:
        _record(attempt, verdict, answer, now)
    except IllegalTransition as overtaken:
        log.info("answer_overtaken", extra={"attempt_id": str(attempt_id), "detail": overtaken.detail})
    if verdict.dial is DialVerdict.REFUSED:
        pause_after_refusals(attempt.campaign_id, now=now)
    elif verdict.dial is not DialVerdict.PLACED and verdict.trunk_action is TrunkAction.NONE:
        stop_if_failing(attempt, now=now)


def _lock_claimed(attempt_id: UUID, fence: int, now: datetime) -> CallAttempt | None:
    """The attempt if it is still claimed under this fence and lease, with its contact, campaign and trunk."""
    attempt = _CLAIMED.first(pk=attempt_id, fence=fence, now=now)
    if attempt is not None:
        campaign = attempt.contact.campaign
        if attempt.trunk_id == campaign.trunk_id:
            attempt.trunk = campaign.trunk
        else:
            # A draft was given another one meanwhile. The gates are to ask the one that is used.
            campaign.trunk = attempt.trunk
    return attempt


def _claimed() -> QuerySet[CallAttempt]:
    lease = {"pk": Given("pk", UUIDField()), "fence": Given("fence", IntegerField())}
    claimed = CallAttempt.objects.filter(
        **lease, state=AttemptState.CLAIMED, deadline_at__gt=Given("now", DateTimeField())
    )
    return claimed.select_for_update(of=("self",)).select_related("contact__campaign__trunk").order_by()


def _posted() -> QuerySet[CallAttempt]:
    return CallAttempt.objects.filter(pk=Given("pk", UUIDField())).select_related("campaign").order_by()


# Asked for every call.
_CLAIMED: Final = Prepared(_claimed)
_POSTED: Final = Prepared(_posted)


def _queue_for_trial(agent_id: int, now: datetime) -> bool:
    """Where the agent is out, let one worker after the other look whether its trial has been taken; True if it is."""
    is_out = outage_of(agent_id, now) is not None
    if is_out:
        Agent.objects.select_for_update().get(pk=agent_id)
    return is_out


def _mint(attempt: CallAttempt, now: datetime) -> str:
    claims = call_tokens.CallTokenClaims(
        attempt_id=attempt.pk,
        contact_id=attempt.contact_id,
        number=attempt.number or 0,
        expires_at=now + timedelta(seconds=settings.CALL_TOKEN_TTL_S),
        extension=attempt.extension,
    )
    return call_tokens.mint(claims, keys=token_keys())


def _build_request(attempt: CallAttempt, contact: Contact, token: str) -> CreateStreamRequest:
    campaign, trunk = contact.campaign, attempt.trunk
    app = PsrApp(campaign.app)
    audio_file = None if app is PsrApp.DIAL or campaign.is_silence else _read_audio_file(campaign)
    try:
        parameters = parse_template(campaign.parameter_template).render(
            Recipient(contact.name, contact.phone_number, contact.attributes)
        )
        country_code = phonenumbers.country_code_for_region(settings.DEFAULT_REGION)
        return CreateStreamRequest(
            url=f"{settings.PUBLIC_WS_URL}/psr/{token}",
            destination=render_destination(
                attempt.phone_number, DialFormat(trunk.dial_format), country_code=str(country_code)
            ),
            app=app,
            channel=Channel(stream_channel(campaign.app, campaign.channel).value),
            extension=attempt.extension if app is PsrApp.DIAL else "",
            is_silence=audio_file is None,
            audio_file=audio_file,
            parameter={**parameters, TOKEN_PARAMETER: token},
        )
    except (LocalProtocolError, ValueError) as error:
        raise _Unsendable(Outcome.BLOCKED, f"request: {error}") from None


def _read_audio_file(campaign: Campaign) -> AudioFile:
    path = settings.DATA_DIR / "prompts" / campaign.audio_file
    try:
        return AudioFile(path.name, path.read_bytes())
    except OSError:
        raise _Unsendable(Outcome.RELEASED, "audio_file_missing") from None
    except LocalProtocolError:
        raise _Unsendable(Outcome.RELEASED, "audio_file_unplayable") from None


def _act_on_trunk(trunk_id: int, verdict: Verdict, answer: PsrAnswer, now: datetime) -> None:
    if verdict.trunk_action is TrunkAction.HOLD:
        is_auth = answer.status_code in (401, 403)
        detail = f"PSR answered HTTP {answer.status_code}. {answer.detail}".strip()
        trunks.hold(trunk_id, TrunkHold.AUTH if is_auth else TrunkHold.REDIRECT, detail=detail, now=now)
    elif verdict.trunk_action is TrunkAction.THROTTLE:
        trunks.throttle(trunk_id, retry_after_s=verdict.retry_after_s, now=now)


def _record(attempt: CallAttempt, verdict: Verdict, answer: PsrAnswer, now: datetime) -> None:
    try:
        with transaction.atomic():
            match verdict.dial:
                case DialVerdict.PLACED:
                    _apply_placed(attempt, answer, now)
                case DialVerdict.REFUSED:
                    _apply_refused(attempt, verdict, now)
                case DialVerdict.NOT_SENT:
                    _apply_not_sent(attempt, verdict, now)
                case DialVerdict.UNKNOWN:
                    _apply_unknown(attempt, verdict.reason, now)
                case _:
                    assert_never(verdict.dial)
            reach("result_before_commit")
    except IntegrityError:
        # Another attempt has that call_id. Caught out here, so that the usual answer needs no savepoint.
        with transaction.atomic():
            _report_duplicate_call_id(attempt, now)
            _apply_unknown(attempt, "duplicate_call_id", now)


def _apply_placed(attempt: CallAttempt, answer: PsrAnswer, now: datetime) -> None:
    try:
        advance(
            attempt.pk,
            AttemptState.PLACED,
            now=now,
            reason="placed",
            seen=AttemptState(attempt.state),
            deadline_at=placed_deadline(now, attempt.campaign.ring_timeout_s),
            switch_call_id=answer.call_id,
            recording_url=answer.full_recording_url,
            placed_at=now,
        )
    except IllegalTransition:
        _fill_placed(attempt.pk, answer, now)


def _fill_placed(attempt_id: UUID, answer: PsrAnswer, now: datetime) -> None:
    """The socket was faster than the answer, or the deadline was: the answer only fills what is empty."""
    attempt = CallAttempt.objects.select_for_update(of=("self",)).get(pk=attempt_id)
    if attempt.switch_call_id not in (None, answer.call_id):
        log.warning("call_id_differs", extra={"attempt_id": str(attempt_id)})
        return
    attempt.switch_call_id = answer.call_id
    attempt.recording_url = attempt.recording_url or answer.full_recording_url
    attempt.placed_at = attempt.placed_at or now
    try:
        with transaction.atomic():
            attempt.save(update_fields=["switch_call_id", "recording_url", "placed_at"])
    except IntegrityError:
        _report_duplicate_call_id(attempt, now)


def _apply_refused(attempt: CallAttempt, verdict: Verdict, now: datetime) -> None:
    reason = f"refused_{verdict.reason}"[:REASON_MAX_CHARS]
    end_attempt(attempt.pk, outcome=Outcome.FAILED, reason=reason, now=now, only_from=_present_state(attempt.pk))


def _apply_not_sent(attempt: CallAttempt, verdict: Verdict, now: datetime) -> None:
    retry_at = None if verdict.retry_after_s is None else now + timedelta(seconds=verdict.retry_after_s)
    end_attempt(
        attempt.pk,
        outcome=Outcome.RELEASED,
        reason=verdict.reason,
        now=now,
        only_from=_present_state(attempt.pk),
        retry_at=retry_at,
    )


def _apply_unknown(attempt: CallAttempt, reason: str, now: datetime) -> None:
    advance(
        attempt.pk,
        AttemptState.UNKNOWN,
        now=now,
        reason=reason,
        deadline_at=unknown_deadline(now, attempt.campaign.ring_timeout_s),
        only_from=AttemptState.DISPATCHING,
    )


def _present_state(attempt_id: UUID) -> AttemptState:
    """The state a clear no ends; a call that is being talked on is proof that outweighs any answer.

    Raises:
        IllegalTransition: the attempt is in a call or over.
    """
    state = AttemptState(CallAttempt.objects.values_list("state", flat=True).get(pk=attempt_id))
    if state not in (AttemptState.DISPATCHING, AttemptState.UNKNOWN):
        raise IllegalTransition(f"The attempt is {state.value} by now.")
    return state


def _report_duplicate_call_id(attempt: CallAttempt, now: datetime) -> None:
    log.error("psr_duplicate_call_id", extra={"attempt_id": str(attempt.pk)})
    CampaignEvent.objects.create(
        campaign_id=attempt.campaign_id,
        at=now,
        kind="psr_duplicate_call_id",
        message="The switch gave two calls the same call_id; the later one is kept as unknown.",
        details={"attempt_id": str(attempt.pk)},
    )
