"""From kinds to agents."""

from __future__ import annotations

import pytest

from bridge.agents.echo import EchoAgent
from bridge.agents.openai_realtime import RealtimeAccess, RealtimeAgent
from bridge.agents.registry import AgentConfigError, Installation, build_agent
from bridge.agents.scripted import ScriptedAgent


@pytest.mark.parametrize(("kind", "type_"), [("scripted", ScriptedAgent), ("echo", EchoAgent)])
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
