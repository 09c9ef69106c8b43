"""System checks of the bridge's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error

from bridge.agents.livecall_grpc.config import check_target
from bridge.agents.openai_realtime.config import AUTH_HEADERS
from bridge.audio.resample import Method

DEFAULT_RESAMPLER = "default"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_bridge_settings(**_: Any) -> list[CheckMessage]:
    """Whether RESAMPLER names a way of converting that there is."""
    known = [DEFAULT_RESAMPLER, *Method]
    if settings.RESAMPLER in known:
        return []
    return [
        Error(
            f"RESAMPLER is {settings.RESAMPLER!r}, which is not one of {', '.join(known)}.",
            hint="Set RESAMPLER in .env to one of them, or remove the line.",
            id="bridge.E001",
        )
    ]


def check_livecall_settings(**_: Any) -> list[CheckMessage]:
    """Whether the LIVECALL_GRPC_ settings name a server, and a file that can be read."""
    found: list[CheckMessage] = []
    target, ca_file = settings.LIVECALL_GRPC_TARGET, settings.LIVECALL_GRPC_CA_FILE
    try:
        if target:
            check_target(target)
    except ValueError:
        hint = "Set it to the AI service's host:port, for example ai.example.com:50051, without a scheme."
        found.append(Error("LIVECALL_GRPC_TARGET is not host:port.", hint=hint, id="bridge.E002"))
    if ca_file and not Path(ca_file).is_file():
        hint = "Set it to the PEM file with the authorities, or remove the line."
        found.append(Error("LIVECALL_GRPC_CA_FILE is no file.", hint=hint, id="bridge.E003"))
    return found


def check_openai_settings(**_: Any) -> list[CheckMessage]:
    """Whether the OPENAI_ settings name an address that keeps the key secret, and a header it may travel in."""
    found: list[CheckMessage] = []
    address = urlsplit(settings.OPENAI_REALTIME_URL)
    is_secret = address.scheme == "wss" or (address.scheme == "ws" and address.hostname in LOOPBACK)
    if not is_secret or not address.hostname or address.username is not None:
        hint = "Set it to a wss:// address without a user, or remove the line; ws:// only reaches this machine."
        found.append(Error("OPENAI_REALTIME_URL would not keep the key secret.", hint=hint, id="bridge.E004"))
    if settings.OPENAI_AUTH_HEADER not in AUTH_HEADERS:
        hint = f"Set it to {' or '.join(AUTH_HEADERS)}, or remove the line."
        found.append(Error("OPENAI_AUTH_HEADER is no header for a key.", hint=hint, id="bridge.E005"))
    return found
