"""At most one effect per `Idempotency-Key`.

A key is reserved in a transaction of its own; then the request runs in one transaction together with the writing of
its answer. So an answer stands in the table exactly when its effect does: a crash in between leaves an empty
reservation and no effect, and the reservation may be taken over once the first request must be dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from campaigns.errors import IdempotencyConflict
from campaigns.models import ApiToken, IdempotencyRecord

KEPT = timedelta(hours=72)
# No request runs longer: the database ends a statement after 30 s and the server a connection soon after.
IN_FLIGHT_MAX = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to run one request under a key. `reserved_at` tells it from a later take-over."""

    record_id: int
    reserved_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request with this key was answered."""

    status_code: int
    body: Any


def reserve(*, token: ApiToken, key: str, request_digest: str, now: datetime) -> Reservation | StoredAnswer:
    """The right to run the request, or the answer it was given before.

    Raises:
        IdempotencyConflict: the key was used for another request, or the first one is still running.
    """
    IdempotencyRecord.objects.filter(token=token, created_at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            record = IdempotencyRecord.objects.create(token=token, key=key, request_digest=request_digest)
    except IntegrityError:
        return _earlier(token=token, key=key, request_digest=request_digest, now=now)
    IdempotencyRecord.objects.filter(pk=record.pk).update(created_at=now)
    return Reservation(record.pk, now)


def _earlier(*, token: ApiToken, key: str, request_digest: str, now: datetime) -> Reservation | StoredAnswer:
    record = IdempotencyRecord.objects.filter(token=token, key=key).first()
    if record is None:  # released between our two statements
        raise IdempotencyConflict("idempotency_in_flight", "A request with this key has just failed. Send it again.")
    if record.request_digest != request_digest:
        raise IdempotencyConflict(
            "idempotency_mismatch",
            "This Idempotency-Key was used for another request. Use a new one.",
        )
    if record.status_code is not None:
        return StoredAnswer(record.status_code, record.body)
    is_taken_over = (
        record.created_at <= now - IN_FLIGHT_MAX
        and IdempotencyRecord.objects.filter(pk=record.pk, status_code=None, created_at=record.created_at).update(
            created_at=now
        )
        == 1
    )
    if is_taken_over:
        return Reservation(record.pk, now)
    raise IdempotencyConflict("idempotency_in_flight", "The first request with this key is still running.")


def store(reservation: Reservation, *, status_code: int, body: Any) -> None:
    """Keep the answer; to be called inside the transaction that makes the effect.

    Raises:
        IdempotencyConflict: another request took the reservation over; the caller's transaction must not commit.
    """
    is_ours = IdempotencyRecord.objects.filter(
        pk=reservation.record_id, status_code=None, created_at=reservation.reserved_at
    ).update(status_code=status_code, body=body)
    if is_ours != 1:
        raise IdempotencyConflict("idempotency_in_flight", "This request took too long and was run anew by another.")


def release(reservation: Reservation) -> None:
    """Free the key of a request that was refused and changed nothing."""
    IdempotencyRecord.objects.filter(
        pk=reservation.record_id, status_code=None, created_at=reservation.reserved_at
    ).delete()
