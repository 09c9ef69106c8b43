"""The settings of the bridge are judged at start."""

from __future__ import annotations

import pytest

from bridge.checks import check_bridge_settings, check_livecall_settings, check_openai_settings


@pytest.mark.parametrize("value", ["default", "fir", "soxr_hq", "soxr_lq"])
def test_known_resamplers_pass(settings, value):
    settings.RESAMPLER = value
    assert check_bridge_settings() == []


def test_unknown_resampler_is_named_with_what_to_do(settings):
    settings.RESAMPLER = "linear"
    (message,) = check_bridge_settings()
    assert (message.id, message.hint) == ("bridge.E001", "Set RESAMPLER in .env to one of them, or remove the line.")
    assert "'linear'" in message.msg


def test_livecall_settings_may_be_empty_or_right(settings, tmp_path):
    assert check_livecall_settings() == []
    settings.LIVECALL_GRPC_TARGET, settings.LIVECALL_GRPC_CA_FILE = "ai.example.com:50051", str(tmp_path / "ca.pem")
    (tmp_path / "ca.pem").touch()
    assert check_livecall_settings() == []


def test_livecall_settings_that_cannot_work_are_named(settings, tmp_path):
    settings.LIVECALL_GRPC_TARGET, settings.LIVECALL_GRPC_CA_FILE = "https://ai.example.com", str(tmp_path / "none.pem")
    assert [message.id for message in check_livecall_settings()] == ["bridge.E002", "bridge.E003"]


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("wss://api.openai.com/v1/realtime", "Authorization"),
        ("wss://x.openai.azure.com/openai/v1/realtime", "api-key"),
        ("ws://127.0.0.1:9000/v1/realtime", "Authorization"),
    ],
)
def test_openai_settings_that_keep_the_key_pass(settings, url, header):
    settings.OPENAI_REALTIME_URL, settings.OPENAI_AUTH_HEADER = url, header
    assert check_openai_settings() == []


@pytest.mark.parametrize("url", ["ws://api.openai.com/v1", "https://api.openai.com/v1", "wss://", "wss://a:b@c/v1", ""])
def test_an_address_that_would_give_the_key_away_is_refused(settings, url):
    settings.OPENAI_REALTIME_URL = url
    assert [message.id for message in check_openai_settings()] == ["bridge.E004"]


def test_a_header_that_is_none_for_a_key_is_refused(settings):
    settings.OPENAI_AUTH_HEADER = "X-Key"
    assert [message.id for message in check_openai_settings()] == ["bridge.E005"]
