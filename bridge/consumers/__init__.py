"""The Channels edge: sockets become legs of calls."""

from bridge.consumers.psr import PsrConsumer

__all__ = ["PsrConsumer"]
