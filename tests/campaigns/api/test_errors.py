"""One shape of refusal, whatever went wrong."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404
from rest_framework import exceptions

from campaigns.api.errors import exception_handler, problem_of
from campaigns.errors import (
    CampaignNotReady,
    IdempotencyConflict,
    IllegalTransition,
    ImportRefused,
    RecordInUse,
    WebhookRefused,
)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (IllegalTransition("no"), 409, "bad_transition"),
        (RecordInUse("no"), 409, "in_use"),
        (CampaignNotReady("no"), 422, "campaign_not_ready"),
        (ImportRefused("empty_file", "no"), 422, "empty_file"),
        (ImportRefused("file_too_large", "no"), 413, "file_too_large"),
        (ImportRefused("not_csv", "no"), 415, "not_csv"),
        (WebhookRefused("endpoint_disabled", "no"), 409, "endpoint_disabled"),
        (IdempotencyConflict("idempotency_mismatch", "no"), 422, "idempotency_mismatch"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "forbidden"),
        (RequestDataTooBig(), 413, "too_large"),
        (IntegrityError("duplicate key value"), 409, "conflict"),
        (DataError("out of range"), 422, "invalid"),
        (OperationalError("could not connect to 10.0.0.1"), 503, "unavailable"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (exceptions.ParseError(), 400, "bad_request"),
    ],
)
def test_every_error_has_its_status_and_code(error, status, code):
    problem = problem_of(error)
    assert problem is not None
    assert (problem.status, problem.code) == (status, code)


@pytest.mark.parametrize("error", [IntegrityError("duplicate key value 0912345678"), OperationalError("host 10.0.0.1")])
def test_no_word_of_the_database_gets_out(error):
    response = exception_handler(error, {})
    assert not any(word in str(response.data) for word in ("0912345678", "10.0.0.1", "duplicate"))


def test_an_error_nobody_foresaw_is_logged_and_says_nothing(caplog):
    response = exception_handler(ZeroDivisionError("secret"), {})
    assert (response.status_code, response.data["code"], "secret" in str(response.data)) == (
        500,
        "internal_error",
        False,
    )
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("detail", "code", "errors"),
    [
        ({"name": ["Too long."]}, "invalid", {"name": ["Too long."]}),
        ({"a": {"b": ["No."]}}, "invalid", {"a.b": ["No."]}),
        ({"a": {"non_field_errors": ["No."]}}, "invalid", {"a": ["No."]}),
        ({"events": {0: ["No."], 2: ["Neither."]}}, "invalid", {"events.0": ["No."], "events.2": ["Neither."]}),
        (["No."], "invalid", {"non_field_errors": ["No."]}),
        ({"a": [exceptions.ErrorDetail("No.", "x")]}, "x", {"a": ["No."]}),
        (
            {"a": [exceptions.ErrorDetail("No.", "x")], "b": [exceptions.ErrorDetail("No.", "y")]},
            "invalid",
            {"a": ["No."], "b": ["No."]},
        ),
    ],
)
def test_fields_at_fault_are_named_by_path(detail, code, errors):
    problem = problem_of(exceptions.ValidationError(detail))
    assert problem is not None
    assert (problem.status, problem.code, problem.errors) == (422, code, errors)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/api/v1/nothing/", "There is no such path."),
        ("/api/v1/agents", "There is no such path. Paths end in a slash."),
        ("/api/v1/agents/x/", "There is no such path."),
        ("/api/v2/agents/", "There is no such path."),
    ],
)
def test_a_path_that_leads_nowhere_is_answered_in_the_same_shape(manager, path, hint):
    answer = manager.get(path)
    assert (answer.status_code, answer.json()) == (404, {"code": "not_found", "detail": hint, "errors": {}})


@pytest.mark.parametrize("row", ["agents/1/", f"agents/{10**17}/", "calls/00000000-0000-4000-8000-000000000000/"])
def test_a_row_that_is_not_there_is_answered_in_the_same_shape(manager, row):
    answer = manager.get(f"/api/v1/{row}")
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"]) == (404, "not_found", {})


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "DELETE", "PATCH"])
def test_a_method_a_route_does_not_have_is_answered_in_the_same_shape(manager, method):
    answer = manager.generic(method, "/api/v1/agents/")
    assert (answer.status_code, answer.json()["code"], answer["Allow"]) == (
        405,
        "method_not_allowed",
        "GET, HEAD, POST",
    )
