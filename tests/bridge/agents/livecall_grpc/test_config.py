"""An agent's configuration is judged key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.agents.base import BargeIn
from bridge.agents.livecall_grpc.config import AudioEncoding, LiveCallConfig, LiveCallServer, check_target, read_config

SERVER = LiveCallServer("ai.internal:50051", is_tls=True, ca_file=Path("/ca.pem"))


def test_empty_configuration_is_the_operators_server_and_the_defaults():
    assert read_config({}, SERVER) == LiveCallConfig(SERVER)


def test_every_key_is_read():
    config = read_config(
        {
            "target": "[2001:db8::1]:443",
            "tls": False,
            "workspace_id": "ws_7",
            "protocol_version": 0,
            "audio_encoding": "base64_text",
            "input_rate_hz": 16_000,
            "output_rate_hz": 8_000,
            "speaks_first": False,
            "barge_in": "agent",
            "transfer_targets": [{"number": "101"}],
            "fallback_transfer": "101",
        },
        SERVER,
    )
    assert config == LiveCallConfig(
        LiveCallServer("[2001:db8::1]:443", is_tls=False, ca_file=Path("/ca.pem")),
        "ws_7",
        0,
        AudioEncoding.BASE64_TEXT,
        16_000,
        8_000,
        speaks_first=False,
        barge_in=BargeIn.AGENT,
    )
    assert not config.has_extensions


def test_a_missing_target_is_found_out_by_the_call():
    assert read_config({}, LiveCallServer()).server.target == ""


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"targte": "a:1"}, "targte"),
        ({"target": 5}, "target"),
        ({"target": "https://ai.example.com"}, "target"),
        ({"tls": "yes"}, "tls"),
        ({"workspace_id": None}, "workspace_id"),
        ({"workspace_id": "x" * 129}, "workspace_id"),
        ({"protocol_version": 2}, "protocol_version"),
        ({"protocol_version": True}, "protocol_version"),
        ({"audio_encoding": "hex"}, "audio_encoding"),
        ({"audio_encoding": 1}, "audio_encoding"),
        ({"input_rate_hz": 11_025}, "input_rate_hz"),
        ({"output_rate_hz": 24_000.0}, "output_rate_hz"),
        ({"speaks_first": 1}, "speaks_first"),
        ({"barge_in": "never"}, "barge_in"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(config, place):
    with pytest.raises(ValueError, match=f"^{place}: "):
        read_config(config, SERVER)


@pytest.mark.parametrize("target", ["a:1", "ai.example.com:50051", "127.0.0.1:50051", "10.0.0.7:65535", "[::1]:50051"])
def test_servers_are_targets(target):
    check_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "ai.example.com",
        "ai.example.com:",
        "ai.example.com:0",
        "ai.example.com:65536",
        "http://ai.example.com:80",
        "unix:/run/ai.sock",
        "dns:///ai.example.com:50051",
        "xds:///ai:1",
        "user@ai.example.com:50051",
        "ai.example.com:50051/path",
        "ai .example.com:50051",
        "-ai:1",
        "::1:50051",
        "[zz]:1",
        "[1.2.3.4]:1:1",
        "[:::]:1",
        "169.254.169.254:80",
        "[fe80::1]:80",
        "0.0.0.0:50051",
        "224.0.0.1:50051",
        "ai.example.com:50051\n",
    ],
)
def test_anything_else_is_no_target(target):
    with pytest.raises(ValueError, match=r"^target: "):
        check_target(target)
