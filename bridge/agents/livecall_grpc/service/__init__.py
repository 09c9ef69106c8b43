"""A small AI service behind live_call.proto: a reference for those who write one, and the counterpart in tests.

It greets with recorded prompts, hears that somebody speaks (not what), answers in turn, and can be told to behave like
older or broken services.
"""

from bridge.agents.livecall_grpc.service.options import DEFAULT_SCRIPT, Fault, Options, ScriptProblem, read_script
from bridge.agents.livecall_grpc.service.server import Service, running

__all__ = ["DEFAULT_SCRIPT", "Fault", "Options", "ScriptProblem", "Service", "read_script", "running"]
