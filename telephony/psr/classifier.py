"""What an observation of PSR proves about the call: placed, refused, never sent, or unknown.

The rule behind the tables: only what proves that no call can come of the request may lead to another try. Whatever
could have reached PSR, and was not clearly refused, is unknown.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import assert_never

from telephony.psr.answers import AnswerKind, PsrAnswer

# Source: vendor-docs/psr-3-create-stream, "Response".
OK_CODE = "OK"


class DialVerdict(StrEnum):
    """What became of one request."""

    PLACED = "placed"
    REFUSED = "refused"
    """PSR read the request and said no: there is no call, and the same request would be refused again."""
    NOT_SENT = "not_sent"
    """There is no call, and the request itself was not at fault: the contact may be tried again."""
    UNKNOWN = "unknown"
    """There may be a call: never tried again at once."""


class TrunkAction(StrEnum):
    """What the trunk should do before its next call."""

    NONE = "none"
    HOLD = "hold"
    """Stop dialing until somebody looks: the credentials or the address are wrong."""
    THROTTLE = "throttle"
    """Slow down, for `retry_after_s` at least where it is given."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The meaning of one observation. `reason` is short and stable, fit for counting and showing."""

    dial: DialVerdict
    reason: str
    trunk_action: TrunkAction = TrunkAction.NONE
    retry_after_s: float | None = None


_REFUSED_STATUSES = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_AUTH_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def classify(
    observation: PsrAnswer, *, is_503_safe: bool = False, refused_codes: AbstractSet[str] = frozenset()
) -> Verdict:
    """The verdict on one observation; never raises.

    Args:
        is_503_safe: PSR's operator has confirmed that a 503 is sent before a call is placed.
        refused_codes: the `code` values of a 2xx answer that mean PSR placed no call.
    """
    match observation.kind:
        case AnswerKind.NOT_CONNECTED:
            return Verdict(DialVerdict.NOT_SENT, "not_connected")
        case AnswerKind.INTERRUPTED:
            return Verdict(DialVerdict.UNKNOWN, "interrupted")
        case AnswerKind.ANSWERED | AnswerKind.UNREADABLE:
            return _classify_response(observation, is_503_safe, refused_codes)
        case _:
            assert_never(observation.kind)


def _classify_response(observation: PsrAnswer, is_503_safe: bool, refused_codes: AbstractSet[str]) -> Verdict:
    status = observation.status_code
    if status is None:
        return Verdict(DialVerdict.UNKNOWN, "no_status")
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _classify_success(observation, refused_codes)
    reason = f"http_{status}"
    if status in _REFUSED_STATUSES:
        return Verdict(DialVerdict.REFUSED, reason)
    if status in _AUTH_STATUSES or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Verdict(DialVerdict.NOT_SENT, reason, TrunkAction.HOLD)
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and is_503_safe):
        return Verdict(DialVerdict.NOT_SENT, reason, TrunkAction.THROTTLE, observation.retry_after_s)
    return Verdict(DialVerdict.UNKNOWN, reason)


def _classify_success(observation: PsrAnswer, refused_codes: AbstractSet[str]) -> Verdict:
    if observation.kind is AnswerKind.UNREADABLE:
        return Verdict(DialVerdict.UNKNOWN, "unreadable_answer")
    if observation.code == OK_CODE:
        if observation.call_id:
            return Verdict(DialVerdict.PLACED, "placed")
        return Verdict(DialVerdict.UNKNOWN, "no_call_id")
    if observation.code and observation.code in refused_codes:
        return Verdict(DialVerdict.REFUSED, "refused_code")
    return Verdict(DialVerdict.UNKNOWN, "unlisted_code")
