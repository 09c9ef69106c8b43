"""What may be stored as an agent's configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from campaigns.policies.agent_setup import check_agent_config


def check_agent(kind: str, config: Any) -> None:
    """Accept a configuration that an agent of this kind can be built from.

    What a kind understands is known where agents live; `AGENT_CHECK` names the judge.

    Raises:
        ValueError: it cannot be used; the text says what to change.
    """
    check_agent_config(config)
    judge: Callable[[str, Any], None] = import_string(settings.AGENT_CHECK)
    judge(kind, config)
