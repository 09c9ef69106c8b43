"""What an agent may be set up with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.agent_setup import (
    MAX_CONFIG_BYTES,
    MAX_PROMPT_S,
    PromptAudio,
    check_agent_config,
    check_opening_wav,
    check_prompt_wav,
    transfer_targets,
)
from telephony.protocols.events import TransferTarget
from telephony.protocols.wav import build_wav


@pytest.mark.parametrize("config", [{}, {"script": {"start": "greeting"}}, {"a": "x" * (MAX_CONFIG_BYTES - 10)}])
def test_an_object_of_sensible_size_is_a_configuration(config):
    check_agent_config(config)


@pytest.mark.parametrize("config", [None, [], "text", 3, {"a": "x" * MAX_CONFIG_BYTES}])
def test_anything_else_is_not(config):
    with pytest.raises(ValueError, match=r"JSON object|larger than 64 KiB"):
        check_agent_config(config)


@pytest.mark.parametrize(("rate_hz", "seconds"), [(8000, 1), (16_000, 0.5), (48_000, 1), (8000, MAX_PROMPT_S)])
def test_a_good_recording_is_described(rate_hz, seconds):
    wav = build_wav(b"\0\0" * int(rate_hz * seconds), rate_hz)
    assert check_prompt_wav(wav) == PromptAudio(rate_hz, seconds)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_recording_or_a_reason(data, has_header):
    try:
        audio = check_prompt_wav(build_wav(data, 8000)[:150] if has_header else data)
    except ValueError as error:
        assert str(error)  # noqa: PT017  the reason is what is tested
    else:
        assert audio.duration_s > 0


def test_a_recording_at_the_rate_of_the_line_can_be_an_opening():
    assert check_opening_wav(build_wav(bytes(16_000), 8000)) == PromptAudio(8000, 1)


@pytest.mark.parametrize("rate_hz", [8001, 16_000, 48_000])
def test_a_recording_at_another_rate_is_no_opening(rate_hz):
    wav = build_wav(bytes(320), rate_hz)
    check_prompt_wav(wav)
    with pytest.raises(ValueError, match=rf"The sample rate is {rate_hz:,} Hz; PSR plays 8,000 Hz"):
        check_opening_wav(wav)


@pytest.mark.parametrize(
    "targets",
    [
        "101",
        {"number": "101"},
        ["101"],
        [{}],
        [{"number": 101}],
        [{"number": ""}],
        [{"number": "1 01"}],
        [{"number": "+849123456789012345"}],
        [{"number": "101", "name": 5}],
        [{"number": "101", "name": "x" * 61}],
        [{"number": "101", "name": "a\nb"}],
        [{"number": "101", "price": 5}],
        [{"number": "101"}] * 21,
    ],
)
def test_transfer_targets_that_cannot_be_read_are_refused_and_lead_to_nobody(targets):
    with pytest.raises(ValueError, match="transfer_targets"):
        check_agent_config({"transfer_targets": targets})
    assert len(transfer_targets({"transfer_targets": targets})) in (0, 20)


@pytest.mark.parametrize("fallback", [101, ["101"], "", "sip:101", "1 0 1"])
def test_fallback_that_is_no_number_is_refused(fallback):
    with pytest.raises(ValueError, match="fallback_transfer"):
        check_agent_config({"fallback_transfer": fallback})


def test_transfer_targets_keep_their_order():
    config = {
        "transfer_targets": [{"number": "101", "name": "Lan"}, {"number": "+84901234567"}],
        "fallback_transfer": "101",
    }
    check_agent_config(config)
    assert transfer_targets(config) == (TransferTarget("101", "Lan"), TransferTarget("+84901234567"))
    assert transfer_targets({}) == ()
