"""Every refusal in one shape: `{"code", "detail", "errors": {field: [text]}}`.

`code` is stable and for programs, `detail` is for people and says what to do, `errors` is filled when fields are at
fault. A code that all the fields share (`unknown_field`, `bad_phone`) is the answer's code; else it is `invalid`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from rest_framework import exceptions
from rest_framework.response import Response

from campaigns.errors import (
    CampaignNotReady,
    CampaignsError,
    IdempotencyConflict,
    IllegalTransition,
    ImportRefused,
    RecordInUse,
    WebhookRefused,
)

logger = structlog.get_logger(__name__)

GENERAL = "non_field_errors"
RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal before it is an HTTP response."""

    status: int
    code: str
    detail: str
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {"code": self.code, "detail": self.detail, "errors": dict(self.errors)}


# How our own errors are answered; the first class that matches wins.
CAMPAIGNS_ERRORS: tuple[tuple[type[CampaignsError], int], ...] = (
    (IllegalTransition, 409),
    (RecordInUse, 409),
    (CampaignNotReady, 422),
    (ImportRefused, 422),
    (CampaignsError, 422),
)
IMPORT_STATUS: Mapping[str, int] = {"file_too_large": 413, "not_csv": 415, "import_running": 409}
WEBHOOK_STATUS: Mapping[str, int] = {"endpoint_disabled": 409, "delivery_under_way": 409}
IDEMPOTENCY_STATUS: Mapping[str, int] = {"idempotency_mismatch": 422, "idempotency_in_flight": 409}

STATUS_BY_CODE: tuple[tuple[type[CampaignsError], Mapping[str, int]], ...] = (
    (ImportRefused, IMPORT_STATUS),
    (WebhookRefused, WEBHOOK_STATUS),
    (IdempotencyConflict, IDEMPOTENCY_STATUS),
)

# How errors of Django and the database are answered, without a word of theirs.
FOREIGN_ERRORS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Problem], ...] = (
    (Http404, Problem(404, "not_found", "There is nothing here.")),
    (DjangoPermissionDenied, Problem(403, "forbidden", "This is not allowed.")),
    (RequestDataTooBig, Problem(413, "too_large", "The body is too large.")),
    (UnreadablePostError, Problem(400, "bad_request", "The body could not be read to its end.")),
    (SuspiciousOperation, Problem(400, "bad_request", "The request makes no sense.")),
    (
        (ProtectedError, RestrictedError),
        Problem(409, "in_use", "Others depend on this; it cannot be deleted."),
    ),
    (IntegrityError, Problem(409, "conflict", "Another request was faster. Read the current state and try again.")),
    (DataError, Problem(422, "invalid", "A value does not fit into the database.")),
    (
        OperationalError,
        Problem(
            503,
            "unavailable",
            "The database did not answer in time. Nothing was changed; try again.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        ),
    ),
)
RENAMED_CODES: Mapping[str, str] = {"permission_denied": "forbidden", "parse_error": "bad_request"}


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """The response to any exception a view let out; one that nobody foresaw is logged and answered 500."""
    problem = problem_of(exc)
    if problem is None:
        view = context.get("view")
        logger.error("api_request_failed", view=type(view).__name__, exc_info=exc)
        problem = Problem(500, "internal_error", "This is our fault. It was logged; trying again may help.")
    headers = dict(problem.headers)
    if isinstance(exc, exceptions.APIException):
        if challenge := getattr(exc, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait := getattr(exc, "wait", None):
            headers["Retry-After"] = str(int(wait))
    return Response(problem.body, status=problem.status, headers=headers)


def problem_of(exc: Exception) -> Problem | None:
    """How an exception is answered; None: nobody foresaw it."""
    if isinstance(exc, exceptions.ValidationError):
        return _of_validation(exc)
    if isinstance(exc, exceptions.APIException):
        code = exc.get_codes()
        code = code if isinstance(code, str) else exc.default_code
        return Problem(exc.status_code, RENAMED_CODES.get(code, code), str(exc.detail))
    if isinstance(exc, CampaignsError):
        return Problem(_status_of(exc), exc.code, exc.detail, exc.errors)
    return next((problem for kinds, problem in FOREIGN_ERRORS if isinstance(exc, kinds)), None)


def _status_of(error: CampaignsError) -> int:
    status = next(status for kind, status in CAMPAIGNS_ERRORS if isinstance(error, kind))
    by_code = next((codes for kind, codes in STATUS_BY_CODE if isinstance(error, kind)), {})
    return by_code.get(error.code, status)


def _of_validation(exc: exceptions.ValidationError) -> Problem:
    errors: dict[str, list[str]] = {}
    codes: set[str] = set()
    for path, detail in _leaves(exc.detail, ""):
        errors.setdefault(path or GENERAL, []).append(str(detail))
        codes.add(getattr(detail, "code", None) or "invalid")
    code = codes.pop() if len(codes) == 1 else "invalid"
    names = ", ".join(sorted(name for name in errors if name != GENERAL))
    # A body that is no object at all has nothing but general errors; they are the detail then.
    detail = f"Correct these fields: {names}." if names else " ".join(errors.get(GENERAL, []))
    return Problem(422, code, detail, errors)


def _leaves(detail: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            is_general = key == GENERAL and path
            yield from _leaves(value, path if is_general else f"{path}.{key}".lstrip("."))
    elif isinstance(detail, (list, tuple)):
        for value in detail:
            yield from _leaves(value, path)
    else:
        yield path, detail


def not_found(request: HttpRequest, **_: Any) -> JsonResponse:
    """The answer to an API path that leads nowhere."""
    hint = "" if request.path.endswith("/") else " Paths end in a slash."
    return JsonResponse(Problem(404, "not_found", f"There is no such path.{hint}").body, status=404)
