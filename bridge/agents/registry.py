"""From an agent's kind to the agent. A new kind is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from bridge.agents.base import Agent
from bridge.agents.echo import EchoAgent
from bridge.agents.scripted import ScriptedAgent

AgentFactory: TypeAlias = Callable[[Mapping[str, Any]], Agent]

FACTORIES: Final[Mapping[str, AgentFactory]] = {
    "scripted": ScriptedAgent,
    "echo": EchoAgent,
}


class AgentConfigError(ValueError):
    """There is no agent of this kind, or its configuration cannot be used; the text says what to do."""


def build_agent(kind: str, config: Mapping[str, Any]) -> Agent:
    """The agent of a kind with its configuration, ready to connect.

    Raises:
        AgentConfigError: see its text.
    """
    factory = FACTORIES.get(kind)
    if factory is None:
        raise AgentConfigError(f"there is no agent of kind {kind!r}; kinds are {', '.join(sorted(FACTORIES))}")
    try:
        return factory(config)
    except ValueError as error:
        raise AgentConfigError(str(error)) from error
