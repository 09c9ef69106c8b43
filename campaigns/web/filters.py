"""Template filters: how numbers, times and states read on a page (`{% load pages %}`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django import template
from django.utils import timezone

from campaigns.enums import AttemptState, CampaignState, ContactState, ImportState, Outcome, SpeakerKind, StepState
from campaigns.models import Call
from campaigns.web.timeline import Bar
from telephony.phone_numbers import mask

register = template.Library()

DASH = "–"
TONES: Mapping[str, str] = {
    **dict.fromkeys((CampaignState.RUNNING, AttemptState.IN_CALL, "live"), "live"),
    **dict.fromkeys((Outcome.ANSWERED, ContactState.DONE, ImportState.DONE, CampaignState.FINISHED), "good"),
    **dict.fromkeys((CampaignState.PAUSED, AttemptState.UNKNOWN, Outcome.UNCONFIRMED, Outcome.MACHINE), "warn"),
    **dict.fromkeys((Outcome.FAILED, Outcome.INVALID_NUMBER, Outcome.CONGESTION, StepState.DEAD), "bad"),
    **dict.fromkeys((ContactState.DIALING, AttemptState.PLACED, AttemptState.DISPATCHING), "busy"),
}
LABELS: Mapping[str, str] = {
    choice.value: str(choice.label)
    for choices in (SpeakerKind, StepState, ImportState, ContactState, Outcome, AttemptState, CampaignState)
    for choice in choices
}

# Why an attempt came into a state, where the log's own word says little to people.
REASONS: Mapping[str, str] = {
    "due": "It was its turn",
    "marker": "About to be sent",
    "placed": "Accepted by the switch",
    "socket": "Answered, with audio",
}


@register.filter
def tone(value: str) -> str:
    """The colour family of a state or outcome: live, good, warn, bad, busy or quiet."""
    return TONES.get(value, "quiet")


@register.filter
def label(value: str) -> str:
    """A state or outcome as people read it; other words with their underscores as spaces."""
    return LABELS.get(value) or value.replace("_", " ").capitalize()


@register.filter
def why(reason: str) -> str:
    """Why an attempt came into a state, as people read it."""
    return REASONS.get(reason) or label(reason)


@register.filter
def percent(value: float | None) -> str:
    """A fraction as a percentage; a dash for None."""
    if value is None:
        return DASH
    rounded = f"{100 * value:.1f}".removesuffix(".0")
    return f"{rounded} %"


@register.filter
def seconds(value: float | None) -> str:
    """A duration in seconds as 0:42, 12:05 or 1:02:03; a dash for None."""
    if value is None:
        return DASH
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def milliseconds(value: float | None) -> str:
    """A position or duration in ms as m:ss; a dash for None."""
    return DASH if value is None else seconds(value // 1000)


@register.filter
def moment(value: datetime | None) -> str:
    """A moment in the current time zone as 20 Nov, 15:30:05; a dash for None."""
    return DASH if value is None else f"{timezone.localtime(value):%-d %b, %H:%M:%S}"


@register.filter
def iso(value: datetime) -> str:
    """A moment for machines, in UTC."""
    return value.isoformat()


@register.filter
def number_for(phone_number: str, is_shown: bool) -> str:
    """The number in full, or its country and last digits alone: +84•••••321."""
    return phone_number if is_shown else mask(phone_number)


@register.filter
def unlocalized(value: object) -> str:
    """A number as machines read it, whatever the language of the page."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@register.filter
def length_of(call: Call) -> float | None:
    """How long an ended call lasted, in seconds; None while it is live."""
    return None if call.ended_at is None else (call.ended_at - call.started_at).total_seconds()


@register.filter
def right_edge(bar: Bar) -> float:
    """Where a bar of the timeline ends, in percent."""
    return round(bar.x + bar.width, 3)
