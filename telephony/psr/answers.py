"""What came back from a create-stream request, as a value: reading it never fails and shows nothing secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import orjson

from telephony.psr.payloads import is_call_id, recording_url

MAX_ANSWER_BYTES = 64 * 1024
MIN_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 600.0
_MAX_DETAIL_CHARS = 200
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*")
# Anything long enough to be a phone number, however it is spaced, or a token.
_DIGITS = re.compile(r"\+?\d(?:[ .()-]?\d){5,}")
_TOKEN = re.compile(r"(?=[^\s\d]*\d)[A-Za-z0-9_.=~+/-]{20,}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}|[0-9]{1,5}")
_HIDDEN = "•••"


class AnswerKind(StrEnum):
    """How far the exchange came."""

    NOT_CONNECTED = "not_connected"
    """No connection was made (refused, DNS, TLS, connect time-out): not one byte of the request left us."""
    INTERRUPTED = "interrupted"
    """The connection was made and then broke, or the deadline passed: PSR may have read the request."""
    UNREADABLE = "unreadable"
    """A whole response, whose body is not a JSON object of a sane size."""
    ANSWERED = "answered"
    """A whole response with a JSON object."""


@dataclass(frozen=True, slots=True)
class PsrAnswer:
    """One observation. Text from PSR is cut and cleaned of phone numbers, addresses and tokens.

    `call_id` is empty unless PSR gave a valid one; the recording URLs are built from it on the trunk's own address,
    whatever the answer says. `retry_after_s` is None where PSR named no time.
    """

    kind: AnswerKind
    call_id: str = ""
    recording_url: str = ""
    full_recording_url: str = ""
    status_code: int | None = None
    code: str = ""
    detail: str = ""
    retry_after_s: float | None = None


def read_answer(base_url: str, status_code: int, headers: Mapping[str, str], body: bytes) -> PsrAnswer:
    """The answer in one HTTP response. `headers` have lower-case names; `body` may be cut after the limit.

    Source: vendor-docs/psr-3-create-stream, "Response".
    """
    retry_after_s = read_retry_after(headers.get("retry-after"), headers.get("date"))
    if len(body) > MAX_ANSWER_BYTES:
        detail = f"the answer is longer than {MAX_ANSWER_BYTES} bytes"
        return PsrAnswer(AnswerKind.UNREADABLE, status_code=status_code, detail=detail, retry_after_s=retry_after_s)
    document = _json_object(body)
    if document is None:
        detail = "the answer is not a JSON object"
        return PsrAnswer(AnswerKind.UNREADABLE, status_code=status_code, detail=detail, retry_after_s=retry_after_s)
    data = document.get("data")
    call_id = data.get("call_id") if isinstance(data, dict) else None
    if not (isinstance(call_id, str) and is_call_id(call_id)):
        call_id = ""
    return PsrAnswer(
        kind=AnswerKind.ANSWERED,
        call_id=call_id,
        recording_url=recording_url(base_url, call_id) if call_id else "",
        full_recording_url=recording_url(base_url, call_id, full=True) if call_id else "",
        status_code=status_code,
        code=_code(document.get("code")),
        detail=_detail(document.get("message")),
        retry_after_s=retry_after_s,
    )


def read_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait by a `Retry-After` header, within sane bounds; None where it says nothing usable.

    A date is measured against the response's own `Date`, so that no clock is needed and skew does no harm.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # More digits than the bound has cannot be within it.
        seconds = float(value[:9])
    else:
        wanted_at, now_at = _http_date(value), _http_date(date)
        if wanted_at is None or now_at is None:
            return None
        seconds = (wanted_at - now_at).total_seconds()
    return min(max(seconds, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)


def clean_text(text: str, limit_chars: int) -> str:
    """`text` of a peer on one printable line, without addresses, phone numbers and tokens, cut to `limit_chars`."""
    # Cut first (with room for what the cleaning shortens): a peer's text may be as long as the whole answer.
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * limit_chars]).split())
    for secret in (_URL, _DIGITS, _TOKEN):
        line = secret.sub(_HIDDEN, line)
    return line[:limit_chars]


def _code(value: Any) -> str:
    """`value` as PSR wrote it, empty where it is no code (and might be anything, a phone number too)."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _detail(value: Any) -> str:
    return clean_text(value, _MAX_DETAIL_CHARS) if isinstance(value, str) else ""


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _http_date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return moment if moment.tzinfo is not None else None
