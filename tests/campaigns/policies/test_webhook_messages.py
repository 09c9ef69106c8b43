"""What is sent: bytes that are signed as they are, verified by the standard's own library."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from campaigns.policies import webhook_messages
from campaigns.policies.webhook_messages import message_body, message_id, new_secret, signed_headers

NOW = datetime(2026, 11, 20, 8, 30, 0, 700_000, tzinfo=UTC)
EVENT_ID = UUID("0a1b2c3d-0000-4000-8000-00000000000f")


def body_of(data):
    return message_body(type="call.ended", subject="s-1", occurred_at=NOW, data=data)


def test_a_body_is_type_timestamp_and_data():
    assert json.loads(body_of({"b": "chào", "a": 1})) == {
        "type": "call.ended",
        "timestamp": NOW.isoformat(),
        "data": {"a": 1, "b": "chào"},
    }


def test_equal_data_gives_equal_bytes():
    assert body_of({"b": 1, "a": 2}) == body_of({"a": 2, "b": 1})


def test_too_much_data_is_left_out_and_said_so():
    body = body_of({"url": "/api/v1/calls/7/", "text": "x" * webhook_messages.MAX_BODY_BYTES})

    assert len(body) <= webhook_messages.MAX_BODY_BYTES
    assert json.loads(body)["data"] == {"subject": "s-1", "is_truncated": True, "url": "/api/v1/calls/7/"}


def test_a_secret_is_32_random_bytes():
    first, second = new_secret(), new_secret()

    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32


def test_the_standards_library_verifies_each_secret_in_use():
    old, new, other = new_secret(), new_secret(), new_secret()
    body = body_of({"a": "ü"})

    headers = signed_headers(message=message_id(EVENT_ID), body=body, secrets_in_use=[new, old], now=NOW)

    with time_machine.travel(NOW, tick=False):
        assert Webhook(new).verify(body, headers) == json.loads(body)
        assert Webhook(old).verify(body, headers) == json.loads(body)
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(body + b" ", headers)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False), pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body, headers)


def test_headers_name_the_message_and_a_replay():
    headers = signed_headers(
        message=message_id(EVENT_ID), body=b"{}", secrets_in_use=[new_secret()], now=NOW, is_replay=True
    )

    assert headers["webhook-id"] == f"evt_{EVENT_ID.hex}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["webhook-replay"] == "1"
