"""The process that carries calls: uvicorn with a drain, and with a short way for a call's frames."""

from bridge.server.process import BridgeServer, run

__all__ = ["BridgeServer", "run"]
