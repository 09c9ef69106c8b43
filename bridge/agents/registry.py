"""From an agent's kind to the agent. A new kind is one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from bridge.agents.base import Agent, AgentSession, AgentUnavailable, Brief
from bridge.agents.echo import EchoAgent
from bridge.agents.listener import ListenerAgent
from bridge.agents.livecall_grpc.agent import LiveCallAgent
from bridge.agents.livecall_grpc.config import LiveCallServer
from bridge.agents.openai_realtime import RealtimeAccess, RealtimeAgent
from bridge.agents.scripted import ScriptedAgent
from telephony.protocols.events import TransferTarget


@dataclass(frozen=True, slots=True)
class Installation:
    """What the operator set for all agents of a kind. Agents read no settings: they are given these."""

    livecall: LiveCallServer = field(default_factory=LiveCallServer)
    openai: RealtimeAccess = field(default_factory=RealtimeAccess)


AgentFactory: TypeAlias = Callable[[Mapping[str, Any], Installation], Agent]

FACTORIES: Final[Mapping[str, AgentFactory]] = {
    "scripted": lambda config, _: ScriptedAgent(config),
    "echo": lambda config, _: EchoAgent(config),
    "livecall_grpc": lambda config, installation: LiveCallAgent(config, installation.livecall),
    "listener": lambda config, _: ListenerAgent(config),
    "openai_realtime": lambda config, installation: RealtimeAgent(config, installation.openai),
}


class AgentConfigError(ValueError):
    """There is no agent of this kind, or its configuration cannot be used; the text says what to do."""


def build_agent(kind: str, config: Mapping[str, Any], installation: Installation) -> Agent:
    """The agent of a kind with its configuration, ready to connect.

    Raises:
        AgentConfigError: see its text.
    """
    factory = FACTORIES.get(kind)
    if factory is None:
        raise AgentConfigError(f"there is no agent of kind {kind!r}; kinds are {', '.join(sorted(FACTORIES))}")
    try:
        return factory(config, installation)
    except ValueError as error:
        raise AgentConfigError(str(error)) from error


def own_transfer_targets(agent: Agent) -> tuple[TransferTarget, ...]:
    """To whom an agent hands customers by its own making, beside those its configuration names."""
    return agent.transfer_targets if isinstance(agent, ScriptedAgent) else ()


class UnusableAgent:
    """Stands in for an agent that cannot be built, so that the customer hears an apology instead of a dead line."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def connect(self, brief: Brief) -> AbstractAsyncContextManager[AgentSession]:
        """A conversation that fails to open."""
        del brief
        return _NeverOpens(self._reason)


class _NeverOpens(AbstractAsyncContextManager[AgentSession]):
    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def __aenter__(self) -> AgentSession:
        raise AgentUnavailable(self._reason, retryable=False)

    async def __aexit__(self, *_error: object) -> None:
        return None
