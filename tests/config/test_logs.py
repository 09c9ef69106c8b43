"""What a log line holds, and what it never does."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from django.test import RequestFactory

from config.logs import redact


def written(record: logging.LogRecord) -> dict[str, object]:
    """The line the configured handler writes."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    formatter = next(f for f in formatters if isinstance(f, structlog.stdlib.ProcessorFormatter))
    return json.loads(formatter.format(record))


def test_a_line_about_a_request_holds_no_query():
    request = RequestFactory().get("/api/v1/customers/?phone_number=0912345678&token=secret")
    record = logging.makeLogRecord(
        {"name": "django.request", "levelname": "WARNING", "msg": "Not Found: %s", "args": (request.path,)}
    )
    record.request = request
    record.status_code = 404
    line = written(record)
    assert (line["event"], line["status_code"]) == ("Not Found: /api/v1/customers/", 404)
    assert not any(secret in json.dumps(line) for secret in ("0912345678", "secret"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /psr/abc.def?call_id=1", "GET /psr/[redacted]?call_id=1"),
        ("Not Found: /ucid/callback/tls_abc?cid=1", "Not Found: /ucid/callback/[redacted]?cid=1"),
        ("/twilio/tls_abc", "/twilio/[redacted]"),
        ("/live-call/websocket/c-1/+84901234567?x=1", "/live-call/websocket/[redacted]?x=1"),
        ("/ws?token=abc&x=1", "/ws?token=[redacted]&x=1"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer [redacted]"),
        ("nothing here", "nothing here"),
    ],
)
def test_tokens_and_keys_are_redacted(text, shown):
    assert redact(text) == shown


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "lines"), [("/health/ready", 0), ("/nothing/here/", 1)])
def test_what_a_probe_is_told_is_not_logged_as_well(client, caplog, path, lines):
    assert client.get(path).status_code in (404, 503)
    assert len([record for record in caplog.records if record.name == "django.request"]) == lines
