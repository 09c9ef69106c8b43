"""What a `livecall_grpc` agent may be configured with, judged once and typed from then on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from bridge.agents.base import BargeIn
from bridge.audio.resample import SUPPORTED_RATES_HZ

DEFAULT_INPUT_HZ: Final = 8_000
# Source: LiveCall gateway: what its AI services speak at.
DEFAULT_OUTPUT_HZ: Final = 24_000
PROTOCOL_VERSION: Final = 1
PROTOCOL_VERSIONS: Final = (0, 1)
MAX_WORKSPACE_CHARS: Final = 128
_MAX_PORT: Final = 65_535
_TARGET = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):(?P<port>\d{1,5})")
_KEYS: Final = frozenset(
    {
        "target",
        "tls",
        "workspace_id",
        "protocol_version",
        "audio_encoding",
        "input_rate_hz",
        "output_rate_hz",
        "speaks_first",
        "barge_in",
        "transfer_targets",
        "fallback_transfer",
    }
)

E = TypeVar("E", bound=StrEnum)


class AudioEncoding(StrEnum):
    """How a peer writes `audio_content`."""

    BYTES = "bytes"
    BASE64_TEXT = "base64_text"


@dataclass(frozen=True, slots=True)
class LiveCallServer:
    """What the operator says of the AI service: `host:port`, whether by TLS, and who signed its certificate.

    Without a `ca_file` the certificate must be signed by an authority that gRPC knows. `target` may be empty.
    """

    target: str = ""
    is_tls: bool = False
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class LiveCallConfig:
    """One agent's configuration."""

    server: LiveCallServer
    workspace_id: str = ""
    protocol_version: int = PROTOCOL_VERSION
    audio_encoding: AudioEncoding = AudioEncoding.BYTES
    input_rate_hz: int = DEFAULT_INPUT_HZ
    output_rate_hz: int = DEFAULT_OUTPUT_HZ
    speaks_first: bool = True
    barge_in: BargeIn = BargeIn.BRIDGE

    @property
    def has_extensions(self) -> bool:
        """Whether the peer understands what fields 10 and up say."""
        return self.protocol_version >= 1


def read_config(config: Mapping[str, Any], server: LiveCallServer) -> LiveCallConfig:
    """The configuration of one agent; `server` is what the operator set for all of them.

    That neither names a target is found out by the call: the operator may set it later than a person makes the agent.

    Raises:
        ValueError: something in it cannot be used; the text says what to change.
    """
    if unknown := sorted(config.keys() - _KEYS):
        raise ValueError(f"{unknown[0]}: there is no such key; known are {', '.join(sorted(_KEYS))}")
    target = _text(config, "target") or server.target
    if target:
        check_target(target)
    workspace_id = _text(config, "workspace_id")
    if len(workspace_id) > MAX_WORKSPACE_CHARS:
        raise ValueError(f"workspace_id: at most {MAX_WORKSPACE_CHARS} characters")
    return LiveCallConfig(
        LiveCallServer(target, _flag(config, "tls", server.is_tls), server.ca_file),
        workspace_id,
        _one_of(config, "protocol_version", PROTOCOL_VERSIONS, PROTOCOL_VERSION),
        _word(config, "audio_encoding", AudioEncoding.BYTES),
        _one_of(config, "input_rate_hz", SUPPORTED_RATES_HZ, DEFAULT_INPUT_HZ),
        _one_of(config, "output_rate_hz", SUPPORTED_RATES_HZ, DEFAULT_OUTPUT_HZ),
        _flag(config, "speaks_first", True),
        _word(config, "barge_in", BargeIn.BRIDGE),
    )


def check_target(target: str) -> None:
    """Accept `host:port` with a name, an IPv4 address, or an IPv6 address in brackets.

    gRPC itself would also take sockets of this machine (`unix:`) and other schemes; people may only name servers.

    Raises:
        ValueError: it is something else; the text says what to change.
    """
    found = _TARGET.fullmatch(target)
    if found is None or not 1 <= int(found["port"]) <= _MAX_PORT:
        raise ValueError("target: write host:port, for example ai.example.com:50051, without a scheme")
    try:
        address = ipaddress.ip_address(found["host"].strip("[]"))
    except ValueError:
        if found["host"].startswith("["):
            raise ValueError("target: what stands in brackets is no IPv6 address") from None
        return
    # Cloud machines tell their secrets on a link-local address; no AI service has one.
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise ValueError("target: name a server; this address is none")


def _text(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key}: must be a text")  # noqa: TRY004  a person's input
    return value


def _flag(config: Mapping[str, Any], key: str, default: bool) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ValueError(f"{key}: must be true or false")  # noqa: TRY004  a person's input
    return value


def _one_of(config: Mapping[str, Any], key: str, allowed: tuple[int, ...], default: int) -> int:
    value = config.get(key, default)
    if type(value) is not int or value not in allowed:
        raise ValueError(f"{key}: must be one of {', '.join(map(str, allowed))}")
    return value


def _word(config: Mapping[str, Any], key: str, default: E) -> E:
    value = config.get(key, default.value)
    choices = type(default)
    if not isinstance(value, str) or value not in list(choices):
        raise ValueError(f"{key}: must be one of {', '.join(choices)}")
    return choices(value)
