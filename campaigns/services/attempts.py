"""Call attempts: the only writer of `CallAttempt.state`.

Every step is a conditional UPDATE and its log row in one transaction. Whoever loses a race re-reads and asks the table
again: either the step still makes sense, or `IllegalTransition` says that newer facts have overtaken it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from campaigns.enums import AttemptState, Outcome, SuppressionSource
from campaigns.errors import BadCallToken, CallRefused, IllegalTransition
from campaigns.models import AttemptLog, Call, CallAttempt, SuppressedNumber
from campaigns.policies import call_tokens
from campaigns.policies.cadence import DO_NOT_CALL
from campaigns.policies.outcomes import (
    CORRECTABLE_OUTCOMES,
    LATE_CONNECT,
    MISSED_DEADLINES,
    AttemptEnd,
    is_counted,
    outcome_of,
)
from campaigns.services.contacts import hold_contact, settle_contact
from campaigns.services.lost_attempts import recover_attempt
from campaigns.services.suppression import suppress
from campaigns.states import ATTEMPT_STEPS, next_state

log = logging.getLogger(__name__)

REAP_BATCH = 200
SWITCH_CALL_ID_MAX_CHARS = 128
# States in which a socket with our token is expected.
CONNECTABLE_STATES = (AttemptState.DISPATCHING, AttemptState.UNKNOWN, AttemptState.PLACED)


def advance(
    attempt_id: UUID,
    to: AttemptState,
    *,
    now: datetime,
    reason: str = "",
    outcome: Outcome | None = None,
    hangup_cause: str = "",
    deadline_at: datetime | None = None,
    only_from: AttemptState | None = None,
    seen: AttemptState | None = None,
    **fields: Any,
) -> None:
    """Take one step and log it. `only_from` makes every other present state a refusal.

    `seen` is the state the caller has just read, which spares reading it once more; if it has changed since, the
    present one decides.

    Raises:
        IllegalTransition: the table, or `only_from`, forbids it; nothing was changed.
        CallAttempt.DoesNotExist: there is no such attempt.
    """
    changes = {"state": to, "deadline_at": deadline_at, **fields}
    if reason:
        changes["reason"] = reason
    if hangup_cause:
        changes["hangup_cause"] = hangup_cause
    if outcome is not None:
        changes |= {"outcome": outcome, "ended_at": now, "is_counted": is_counted(outcome)}
        if not is_counted(outcome):
            # Its number is free again: the next attempt is still the contact's nth.
            changes["number"] = None
    old = only_from or seen or _state_of(attempt_id)
    # Ranks never fall, so a loser can lose at most once per state.
    for _ in AttemptState:
        next_state(ATTEMPT_STEPS, old, to)
        # No savepoint: nothing is raised in here that a transaction around it could go on after.
        with transaction.atomic(savepoint=False):
            if CallAttempt.objects.filter(pk=attempt_id, state=old).update(**changes):
                _log(attempt_id, old, to, now=now, reason=reason, outcome=outcome)
                return
        old = _state_of(attempt_id)
        if only_from is not None and old is not only_from:
            raise IllegalTransition(f"The attempt is {old.value} by now, not {only_from.value}.")
    raise IllegalTransition("The attempt kept changing under this step.")


def end_attempt(
    attempt_id: UUID,
    *,
    outcome: Outcome,
    reason: str,
    now: datetime,
    hangup_cause: str = "",
    disposition: str = "",
    only_from: AttemptState | None = None,
    retry_at: datetime | None = None,
) -> bool:
    """End an attempt and move its contact on; True if this call did it.

    An attempt that ended before is left alone, except that the conversation of a late connect still decides what the
    contact comes to. `retry_at` is when a released contact may be tried again; None backs off.

    Raises:
        IllegalTransition: `only_from` was given and the attempt has moved on.
    """
    outcome = outcome_of(outcome, disposition)
    with transaction.atomic():
        attempt = CallAttempt.objects.select_for_update(of=("self",)).get(pk=attempt_id)
        has_talked = attempt.answered_at is not None
        callback_at = Call.objects.filter(attempt=attempt).values_list("callback_at", flat=True).first()
        end = AttemptEnd(
            outcome, now, reason, disposition, has_talked, retry_at, callback_at, claimed_at=attempt.claimed_at
        )
        if attempt.state == AttemptState.ENDED:
            if only_from is not None:
                raise IllegalTransition("The attempt has ended by now.")
            is_late_call = has_talked and attempt.reason == LATE_CONNECT
            if is_late_call:
                _correct(attempt, end)
                settle_contact(attempt, end, is_late=True)
            _apply_disposition(attempt, end)
            return is_late_call
        advance(
            attempt_id,
            AttemptState.ENDED,
            now=now,
            reason=reason,
            outcome=outcome,
            hangup_cause=hangup_cause,
            only_from=only_from,
            seen=AttemptState(attempt.state),
        )
        settle_contact(attempt, end)
        _apply_disposition(attempt, end)
    return True


def connect(*, token: str, switch_call_id: str, now: datetime) -> CallAttempt:
    """Let the socket that brings a valid token become the attempt's call, once.

    A socket may come before the POST's answer is read, or after the deadline had ended the attempt as unconfirmed or
    unanswered; both are the call. An attempt that the database has lost is made anew. `switch_call_id` is what the
    switch calls it.

    Raises:
        CallRefused: 403 not a token of ours, 409 already used or another call, 410 expired or over.
    """
    try:
        claims = call_tokens.verify(token, keys=token_keys(), now=now)
    except BadCallToken as error:
        raise CallRefused(410 if error.code == "expired" else 403, f"token_{error.code}") from None
    if not 0 < len(switch_call_id) <= SWITCH_CALL_ID_MAX_CHARS:
        raise CallRefused(403, "bad_call_id", "The call_id is missing or too long.")
    try:
        with transaction.atomic():
            attempt = CallAttempt.objects.select_for_update(of=("self",)).filter(pk=claims.attempt_id).first()
            if attempt is None:
                return _recover(claims, token, switch_call_id, now)
            _refuse_unless_connectable(attempt, token, switch_call_id)
            return (
                _connect_late(attempt, claims, switch_call_id, now)
                if attempt.ended_at
                else _connect(attempt, switch_call_id, now)
            )
    except IntegrityError:
        raise CallRefused(409, "call_id_taken", "That call_id belongs to another attempt.") from None


def reap(*, now: datetime, limit: int = REAP_BATCH) -> int:
    """Move on every attempt whose deadline has passed, oldest first; returns how many. Two reapers do no harm."""
    overdue = CallAttempt.objects.exclude(state=AttemptState.ENDED).filter(deadline_at__lte=now)
    rows = list(overdue.order_by("deadline_at").values_list("id", "state", "campaign__ring_timeout_s")[:limit])
    return sum(_reap_one(attempt_id, AttemptState(state), ring_s, now) for attempt_id, state, ring_s in rows)


def unknown_deadline(now: datetime, ring_timeout_s: float | None) -> datetime:
    """Until when a socket may prove a call whose POST has no clear answer."""
    return placed_deadline(now, ring_timeout_s) + timedelta(seconds=settings.DIAL_TOTAL_TIMEOUT_S)


def placed_deadline(now: datetime, ring_timeout_s: float | None) -> datetime:
    """Until when a placed call may be answered. `ring_timeout_s` is the campaign's own; None takes RING_TIMEOUT_S."""
    ring_s = settings.RING_TIMEOUT_S if ring_timeout_s is None else ring_timeout_s
    return now + timedelta(seconds=ring_s + settings.RING_GRACE_S)


def token_keys() -> tuple[call_tokens.TokenKey, ...]:
    """The keys call tokens are signed with."""
    return call_tokens.parse_keys(settings.CALL_TOKEN_KEYS, secret_key=settings.SECRET_KEY)


def _reap_one(attempt_id: UUID, state: AttemptState, ring_timeout_s: float | None, now: datetime) -> bool:
    missed = MISSED_DEADLINES[state]
    try:
        if missed.outcome is None:
            deadline_at = unknown_deadline(now, ring_timeout_s)
            advance(attempt_id, missed.to, now=now, reason=missed.reason, deadline_at=deadline_at, only_from=state)
        else:
            end_attempt(attempt_id, outcome=missed.outcome, reason=missed.reason, now=now, only_from=state)
    except IllegalTransition:
        return False
    return True


def _refuse_unless_connectable(attempt: CallAttempt, token: str, switch_call_id: str) -> None:
    if attempt.token_digest != call_tokens.digest(token):
        raise CallRefused(403, "token_foreign", "The token is not the attempt's.")
    if attempt.token_used_at is not None:
        is_live = attempt.ended_at is None
        raise CallRefused(409 if is_live else 410, "token_used", "The token has been used.")
    if attempt.switch_call_id not in (None, switch_call_id):
        # Somebody has our token who should not, or the switch mixes up its calls.
        log.warning("call_id_differs", extra={"attempt_id": str(attempt.pk)})
        raise CallRefused(409, "call_id_differs", "The switch placed this attempt under another call_id.")
    is_correctable = attempt.state == AttemptState.ENDED and attempt.outcome in CORRECTABLE_OUTCOMES
    if attempt.state not in CONNECTABLE_STATES and not is_correctable:
        raise CallRefused(410, "attempt_over", "The attempt is over.")


def _recover(claims: call_tokens.CallTokenClaims, token: str, switch_call_id: str, now: datetime) -> CallAttempt:
    attempt = recover_attempt(claims, token_digest=call_tokens.digest(token), switch_call_id=switch_call_id, now=now)
    if attempt is None:
        raise CallRefused(410, "attempt_unknown", "There is no such attempt.")
    return attempt


def _connect(attempt: CallAttempt, switch_call_id: str, now: datetime) -> CallAttempt:
    advance(
        attempt.pk,
        AttemptState.IN_CALL,
        now=now,
        reason="socket",
        deadline_at=now + timedelta(seconds=settings.MAX_CALL_S + settings.CALL_LOST_S),
        seen=AttemptState(attempt.state),
        switch_call_id=switch_call_id,
        token_used_at=now,
        answered_at=now,
    )
    return CallAttempt.objects.get(pk=attempt.pk)


def _connect_late(
    attempt: CallAttempt, claims: call_tokens.CallTokenClaims, switch_call_id: str, now: datetime
) -> CallAttempt:
    """The call came after its deadline: the guess is corrected, and a redial not yet under way is called off."""
    attempt.switch_call_id = switch_call_id
    # An attempt that was written again does not know whom it rang first.
    attempt.extension = attempt.extension or claims.extension
    attempt.token_used_at = attempt.answered_at = now
    attempt.reason = LATE_CONNECT
    end = AttemptEnd(Outcome.ANSWERED, now, LATE_CONNECT, has_talked=True)
    redial = CallAttempt.objects.filter(contact_id=attempt.contact_id, state=AttemptState.CLAIMED).first()
    if redial is not None:
        try:
            advance(
                redial.pk,
                AttemptState.ENDED,
                now=now,
                reason=LATE_CONNECT,
                outcome=Outcome.CANCELED,
                only_from=AttemptState.CLAIMED,
            )
        except IllegalTransition:
            # Its marker is written: that call goes out, and its own end settles the contact.
            log.info("redial_under_way_at_late_connect", extra={"attempt_id": str(attempt.pk)})
    _correct(attempt, end)
    hold_contact(attempt.contact_id, now=now)
    return attempt


def _correct(attempt: CallAttempt, end: AttemptEnd) -> None:
    attempt.outcome = end.outcome
    attempt.save(update_fields=["outcome", "reason", "extension", "switch_call_id", "token_used_at", "answered_at"])
    _log(attempt.pk, AttemptState.ENDED, AttemptState.ENDED, now=end.at, reason=end.reason, outcome=end.outcome)


def _apply_disposition(attempt: CallAttempt, end: AttemptEnd) -> None:
    call = Call.objects.filter(attempt=attempt).first()
    if end.disposition == DO_NOT_CALL and not SuppressedNumber.objects.filter(call=call, call__isnull=False).exists():
        suppress(
            attempt.phone_number, reason="Asked for during a call", source=SuppressionSource.CALL, now=end.at, call=call
        )


def _state_of(attempt_id: UUID) -> AttemptState:
    return AttemptState(CallAttempt.objects.values_list("state", flat=True).get(pk=attempt_id))


def _log(
    attempt_id: UUID, old: AttemptState, to: AttemptState, *, now: datetime, reason: str, outcome: Outcome | None
) -> None:
    details = {"outcome": outcome.value} if outcome is not None else {}
    AttemptLog.objects.create(
        attempt_id=attempt_id, at=now, from_state=old, to_state=to, reason=reason, details=details
    )
