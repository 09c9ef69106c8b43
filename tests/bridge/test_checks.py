"""The settings of the bridge are judged at start."""

from __future__ import annotations

import pytest

from bridge.checks import check_bridge_settings


@pytest.mark.parametrize("value", ["default", "fir", "soxr_hq", "soxr_lq"])
def test_known_resamplers_pass(settings, value):
    settings.RESAMPLER = value
    assert check_bridge_settings() == []


def test_unknown_resampler_is_named_with_what_to_do(settings):
    settings.RESAMPLER = "linear"
    (message,) = check_bridge_settings()
    assert (message.id, message.hint) == ("bridge.E001", "Set RESAMPLER in .env to one of them, or remove the line.")
    assert "'linear'" in message.msg
