"""The first page: today at a glance."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns.queries.overview import overview
from campaigns.web.access import page, sees_numbers, signed_in
from campaigns.web.live.parts import overview_context
from campaigns.web.stops import stop_context


@require_GET
@page
def show_overview(request: HttpRequest) -> HttpResponse:
    """Tiles, charts, active campaigns and calls; kept fresh by `/live/overview`."""
    now = timezone.now()
    context = overview_context(overview(now))
    context |= {"now": now, "shows_numbers": sees_numbers(signed_in(request.user)), "live_path": "/live/overview"}
    context |= stop_context(signed_in(request.user))
    return render(request, "pages/overview.html", context)
