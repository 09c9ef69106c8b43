"""The calls, and one call to read and to hear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns.models import Call, CallAttempt
from campaigns.queries.calls import CallDetail, call_detail, calls_matching, duration_s
from campaigns.queries.waveform import read_waveform
from campaigns.services.recordings import recording_file
from campaigns.web.access import hears_recordings, page, sees_numbers, signed_in
from campaigns.web.filters import milliseconds, percent
from campaigns.web.forms import CallFilterForm
from campaigns.web.paging import one_page
from campaigns.web.timeline import timeline, turn_view


def _delay(value: int) -> str:
    return f"{value:,} ms"


# What of the analysis' metrics a reader is shown, in this order.
METRICS: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("customer_talk_ms", "Customer spoke", milliseconds),
    ("agent_talk_ms", "Agent spoke", milliseconds),
    ("agent_talk_share", "Agent's share of the talk", percent),
    ("silence_share", "Silence", percent),
    ("response_ms_median", "Agent's answer came after (median)", _delay),
    ("response_ms_p95", "Agent's answer came after (p95)", _delay),
    ("interruptions", "Interruptions", str),
    ("turns", "Turns", str),
    ("customer_words", "Customer's words", str),
    ("drop_off", "Left at the question", str),
)


@require_GET
@page
def list_calls(request: HttpRequest) -> HttpResponse:
    """The calls that match the filters, newest first."""
    form = CallFilterForm(request.GET)
    context = one_page(request, calls_matching(form.wanted()))
    is_filtered = any(request.GET.get(name) for name in form.fields)
    context |= {"form": form, "is_filtered": is_filtered, "shows_numbers": sees_numbers(signed_in(request.user))}
    return render(request, "pages/calls.html", context)


@require_GET
@page
def show_call(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """One call: what was said and heard, the recording, the analysis, the attempt and the work after it."""
    now = timezone.now()
    detail = call_detail(call_id)
    if detail is None:
        raise Http404("There is no such call.")
    user = signed_in(request.user)
    context = _call_context(detail, now) | {"now": now, "shows_numbers": sees_numbers(user)}
    if detail.call.ended_at is None:
        context["live_path"] = f"/live/calls/{call_id}"
    elif hears_recordings(user) and recording_file(detail.call):
        context["recording_url"] = reverse("recording", args=[call_id])
        context["waveform_url"] = reverse("waveform", args=[call_id])
    return render(request, "pages/call.html", context)


@require_GET
@page
def show_waveform(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """How loud each side was over time, as JSON for the player."""
    call = Call.objects.filter(pk=call_id).first()
    path = recording_file(call) if call and hears_recordings(signed_in(request.user)) else None
    waveform = read_waveform(path) if path else None
    if waveform is None:
        raise Http404("There is no recording to draw.")
    return JsonResponse({"duration_ms": waveform.duration_ms, "channels": waveform.channels})


def _call_context(detail: CallDetail, now: datetime) -> dict[str, Any]:
    call = detail.call
    length_s = duration_s(call, now)
    return {
        "call": call,
        "attempt": call.attempt,
        "duration_s": length_s,
        "pdd_ms": post_dial_delay_ms(call.attempt),
        "turns": [turn_view(turn) for turn in detail.turns],
        "timeline": timeline(detail.turns, round(1000 * length_s)),
        "analysis": detail.analysis,
        "metrics": [] if detail.analysis is None else readable_metrics(detail.analysis.metrics),
        "steps": detail.steps,
        "now": now,
    }


def readable_metrics(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, value) of the metrics there are, as people read them."""
    return [(label, spell(metrics[name])) for name, label, spell in METRICS if metrics.get(name) is not None]


def post_dial_delay_ms(attempt: CallAttempt | None) -> int | None:
    """From the moment the call was handed to the switch to the moment it was answered, ms; None when not known."""
    if attempt is None or attempt.dispatched_at is None or attempt.answered_at is None:
        return None
    return round(1000 * (attempt.answered_at - attempt.dispatched_at).total_seconds())
