"""Routes for machines, at the root of the site: those that watch the platform, and vendors that ask over HTTP."""

from __future__ import annotations

from django.urls import path

from campaigns.api import health, ucid_callback

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", health.metrics, name="metrics"),
    path("ucid/callback/<str:key>", ucid_callback.ask, name="ucid-callback"),
]
