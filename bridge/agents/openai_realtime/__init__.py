"""The OpenAI Realtime agent: a speech-to-speech model at the other end of a WebSocket."""

from bridge.agents.openai_realtime.agent import RealtimeAgent
from bridge.agents.openai_realtime.config import RealtimeAccess, RealtimeConfigError

__all__ = ["RealtimeAccess", "RealtimeAgent", "RealtimeConfigError"]
