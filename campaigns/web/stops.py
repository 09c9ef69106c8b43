"""The switch for all dialing, where a person sees what goes wrong: on a campaign's page."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.enums import Role
from campaigns.queries.calls import placed_live_calls
from campaigns.services.dialing_stops import REASON_MAX_CHARS, stop_dialing
from campaigns.web.access import page, roles_of, signed_in


def may_stop(user: User) -> bool:
    """Whether this person may stop all dialing."""
    return bool(roles_of(user) & {Role.MANAGER, Role.SUPERVISOR})


@require_POST
@page
def stop_all_dialing(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Stop all dialing, and hang up live calls where that is wanted; then back to the campaign."""
    user = signed_in(request.user)
    if not may_stop(user):
        raise PermissionDenied("Your roles do not let you stop all dialing.")
    reason = request.POST.get("reason", "").strip()[:REASON_MAX_CHARS]
    if not reason:
        messages.error(request, "Say why all dialing is to stop.")
        return redirect("campaign", campaign_id)
    hangs_up = "hangs_up" in request.POST
    stop_dialing(reason=reason, user=user, now=timezone.now(), hangs_up=hangs_up)
    what = "are being hung up" if hangs_up else "go on to their end"
    messages.warning(request, f"Nothing is dialed any more. {placed_live_calls().count():,} live calls {what}.")
    return redirect("campaign", campaign_id)
