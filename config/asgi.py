"""The ASGI application: pages and API by Django, sockets by Channels."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

# Django must be set up before anything below imports a model.
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import re_path

from bridge.routing import websocket_urlpatterns as call_urlpatterns
from campaigns.routing import websocket_urlpatterns as live_urlpatterns

# Supervisors' sockets need a session and one of our origins; switches have neither and bring a token of their own.
live_pages = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(live_urlpatterns)))
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter([*call_urlpatterns, re_path(r"^live/", live_pages)]),
    }
)
