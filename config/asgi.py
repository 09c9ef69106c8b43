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
from django.conf import settings
from django.urls import re_path

from bridge.consumers.door import UnknownPath
from bridge.routing import websocket_urlpatterns as call_urlpatterns
from campaigns.routing import websocket_urlpatterns as live_urlpatterns
from config.body_limit import BodyLimit

# The form around an upload is not counted against the upload's own limit.
FORM_MARGIN_BYTES = 65_536

# Supervisors' sockets need a session and one of our origins; switches have neither and bring a token of their own.
nowhere = re_path("", UnknownPath.as_asgi())
live_pages = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([*live_urlpatterns, nowhere])))
application = ProtocolTypeRouter(
    {
        "http": BodyLimit(django_application, limit_bytes=settings.IMPORT_MAX_BYTES + FORM_MARGIN_BYTES),
        "websocket": URLRouter([*call_urlpatterns, re_path(r"^live/", live_pages), nowhere]),
    }
)
