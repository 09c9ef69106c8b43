"""From Django's settings to the agents, which know neither Django nor the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from bridge.agents.base import Agent
from bridge.agents.livecall_grpc.config import LiveCallServer
from bridge.agents.openai_realtime import RealtimeAccess
from bridge.agents.registry import Installation, build_agent


def installation() -> Installation:
    """What the settings say of the services that agents speak through."""
    ca_file = settings.LIVECALL_GRPC_CA_FILE
    return Installation(
        livecall=LiveCallServer(
            target=settings.LIVECALL_GRPC_TARGET,
            is_tls=settings.LIVECALL_GRPC_TLS,
            ca_file=Path(ca_file) if ca_file else None,
        ),
        openai=RealtimeAccess(
            url=settings.OPENAI_REALTIME_URL,
            api_key=settings.OPENAI_API_KEY,
            auth_header=settings.OPENAI_AUTH_HEADER,
            model=settings.OPENAI_REALTIME_MODEL,
        ),
    )


def agent_of(kind: str, config: Mapping[str, Any]) -> Agent:
    """The agent of a kind with its configuration and this installation's settings.

    Raises:
        AgentConfigError: it cannot be used; the text says what to do.
    """
    return build_agent(kind, config, installation())


def check_agent(kind: str, config: Mapping[str, Any]) -> None:
    """Accept what `agent_of` can build. `AGENT_CHECK` names it to those who store agents.

    Raises:
        ValueError: it cannot be used; the text says what to change.
    """
    agent_of(kind, config)
