"""Deadlines that contradict each other are refused at start."""

from __future__ import annotations

import pytest

from campaigns.checks import check_crash_point, check_inequalities, check_published_tokens
from campaigns.policies import stream_keys


def test_the_defaults_agree_with_each_other():
    assert check_inequalities() == []


@pytest.mark.parametrize(
    ("name", "value", "ids"),
    [
        ("DISPATCH_LEASE_S", 19, ["campaigns.E001"]),
        ("DISPATCH_LEASE_S", 20, []),
        ("DIAL_CONNECT_TIMEOUT_S", 16, ["campaigns.E002"]),
        ("CALL_TOKEN_TTL_S", 89, ["campaigns.E003"]),
        ("CALL_HEARTBEAT_S", 16, ["campaigns.E004"]),
        ("UNCONFIRMED_REDIAL_MIN_S", 899, ["campaigns.E005"]),
    ],
)
def test_contradicting_deadlines_are_named(settings, name, value, ids):
    setattr(settings, name, value)
    messages = check_inequalities()
    assert [message.id for message in messages] == ids
    assert all(name in message.msg for message in messages)


@pytest.mark.parametrize(("is_debug", "ids"), [(False, ["campaigns.E010"]), (True, [])])
def test_crash_points_are_for_tests_only(settings, is_debug, ids):
    settings.DEBUG, settings.CRASH_POINT = is_debug, "marked:1:1"
    assert [message.id for message in check_crash_point()] == ids


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("printed somewhere", ["campaigns.E011"]),
        (["other", "printed somewhere"], ["campaigns.E011"]),
        ({"a": {"b": "printed somewhere"}}, ["campaigns.E011"]),
        ("a token of our own", []),
    ],
)
def test_a_published_token_is_refused_wherever_it_is_configured(settings, monkeypatch, value, ids):
    monkeypatch.setattr(stream_keys, "PUBLISHED_DIGESTS", frozenset({stream_keys.digest("printed somewhere")}))
    settings.ANY_TOKEN = value
    assert [message.id for message in check_published_tokens()] == ids


def test_no_published_token_is_configured():
    assert check_published_tokens() == []
