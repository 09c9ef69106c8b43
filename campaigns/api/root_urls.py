"""Routes for machines that watch the platform, at the root of the site."""

from __future__ import annotations

from django.urls import path

from campaigns.api import health

urlpatterns = [
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", health.metrics, name="metrics"),
]
