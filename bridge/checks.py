"""System checks of the bridge's settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from bridge.audio.resample import Method

DEFAULT_RESAMPLER = "default"


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
