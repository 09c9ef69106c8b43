"""An agent that follows a script: recorded prompts, closed questions, and an offline ear for the answers."""

from bridge.agents.scripted.agent import ScriptedAgent

__all__ = ["ScriptedAgent"]
