"""The ASGI application: pages and API by Django, sockets by Channels."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from bridge.routing import websocket_urlpatterns as call_urlpatterns
from campaigns.routing import websocket_urlpatterns as live_urlpatterns

# Supervisors' sockets need a session and one of our origins; switches have neither and bring a token of their own.
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter(
            [
                *call_urlpatterns,
                *(
                    type(pattern)(pattern.pattern, AllowedHostsOriginValidator(AuthMiddlewareStack(pattern.callback)))
                    for pattern in live_urlpatterns
                ),
            ]
        ),
    }
)
