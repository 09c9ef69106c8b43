"""What a launch would do, before it."""

from __future__ import annotations

import random

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns.enums import Role
from campaigns.models import Campaign
from campaigns.queries.launch_report import launch_report
from campaigns.web.access import page, roles_of, signed_in


@require_GET
@page
def show_preflight(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Who would be skipped, what is told of some customers, and how long it takes. For those who may launch."""
    if Role.MANAGER not in roles_of(signed_in(request.user)):
        raise PermissionDenied("Only a manager sees what the agent is told.")
    campaign = get_object_or_404(Campaign.objects.select_related("trunk"), pk=campaign_id)
    now = timezone.now()
    context = {
        "campaign": campaign,
        "report": launch_report(campaign, now, random.Random()),
        "now": now,
        "shows_numbers": True,
    }
    return render(request, "pages/preflight.html", context)
