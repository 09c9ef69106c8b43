"""When the next try of a contact is made: a wait turned into an instant at which the contact may be called.

Whatever the wait, the instant is never before `earliest` and lies in the calling window, if that opens at all. Without
a wait of its own kind it is the first such instant, soon after the opening where the window is closed at first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.policies.cadence import Moment
from campaigns.policies.calling_window import CallingWindow, is_open, next_opening, spread_opening

# The parts of a day by the local hour they begin at: morning, afternoon, evening.
PART_HOURS = (0, 12, 17)
DAY_PARTS = ("morning", "afternoon", "evening")
# A weekly window shows the same hours again within this many days.
_DAYS_LOOKED_AT = 8
# Parts to choose from are those that the window opens in within this time of the first that is another one.
_CHOICE = timedelta(days=2)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a contact may be called. `key` spreads those who wait for one opening over its first minutes."""

    window: CallingWindow
    zones: tuple[str, ...]
    key: int


def next_try_at(
    hours: Hours, earliest: datetime, *, moment: Moment | None = None, dialed_at: Sequence[datetime] = ()
) -> datetime:
    """The instant of the next try.

    `dialed_at` are the moments of the earlier tries, the latest last: the next day's time of day is that of the last
    one, and another part of the day the one that was tried least. Where the window opens in no other part, or on no
    other day at that time, the moment falls back to the next day, and to the first opening.
    """
    last = dialed_at[-1] if dialed_at else earliest
    if moment is Moment.OTHER_PART:
        found = _other_part(hours, earliest, [*dialed_at] or [earliest])
        if found is not None:
            return found
    if moment is not None:
        found = _same_time(hours, earliest, last)
        if found is not None:
            return found
        earliest = max(earliest, last + _DAY)
    return _soonest(hours, earliest)


def part_of(moment: datetime, zone: str) -> str:
    """The part of the day that it is in a zone."""
    return DAY_PARTS[bisect_right(PART_HOURS, moment.astimezone(ZoneInfo(zone)).hour) - 1]


def _soonest(hours: Hours, earliest: datetime) -> datetime:
    opens_at = next_opening(hours.window, hours.zones, earliest)
    if opens_at in (None, earliest):
        return earliest
    return spread_opening(hours.window, hours.zones, opens_at, key=hours.key)


def _same_time(hours: Hours, earliest: datetime, last: datetime) -> datetime | None:
    zone = ZoneInfo(hours.zones[0])
    local = last.astimezone(zone)
    for days in range(1, _DAYS_LOOKED_AT + 1):
        at = _instant(local.date() + timedelta(days=days), local.time(), zone)
        if at >= earliest and is_open(hours.window, hours.zones, at):
            return at
    return None


def _other_part(hours: Hours, earliest: datetime, dialed_at: Sequence[datetime]) -> datetime | None:
    zone = hours.zones[0]
    tried = Counter(part_of(at, zone) for at in dialed_at)
    last, found = part_of(dialed_at[-1], zone), dict[str, datetime]()
    until = earliest + timedelta(days=_DAYS_LOOKED_AT)
    at = next_opening(hours.window, hours.zones, earliest)
    while at is not None and at < until:
        part = part_of(at, zone)
        if part != last and part not in found:
            spread = spread_opening(hours.window, hours.zones, at, key=hours.key) if at > earliest else at
            found[part] = spread if part_of(spread, zone) == part else at
            until = min(until, at + _CHOICE)
        at = next_opening(hours.window, hours.zones, _next_part(at, zone))
    return min(found.items(), key=lambda item: (tried[item[0]], item[1]))[1] if found else None


def _next_part(at: datetime, name: str) -> datetime:
    """When the next part of the day begins."""
    zone = ZoneInfo(name)
    local = at.astimezone(zone)
    later = [hour for hour in PART_HOURS if hour > local.hour]
    day, hour = (local.date(), later[0]) if later else (local.date() + _DAY, PART_HOURS[0])
    # A clock that was set back shows some hours twice: never an instant that has passed.
    return max(_instant(day, time(hour), zone), at + timedelta(seconds=1))


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock.replace(tzinfo=None, fold=0), zone).astimezone(UTC)
