"""System checks of the bridge's settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from bridge.audio.resample import Method
from telephony.protocols.psr import FlushMode

DEFAULT_RESAMPLER = "default"


def check_bridge_settings(**_: Any) -> list[CheckMessage]:
    """Errors for settings whose value no code knows."""
    known = {"RESAMPLER": [DEFAULT_RESAMPLER, *Method], "PSR_FLUSH": list(FlushMode)}
    return [
        Error(
            f"{name} is {getattr(settings, name)!r}, which is not one of {', '.join(values)}.",
            hint=f"Set {name} in .env to one of them, or remove the line.",
            id=f"bridge.E00{number}",
        )
        for number, (name, values) in enumerate(known.items(), start=1)
        if getattr(settings, name) not in values
    ]
