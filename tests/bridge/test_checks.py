"""The settings of the bridge are judged at start."""

from __future__ import annotations

import pytest

from bridge.checks import check_bridge_settings, check_livecall_settings


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
