"""Geometry of the charts: numbers in, positions in percent out, drawn as SVG by the templates. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log10

from campaigns.enums import ContactState, Outcome
from campaigns.queries.blockers import Blocker
from campaigns.queries.stats import HourCount

BAR_SHARE = 0.66
HOURS_BETWEEN_LABELS = 3
WAIT_TONES = ("warn", "busy", "quiet", "bad")


@dataclass(frozen=True, slots=True)
class HourBar:
    """One hour: where its two bars stand, in percent of the drawing; y counts from the top."""

    hour_at: datetime
    attempts: int
    answered: int
    x: float
    width: float
    attempts_y: float
    attempts_height: float
    answered_y: float
    answered_height: float
    is_labelled: bool


@dataclass(frozen=True, slots=True)
class HourChart:
    """Attempts and answers by hour. `ticks` are (value, y in percent), from the top down."""

    bars: tuple[HourBar, ...]
    ticks: tuple[tuple[int, float], ...]
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a stacked bar or one row of a bar chart; `x` and `width` in percent of the drawing."""

    key: str
    label: str
    total: int
    x: float
    width: float
    share: float


@dataclass(frozen=True, slots=True)
class Wait:
    """One blocker with its colour, and its part of the bar of all contacts that wait: in percent, 0 without a part."""

    blocker: Blocker
    tone: str
    x: float
    width: float


def hour_chart(hours: Sequence[HourCount]) -> HourChart:
    """Bars over time: all attempts, with the answered ones in front."""
    top = round_up(max((hour.attempts for hour in hours), default=0))
    slot = 100 / max(len(hours), 1)
    bars = tuple(
        HourBar(
            hour_at=hour.hour_at,
            attempts=hour.attempts,
            answered=hour.answered,
            x=round(slot * (index + (1 - BAR_SHARE) / 2), 2),
            width=round(slot * BAR_SHARE, 2),
            attempts_y=round(100 - 100 * hour.attempts / top, 2),
            attempts_height=round(100 * hour.attempts / top, 2),
            answered_y=round(100 - 100 * hour.answered / top, 2),
            answered_height=round(100 * hour.answered / top, 2),
            is_labelled=hour.hour_at.hour % HOURS_BETWEEN_LABELS == 0,
        )
        for index, hour in enumerate(hours)
    )
    ticks = ((top, 0.0), (top // 2, 50.0), (0, 100.0))
    return HourChart(bars=bars, ticks=ticks, is_empty=not any(hour.attempts for hour in hours))


def round_up(value: int) -> int:
    """The next even number of the kind people put on an axis: 2, 4, 6, 10, 20, 40, 60, 100, 200, …"""
    if value <= 2:
        return 2
    step = int(10 ** int(log10(value)))
    if step == 1:
        return next(nice for nice in (4, 6, 10) if nice >= value)
    return next(nice * step for nice in (1, 2, 4, 6, 10) if nice * step >= value)


def outcome_rows(outcomes: Mapping[str, int]) -> tuple[Segment, ...]:
    """Outcomes that occurred, most frequent first; the longest bar is 100 % wide."""
    total = sum(outcomes.values())
    longest = max(outcomes.values(), default=0)
    found = sorted(((count, key) for key, count in outcomes.items() if count), key=lambda pair: (-pair[0], pair[1]))
    return tuple(
        Segment(key, Outcome(key).label, count, 0.0, round(100 * count / longest, 2), count / total)
        for count, key in found
    )


def contact_segments(contacts: Mapping[str, int]) -> tuple[Segment, ...]:
    """The stacked progress bar: finished states first, waiting last, without gaps; states without contacts left out."""
    order = (
        ContactState.DONE,
        ContactState.EXHAUSTED,
        ContactState.BLOCKED,
        ContactState.CANCELED,
        ContactState.DIALING,
        ContactState.PENDING,
    )
    total = sum(contacts.values())
    segments: list[Segment] = []
    x = 0.0
    for state in order:
        count = contacts[state]
        if count:
            width = 100 * count / total
            segments.append(Segment(state.value, state.label, count, round(x, 3), round(width, 3), count / total))
            x += width
    return tuple(segments)


def wait_bar(blockers: Sequence[Blocker], waiting: int) -> tuple[Wait, ...]:
    """What the waiting contacts wait for, as parts of one bar. Who is held by several things stands with the first."""
    waits: list[Wait] = []
    left = waiting
    for place, blocker in enumerate(blockers):
        count = min(blocker.count, left)
        x, width = (100 * part / waiting if waiting else 0.0 for part in (waiting - left, count))
        waits.append(Wait(blocker, WAIT_TONES[place % len(WAIT_TONES)], round(x, 3), round(width, 3)))
        left -= count
    return tuple(waits)


def whole_ticks(duration_ms: int, wanted: int = 6) -> tuple[int, ...]:
    """Round positions in ms for a time axis of this length: about `wanted` of them, from 0."""
    steps_s = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
    least_s = ceil(duration_ms / 1000 / wanted)
    step_s = next((step for step in steps_s if step >= least_s), steps_s[-1])
    return tuple(range(0, duration_ms + 1, step_s * 1000))
