"""How a campaign would go: asking for a rehearsal, and reading its report."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST

from campaigns.enums import Role
from campaigns.models import Campaign
from campaigns.queries.rehearsals import kept_rehearsal
from campaigns.services.rehearsal import KEPT_LIMIT, label_of
from campaigns.tasks.rehearsals import rehearse_campaign
from campaigns.tasks.sending import send
from campaigns.web.access import page, roles_of, signed_in

# Who has not been taken by a worker by then will not be waited for any more.
EXPIRES_S = 300.0
# The counts of a report and what they are called.
GROUPS = (
    ("outcomes", "Outcomes"),
    ("contacts", "Contacts by state"),
    ("dispositions", "Dispositions"),
    ("tries", "Contacts by tries"),
)


@require_GET
@page
def show_rehearsal(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The latest rehearsal, or the one in `?line=` of the campaign's log; for everybody who sees the campaign."""
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    line = request.GET.get("line", "")
    if line and not (line.isascii() and line.isdigit() and len(line) < 19):
        raise Http404("There is no such line.")
    kept = kept_rehearsal(campaign_id, int(line) if line else None)
    if line and kept is None:
        raise Http404("There is no such rehearsal.")
    context = {
        "campaign": campaign,
        "kept": kept,
        "may_rehearse": Role.MANAGER in roles_of(signed_in(request.user)),
        "limit": KEPT_LIMIT,
    }
    if kept is not None and "report" in kept.details:
        context |= _shown(kept.details["report"])
    return render(request, "pages/rehearsal.html", context)


@require_POST
@page
def rehearse(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Ask for a rehearsal; its report comes into the log."""
    user = signed_in(request.user)
    if Role.MANAGER not in roles_of(user):
        raise PermissionDenied("Only a manager rehearses a campaign.")
    get_object_or_404(Campaign, pk=campaign_id)
    if send(rehearse_campaign, expires_s=EXPIRES_S, campaign_id=campaign_id, limit=KEPT_LIMIT, user_id=user.pk):
        messages.success(request, "The rehearsal is being played. Its report will stand here and in the log.")
    else:
        messages.error(request, "The rehearsal was not begun: the broker does not answer.")
    return redirect("rehearsal", campaign_id)


def _shown(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with its moments as moments, its codes in words, and the bars of its stretches in percent."""
    most = max((stretch["calls"] for stretch in report["stretches"]), default=0) or 1
    return {
        "report": report,
        "begin": parse_datetime(report["begin"]),
        "end": parse_datetime(report["finish_at"] or report["end"]),
        "stretches": [
            {**stretch, "begin": parse_datetime(stretch["begin"]), "width": round(100 * stretch["calls"] / most, 1)}
            for stretch in report["stretches"]
        ],
        "time": [(label_of(code), _spent(spent_s)) for code, spent_s in report["time_s"].items()],
        "refusals": [
            (label_of(code), count) for counts in ("refusals", "put_off") for code, count in report[counts].items()
        ],
        "groups": [(title, report[name]) for name, title in GROUPS],
    }


def _spent(spent_s: float) -> str:
    """A time as people plan with it: in hours with a decimal, below one hour in minutes."""
    return f"{spent_s / 3600:,.1f} h" if spent_s >= 3600 else f"{ceil(spent_s / 60)} min"
