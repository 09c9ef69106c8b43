"""The configuration of a realtime agent, and the session it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.openai_realtime.config import (
    AudioFormat,
    RealtimeAccess,
    RealtimeConfigError,
    config_of,
    session_of,
)

LEAST: dict[str, Any] = {"instructions": "Ask whether they are content."}


def test_the_least_configuration_makes_a_whole_session():
    session = session_of(config_of(LEAST), "Ask.", [])
    assert session == {
        "type": "realtime",
        "instructions": "Ask.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "gpt-transcribe"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": 15_000,
                    "create_response": True,
                    "interrupt_response": False,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin", "speed": 1.0},
        },
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": 1_024,
        "truncation": "auto",
    }


def test_every_option_has_its_place_in_the_session():
    config = config_of(
        {
            **LEAST,
            "language": "vi",
            "voice": "voice_123",
            "speed": 1.2,
            "audio_format": "pcma",
            "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
            "transcription_model": "whisper-large",
            "transcription_prompt": "Names of cities.",
            "noise_reduction": None,
            "reasoning_effort": "low",
            "truncation": 0.8,
            "transfer_targets": [{"number": "101"}],
        }
    )
    session = session_of(config, "x", [])
    assert config.audio_format is AudioFormat.PCMA
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcma"},
        "noise_reduction": None,
        "transcription": {"model": "whisper-large", "language": "vi", "prompt": "Names of cities."},
        "turn_detection": {
            "type": "semantic_vad",
            "eagerness": "low",
            "create_response": True,
            "interrupt_response": False,
        },
    }
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcma"},
        "voice": {"id": "voice_123"},
        "speed": 1.2,
    }
    assert session["truncation"] == {"type": "retention_ratio", "retention_ratio": 0.8}
    assert session["reasoning"] == {"effort": "low"}


def test_features_can_be_turned_off():
    config = config_of(
        {**LEAST, "transcription_model": None, "turn_detection": {"idle_timeout_ms": None}, "tools": [], "greeting": ""}
    )
    session = session_of(config, "x", [])
    assert session["audio"]["input"]["transcription"] is None
    assert "idle_timeout_ms" not in session["audio"]["input"]["turn_detection"]
    assert (config.tools, config.greeting) == ((), "")


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"instructions": " "}, "instructions: must not be empty"),
        ({"instructions": 3}, "instructions: must be a text"),
        ({"instructions": "x" * 32_001}, "at most 32,000 characters"),
        ({"voise": "marin"}, "voise: there is no such option; there are: audio_format, dispositions"),
        ({"api_key": "sk-1"}, "api_key: secrets do not belong here; set OPENAI_API_KEY"),
        ({"voice": ""}, "voice: must not be empty"),
        ({"speed": 2}, "speed: must be a number from 0.25 to 1.5"),
        ({"speed": True}, "speed: must be a number"),
        ({"audio_format": "mp3"}, "audio_format: must be one of pcm24k, pcmu, pcma"),
        ({"turn_detection": "server_vad"}, "turn_detection: must be an object"),
        ({"turn_detection": {"type": "none"}}, "turn_detection.type: must be one of server_vad, semantic_vad"),
        ({"turn_detection": {"silence_duration_ms": 100}}, "turn_detection.silence_duration_ms: .* from 200 to 5000"),
        ({"turn_detection": {"type": "semantic_vad", "threshold": 0.1}}, "turn_detection.threshold: there is no such"),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "fast"}}, "eagerness: must be one of auto"),
        ({"noise_reduction": "loud"}, "noise_reduction: must be one of near_field, far_field"),
        ({"tools": ["fly"]}, "tools: there is no 'fly'"),
        ({"tools": "end_call"}, "tools: must be a list"),
        ({"dispositions": [""]}, "dispositions: must be a list of short texts"),
        ({"dispositions": [str(n) for n in range(51)]}, "no more than 50"),
        ({"max_output_tokens": 0}, "max_output_tokens: must be a whole number from 1 to 4096"),
        ({"truncation": 7}, "truncation: must be auto, disabled, or the share"),
        ({"truncation": "never"}, "truncation: must be one of auto, disabled"),
        ({"reasoning_effort": "huge"}, "reasoning_effort: must be one of"),
    ],
)
def test_faults_are_told_with_their_place(change, advice):
    with pytest.raises(RealtimeConfigError, match=advice):
        config_of({**LEAST, **change})


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.lists(st.text(max_size=3))


@given(st.sampled_from(sorted(config_of(LEAST).__slots__)), scalars | st.dictionaries(st.text(max_size=9), scalars))
def test_any_value_is_a_configuration_or_a_reason(name, value):
    try:
        session_of(config_of({**LEAST, name: value}), "x", [])
    except RealtimeConfigError as error:
        assert name in str(error)  # noqa: PT017  the place is what is tested


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("wss://api.openai.com/v1/realtime", "wss://api.openai.com/v1/realtime?model=m-1"),
        ("wss://x.openai.azure.com/openai/v1/realtime", "wss://x.openai.azure.com/openai/v1/realtime?model=m-1"),
        ("wss://h/p?tenant=7", "wss://h/p?tenant=7&model=m-1"),
        ("wss://h/p?api-version=1&deployment=d", "wss://h/p?api-version=1&deployment=d"),
        ("wss://h/p?model=fixed", "wss://h/p?model=fixed"),
    ],
)
def test_the_address_names_the_model_once(url, opened):
    assert RealtimeAccess(url=url).url_of("m-1") == opened


def test_the_key_goes_into_the_header_the_service_wants_and_nowhere_else():
    assert RealtimeAccess(api_key="k").headers() == {"Authorization": "Bearer k"}
    assert RealtimeAccess(api_key="k", auth_header="api-key").headers() == {"api-key": "k"}
    assert "secret-key" not in repr(RealtimeAccess(api_key="secret-key"))
