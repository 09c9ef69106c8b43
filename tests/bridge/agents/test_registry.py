"""From kinds to agents."""

from __future__ import annotations

import pytest

from bridge.agents.echo import EchoAgent
from bridge.agents.listener import ListenerAgent
from bridge.agents.openai_realtime import RealtimeAccess, RealtimeAgent
from bridge.agents.registry import FACTORIES, AgentConfigError, Installation, build_agent
from bridge.agents.scripted import ScriptedAgent
from campaigns.enums import AgentKind


@pytest.mark.parametrize(
    ("kind", "type_"), [("scripted", ScriptedAgent), ("echo", EchoAgent), ("listener", ListenerAgent)]
)
def test_registry_builds_each_kind(kind, type_):
    assert isinstance(build_agent(kind, {}, Installation()), type_)


def test_registry_names_the_kinds_it_knows():
    with pytest.raises(AgentConfigError, match=r"kinds are .*echo.*scripted"):
        build_agent("telepathy", {}, Installation())


def test_registry_passes_on_what_is_wrong_with_a_configuration():
    with pytest.raises(AgentConfigError, match="no bundled script 'x'"):
        build_agent("scripted", {"script": "x"}, Installation())


def test_registry_hands_the_installations_key_to_those_who_need_it():
    config = {"instructions": "Ask."}
    agent = build_agent("openai_realtime", config, Installation(openai=RealtimeAccess(api_key="k")))
    assert isinstance(agent, RealtimeAgent)
    with pytest.raises(AgentConfigError, match="OPENAI_API_KEY is not set"):
        build_agent("openai_realtime", config, Installation())


def test_registry_builds_every_kind_that_can_be_chosen():
    assert FACTORIES.keys() == set(AgentKind.values)
