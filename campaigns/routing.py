"""Sockets of signed-in supervisors; the paths follow `/live/`."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from campaigns.web.live.socket import live_page

websocket_urlpatterns: list[URLPattern] = [
    path("overview", live_page, {"kind": "overview"}),  # type: ignore[arg-type]  # an ASGI application, not a view
    re_path(r"^(?P<kind>campaigns)/(?P<key>[1-9][0-9]{0,17})$", live_page),  # type: ignore[arg-type]  # likewise
    re_path(r"^(?P<kind>calls)/(?P<key>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", live_page),  # type: ignore[arg-type]  # likewise
]
