"""Keeping recordings: files of our naming below DATA_DIR/prompts."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings

from campaigns.policies.agent_setup import check_prompt_wav

# A minute at the highest rate is 5.8 MB.
MAX_PROMPT_BYTES = 6_000_000


def store_prompt(data: bytes) -> str:
    """Keep a recording and return its name below DATA_DIR/prompts.

    Raises:
        ValueError: it is not a recording that agents can play.
    """
    check_prompt_wav(data)
    directory = Path(settings.DATA_DIR) / "prompts"
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{uuid.uuid4().hex}.wav"
    part = directory / f"{name}.part"
    part.write_bytes(data)
    part.rename(directory / name)
    return name
