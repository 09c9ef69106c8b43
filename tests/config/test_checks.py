"""Settings that cannot work are refused at start, with what to do and without their values."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

from config.checks import check_hosts, check_public_ws_url, check_secret_key


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        ("", ["config.E001"]),
        ("a-few-letters", ["config.E001"]),
        ("change-me-" + "x" * 40, ["config.E001"]),
        ("q" * 32, []),
    ],
)
def test_secret_key_must_be_long_and_ours(settings, key, ids):
    settings.SECRET_KEY = key
    messages = check_secret_key()
    assert [message.id for message in messages] == ids
    assert all(message.hint and (not key or key not in str(message)) for message in messages)


@pytest.mark.parametrize(
    ("url", "ids"),
    [
        ("ws://127.0.0.1:8000", []),
        ("wss://voice.example.com", []),
        ("ws://voice.example.com", ["config.W001"]),
        ("https://voice.example.com", ["config.E002"]),
        ("wss://", ["config.E002"]),
        ("wss://voice.example.com?x=1", ["config.E002"]),
        ("wss://user:pa55@voice.example.com", ["config.E002"]),
    ],
)
def test_public_address_must_be_a_plain_socket_address(settings, url, ids):
    settings.PUBLIC_WS_URL = url
    messages = check_public_ws_url()
    assert [message.id for message in messages] == ids
    assert not any("pa55" in str(message) for message in messages)


@pytest.mark.parametrize(("is_debug", "ids"), [(False, ["config.E003"]), (True, [])])
def test_any_host_is_allowed_in_debug_only(settings, is_debug, ids):
    settings.DEBUG, settings.ALLOWED_HOSTS = is_debug, ["*"]
    assert [message.id for message in check_hosts()] == ids


def test_no_check_needs_the_database():
    # They run before the first migration. This test has no database, and asking for one fails.
    assert run_checks() == []
