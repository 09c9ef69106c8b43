"""Local hours and days in which a contact may be dialed.

Stored on the campaign as JSON: `{"timezone": "" | IANA name, "days": {"mon": [["08:00", "20:00"]], …}}`; an empty
timezone means the customer's own. A day that is missing is closed; an empty object closes every day. A range that ends
before it begins runs over midnight; "24:00" is the end of a day.

Everything is asked of an instant and answered by the wall clocks of zones, so a change to or from summer time needs no
rule of its own. Where a customer's zone is not certain, the window must be open in every zone it could be.

Two more things may close it: the hours of a rule profile, which count where the customer is whatever clock the campaign
goes by, and blackout dates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
RANGES_MAX = 12
# No call is started so late that the phone would ring after the window has closed. Source: reliability C5.
CLOSING_GUARD = timedelta(seconds=120)
# Who waits for an opening is called within so long of it, so that not all of them are due at one second.
# Source: reliability C4.
OPENING_SPREAD = timedelta(minutes=10)
# A weekly window opens within a week; a few days more for the days a clock change can swallow, and one for each
# blackout date.
_HORIZON_DAYS = 16
_BLACKOUTS_MAX = 90
# Knuth's multiplier: neighbouring ids land far apart.
_SCATTER = 2_654_435_761
_DAY_S = 86_400
_NIGHT_S = 3 * 3600


@dataclass(frozen=True, slots=True)
class CallingWindow:
    """A validated window. `ranges` holds per weekday (0 is Monday) pairs of minutes; an end past 1,440 is tomorrow.

    `legal_hours` are a rule profile's minutes of the day, begin and end, in each of the customer's zones; None sets no
    bounds. `closed_dates` are local dates on which nobody is called; `day_names` names those that have one.
    """

    timezone: str
    ranges: tuple[tuple[tuple[int, int], ...], ...]
    legal_hours: tuple[int, int] | None = None
    closed_dates: frozenset[date] = frozenset()
    day_names: Mapping[date, str] = field(default_factory=dict, compare=False)

    @property
    def is_never_open(self) -> bool:
        """Whether no instant at all lies inside, blackout dates aside."""
        if self.legal_hours is None or self.timezone:
            return not any(self.ranges)
        opens, closes = self.legal_hours
        days = (0, DAY_MINUTES)
        return not any(
            start - day < closes and opens < end - day
            for day in days
            for ranges in self.ranges
            for start, end in ranges
        )

    @property
    def is_by_own_clock(self) -> bool:
        """Whether the campaign's zone alone decides, so that the window is open or closed for all customers at once."""
        return bool(self.timezone) and self.legal_hours is None


NEVER_OPEN = CallingWindow("", ((),) * len(WEEKDAYS))


def default_calling_window() -> dict[str, Any]:
    """Every day from 08:00 to 20:00 where the customer is."""
    return {"timezone": "", "days": {day: [["08:00", "20:00"]] for day in WEEKDAYS}}


def parse_window(raw: Any) -> CallingWindow:
    """The window a campaign's JSON describes.

    Raises:
        ValueError: the text says which part is wrong and what is expected.
    """
    if not isinstance(raw, Mapping) or not set(raw) <= {"timezone", "days"}:
        raise ValueError('A calling window is an object with the keys "timezone" and "days".')
    timezone = raw.get("timezone", "")
    if not isinstance(timezone, str) or (timezone and not is_zone(timezone)):
        raise ValueError(f"There is no timezone {timezone!r}; use an IANA name such as Asia/Ho_Chi_Minh, or none.")
    days = raw.get("days", {})
    if not isinstance(days, Mapping) or not set(days) <= set(WEEKDAYS):
        raise ValueError(f'"days" must be an object whose keys are among {", ".join(WEEKDAYS)}.')
    return CallingWindow(timezone, tuple(_parse_day(day, days.get(day, [])) for day in WEEKDAYS))


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether `name` is an IANA timezone known here."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def parse_hours(opens: str, closes: str) -> tuple[int, int]:
    """Minutes of the day of two times such as "08:00" and "17:00", the second later than the first.

    Raises:
        ValueError: they are no times of day, or hold no time between them.
    """
    start, end = _parse_minute("hours", opens), _parse_minute("hours", closes)
    if start >= end:
        raise ValueError(f"The hours {opens}–{closes} are empty or run over midnight.")
    return start, end


def zones_of(
    window: CallingWindow, *, customer_zone: str, number_zones: Sequence[str], fallback: str
) -> tuple[str, ...]:
    """The zones in which the window must be open: the campaign's, else the customer's, else all of the number's.

    A rule profile's hours count where the customer is, so with them the campaign's zone takes no other's place. Names
    that are no timezone say nothing. `fallback` is for a number that says nothing either.
    """
    if window.is_by_own_clock:
        return (window.timezone,)
    if customer_zone and is_zone(customer_zone):
        return (customer_zone,)
    return tuple(zone for zone in number_zones if is_zone(zone)) or (fallback,)


def is_open(window: CallingWindow, zones: Sequence[str], now: datetime) -> bool:
    """Whether a call may be started now: open in every zone, and not about to close."""
    return _is_open_everywhere(window, zones, now) and _is_open_everywhere(window, zones, now + CLOSING_GUARD)


def next_opening(window: CallingWindow, zones: Sequence[str], now: datetime) -> datetime | None:
    """The first instant from `now` on at which `is_open`; None if there is none within two weeks."""
    if window.is_never_open:
        return None
    if is_open(window, zones, now):
        return now
    return next((at for at in _openings(window, zones, now) if is_open(window, zones, at)), None)


def spread_opening(window: CallingWindow, zones: Sequence[str], opens_at: datetime, *, key: int) -> datetime:
    """A moment in the first ten minutes of an opening, always the same for one `key`, such as a contact's id.

    An opening too short for that is not missed: the moment moves towards its beginning.
    """
    wait_s = key * _SCATTER % 2**32 % int(OPENING_SPREAD.total_seconds())
    while wait_s and not is_open(window, zones, opens_at + timedelta(seconds=wait_s)):
        wait_s //= 2
    return opens_at + timedelta(seconds=wait_s)


def closed_date_in(window: CallingWindow, zones: Sequence[str], now: datetime) -> date | None:
    """The blackout date that it is in one of the zones when a call started now would ring; None if it is none."""
    dates = (at.astimezone(ZoneInfo(zone)).date() for zone in zones for at in (now, now + CLOSING_GUARD))
    return next((local_date for local_date in dates if local_date in window.closed_dates), None)


def date_in_words(window: CallingWindow, local_date: date) -> str:
    """A blackout date with its name, if it has one: 2027-02-06 (Lunar New Year)."""
    name = window.day_names.get(local_date, "")
    return f"{local_date:%Y-%m-%d} ({name})" if name else f"{local_date:%Y-%m-%d}"


def _parse_day(day: str, raw: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(raw, list) or len(raw) > RANGES_MAX:
        raise ValueError(f'"{day}" must be a list of at most {RANGES_MAX} pairs such as ["08:00", "20:00"].')
    return tuple(sorted(_parse_range(day, pair) for pair in raw))


def _parse_range(day: str, raw: Any) -> tuple[int, int]:
    if not isinstance(raw, list | tuple) or len(raw) != 2 or not all(isinstance(part, str) for part in raw):
        raise ValueError(f'Each range of "{day}" must be a pair such as ["08:00", "20:00"].')
    start, end = (_parse_minute(day, text) for text in raw)
    if start in (end, DAY_MINUTES):
        raise ValueError(f'The range {raw[0]}–{raw[1]} of "{day}" is empty; the whole day is 00:00–24:00.')
    return start, end if end > start else end + DAY_MINUTES


def _parse_minute(day: str, text: str) -> int:
    hour, colon, minute = text.partition(":")
    is_shaped = colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()
    if not is_shaped or int(minute) > 59 or int(hour) * 60 + int(minute) > DAY_MINUTES:
        raise ValueError(f'{text!r} in "{day}" is not a time of day; use 00:00 to 24:00.')
    return int(hour) * 60 + int(minute)


def _is_open_everywhere(window: CallingWindow, zones: Sequence[str], at: datetime) -> bool:
    local = {zone: at.astimezone(ZoneInfo(zone)) for zone in {*_own_zones(window, zones), *zones}}
    return (
        all(_is_open_in(window, local[zone]) for zone in _own_zones(window, zones))
        and all(_is_legal(window, local[zone]) for zone in zones)
        and not any(each.date() in window.closed_dates for each in local.values())
    )


def _own_zones(window: CallingWindow, zones: Sequence[str]) -> Sequence[str]:
    """The zones whose clocks the campaign's own hours go by."""
    return (window.timezone,) if window.timezone else zones


def _is_legal(window: CallingWindow, local: datetime) -> bool:
    opens, closes = window.legal_hours or (0, DAY_MINUTES)
    return opens <= local.hour * 60 + local.minute < closes


def _is_open_in(window: CallingWindow, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    today, yesterday = window.ranges[local.weekday()], window.ranges[(local.weekday() - 1) % 7]
    return any(start <= minute < end for start, end in today) or any(minute < end - DAY_MINUTES for _, end in yesterday)


def _openings(window: CallingWindow, zones: Sequence[str], now: datetime) -> list[datetime]:
    """Every instant after `now` at which the window may begin to be open in some zone, in order."""
    found: set[datetime] = set()
    own = _own_zones(window, zones)
    days = _HORIZON_DAYS + min(len(window.closed_dates), _BLACKOUTS_MAX)
    for name in {*own, *zones}:
        zone = ZoneInfo(name)
        today = now.astimezone(zone).date()
        for local_date in (today + timedelta(days=day) for day in range(-1, days)):
            starts = {start for start, _ in window.ranges[local_date.weekday()]} if name in own else set()
            if window.legal_hours is not None:
                starts.add(window.legal_hours[0])
            if local_date - timedelta(days=1) in window.closed_dates:
                starts.add(0)
            # A time that the clock shows twice begins twice; one that it skips begins with the change itself.
            for start in starts:
                found.update(_instant_of(local_date, start, zone, fold) for fold in (0, 1))
            found.update(_clock_changes(local_date, zone))
    return sorted(at for at in found if at > now)


def _instant_of(local_date: date, minute: int, zone: ZoneInfo, fold: int) -> datetime:
    wall = datetime.combine(local_date, time(minute // 60, minute % 60, fold=fold), zone)
    return wall.astimezone(UTC)


def _clock_changes(local_date: date, zone: ZoneInfo) -> list[datetime]:
    """The instant, to the second, at which the zone's offset changes around a date; usually none."""
    midnight = _instant_of(local_date, 0, zone, fold=0)
    low, high = int(midnight.timestamp()) - _NIGHT_S, int(midnight.timestamp()) + _DAY_S + _NIGHT_S
    before = datetime.fromtimestamp(low, zone).utcoffset()
    if datetime.fromtimestamp(high, zone).utcoffset() == before:
        return []
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return [datetime.fromtimestamp(high, UTC)]
