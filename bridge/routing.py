"""Sockets of the switches: one route for every protocol of the registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import re_path

from bridge.consumers.psr import PsrConsumer
from bridge.consumers.stream import StreamConsumer
from telephony.protocols.registry import PROTOCOLS, ProtocolSpec


def routes_of(specs: Iterable[ProtocolSpec]) -> list[Any]:
    """The routes on which these protocols are spoken."""
    return [re_path(f"^{spec.route}$", _consumer(spec)) for spec in specs]


def _consumer(spec: ProtocolSpec) -> Any:
    if spec.is_inbound:
        return StreamConsumer.as_asgi(spec=spec)  # type: ignore[no-untyped-call]  # channels ships no types
    return PsrConsumer.as_asgi()  # type: ignore[no-untyped-call]  # as above


websocket_urlpatterns: list[Any] = routes_of(PROTOCOLS.values())


def is_call_path(path: str) -> bool:
    """Whether a switch's socket would be opened on this path."""
    # As Channels' router matches it.
    return any(route.pattern.match(path.lstrip("/")) for route in websocket_urlpatterns)
