"""Sockets of the switches."""

from __future__ import annotations

from typing import Any

from django.urls import re_path

from bridge.consumers.psr import PsrConsumer

websocket_urlpatterns: list[Any] = [
    re_path(r"^psr/(?P<token>[A-Za-z0-9._-]{16,512})$", PsrConsumer.as_asgi()),  # type: ignore[no-untyped-call]  # channels ships no types
]
