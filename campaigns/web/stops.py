"""The switch for all dialing, where a person sees what goes wrong: on the pages of the campaigns."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.enums import Role
from campaigns.policies.stop_text import lifted_in_words, stopped_in_words
from campaigns.queries.calling_rules import stops_in_force
from campaigns.queries.calls import placed_live_calls
from campaigns.services.dialing_stops import REASON_MAX_CHARS, resume_dialing, stop_dialing
from campaigns.web.access import page, roles_of, signed_in


def may_stop(user: User) -> bool:
    """Whether this person may stop all dialing."""
    return bool(roles_of(user) & {Role.MANAGER, Role.SUPERVISOR})


def stop_context(user: User) -> dict[str, Any]:
    """What `partials/stop_banner.html` needs: the stops in force, and whether this person may lift them."""
    return {"stops": stops_in_force().select_related("by"), "may_lift": Role.MANAGER in roles_of(user)}


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
    messages.warning(request, stopped_in_words(placed_live_calls().count(), hangs_up=hangs_up))
    return redirect("campaign", campaign_id)


@require_POST
@page
def lift_stops(request: HttpRequest) -> HttpResponse:
    """Lift every stop; then back to the campaign it was asked on, or to the overview."""
    user = signed_in(request.user)
    if Role.MANAGER not in roles_of(user):
        raise PermissionDenied("Only a manager lets dialing go on.")
    messages.success(request, lifted_in_words(resume_dialing(user=user, now=timezone.now())))
    campaign_id = request.POST.get("campaign", "")
    if campaign_id.isascii() and campaign_id.isdigit() and len(campaign_id) < 19:
        return redirect("campaign", int(campaign_id))
    return redirect("overview")
