"""Calling windows: what is written, what is open, and when it opens next, through every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.policies.calling_window import (
    WEEKDAYS,
    default_calling_window,
    is_open,
    next_opening,
    parse_window,
    zones_of,
)

HANOI, YORK, SYDNEY, LORD_HOWE = "Asia/Ho_Chi_Minh", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe"
ZONES = (HANOI, YORK, SYDNEY, LORD_HOWE, "Europe/London", "America/St_Johns", "Africa/Casablanca", "UTC")


def every_day(*ranges: tuple[str, str], timezone: str = ""):
    return parse_window({"timezone": timezone, "days": {day: [list(pair) for pair in ranges] for day in WEEKDAYS}})


def at(text: str, zone: str = HANOI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


WORK = every_day(("08:00", "12:00"), ("13:30", "20:00"))
NIGHT = parse_window({"days": {"fri": [["22:00", "02:00"]]}})


@pytest.mark.parametrize(
    ("window", "local", "expected"),
    [
        (WORK, "2026-11-20 07:59:59", False),
        (WORK, "2026-11-20 08:00:00", True),
        (WORK, "2026-11-20 11:57:59", True),
        (WORK, "2026-11-20 11:58:00", False),
        (WORK, "2026-11-20 13:00:00", False),
        (WORK, "2026-11-20 19:30:00", True),
        (NIGHT, "2026-11-20 21:59:00", False),
        (NIGHT, "2026-11-20 23:59:59", True),
        (NIGHT, "2026-11-21 01:30:00", True),
        (NIGHT, "2026-11-21 02:00:00", False),
        (NIGHT, "2026-11-21 23:00:00", False),
        (every_day(("00:00", "24:00")), "2026-11-20 23:59:30", True),
        (every_day(("00:00", "12:00"), ("12:00", "24:00")), "2026-11-20 11:59:30", True),
        (parse_window({}), "2026-11-20 12:00:00", False),
    ],
)
def test_window_is_open_by_the_local_clock(window, local, expected) -> None:
    assert is_open(window, (HANOI,), at(local)) is expected


@pytest.mark.parametrize(
    ("window", "zones", "now", "expected"),
    [
        (WORK, (HANOI,), at("2026-11-20 09:00"), at("2026-11-20 09:00")),
        (WORK, (HANOI,), at("2026-11-20 12:30"), at("2026-11-20 13:30")),
        (WORK, (HANOI,), at("2026-11-20 20:00"), at("2026-11-21 08:00")),
        (NIGHT, (HANOI,), at("2026-11-21 03:00"), at("2026-11-27 22:00")),
        # Everywhere at once: 08:00 in New York is 20:00 in Hanoi, so only an evening window has both open.
        (every_day(("08:00", "21:00")), (HANOI, YORK), at("2026-11-20 10:00"), at("2026-11-20 08:00", YORK)),
        (every_day(("09:00", "11:00")), (HANOI, YORK), at("2026-11-20 10:00"), None),
        (parse_window({}), (HANOI,), at("2026-11-20 10:00"), None),
        # 02:30 does not exist on that night; the window begins when the clock jumps over it.
        (every_day(("02:30", "04:00")), (YORK,), at("2026-03-08 00:00", YORK), datetime(2026, 3, 8, 7, tzinfo=UTC)),
        # 01:30 exists twice that night; the first counts.
        (
            every_day(("01:30", "04:00")),
            (YORK,),
            at("2026-11-01 00:00", YORK),
            datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        ),
    ],
)
def test_next_opening(window, zones, now, expected) -> None:
    assert next_opening(window, zones, now) == expected


minutes = st.integers(0, 24 * 12 - 1).map(lambda step: f"{step // 12:02}:{step % 12 * 5:02}")
ranges = st.lists(st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]).map(list), max_size=2)
windows = st.fixed_dictionaries({}, optional=dict.fromkeys(WEEKDAYS, ranges)).map(
    lambda days: parse_window({"days": days})
)
instants = st.integers(0, 16 * 366).map(
    lambda day: datetime(2020, 1, 1, 7, tzinfo=UTC) + timedelta(days=day, minutes=7 * day % 1440 // 5 * 5)
)
CHANGES = [
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 11, 1, 4, tzinfo=UTC),
    datetime(2026, 4, 4, 12, tzinfo=UTC),
]


@settings(max_examples=40, deadline=None)
@given(windows, st.lists(st.sampled_from(ZONES), min_size=1, max_size=2), st.one_of(instants, st.sampled_from(CHANGES)))
@example(every_day(("02:30", "02:45")), [LORD_HOWE], datetime(2026, 10, 3, 12, tzinfo=UTC))
def test_next_opening_is_the_first_open_instant(window, zones, now) -> None:
    opening = next_opening(window, zones, now)
    step = timedelta(minutes=5)
    limit = min(opening or now + timedelta(days=8), now + timedelta(days=8))
    # On whole five minutes of local clocks nothing before the opening is open.
    probe = now
    while probe < limit:
        assert not is_open(window, zones, probe)
        probe += step
    if opening is not None:
        assert opening >= now
        assert is_open(window, zones, opening)


@given(instants)
def test_an_open_window_stays_open_for_the_guard(now: datetime) -> None:
    if is_open(WORK, (YORK,), now):
        local = (now + timedelta(seconds=119)).astimezone(ZoneInfo(YORK))
        assert (8, 0) <= (local.hour, local.minute) < (20, 0)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], 'A calling window is an object with the keys "timezone" and "days".'),
        ({"hours": 1}, 'A calling window is an object with the keys "timezone" and "days".'),
        (
            {"timezone": "Mars/Base"},
            "There is no timezone 'Mars/Base'; use an IANA name such as Asia/Ho_Chi_Minh, or none.",
        ),
        ({"timezone": "../etc"}, "There is no timezone '../etc'; use an IANA name such as Asia/Ho_Chi_Minh, or none."),
        ({"days": {"monday": []}}, '"days" must be an object whose keys are among mon, tue, wed, thu, fri, sat, sun.'),
        ({"days": {"mon": "8-20"}}, '"mon" must be a list of at most 12 pairs such as ["08:00", "20:00"].'),
        ({"days": {"mon": [["08:00"]]}}, 'Each range of "mon" must be a pair such as ["08:00", "20:00"].'),
        ({"days": {"mon": [["8:00", "20:00"]]}}, "'8:00' in \"mon\" is not a time of day; use 00:00 to 24:00."),
        ({"days": {"mon": [["08:00", "24:01"]]}}, "'24:01' in \"mon\" is not a time of day; use 00:00 to 24:00."),
        ({"days": {"mon": [["08:00", "08:60"]]}}, "'08:60' in \"mon\" is not a time of day; use 00:00 to 24:00."),
        (
            {"days": {"mon": [["08:00", "08:00"]]}},
            'The range 08:00–08:00 of "mon" is empty; the whole day is 00:00–24:00.',
        ),
    ],
)
def test_bad_window_says_what_is_wrong(raw, message) -> None:
    with pytest.raises(ValueError) as refused:
        parse_window(raw)
    assert str(refused.value) == message


def test_default_window_is_daytime_every_day() -> None:
    window = parse_window(default_calling_window())
    assert window == every_day(("08:00", "20:00"))
    assert (window.is_never_open, parse_window({"days": {"mon": []}}).is_never_open) == (False, True)


@pytest.mark.parametrize(
    ("timezone", "customer", "number", "expected"),
    [
        (YORK, HANOI, (SYDNEY,), (YORK,)),
        ("", HANOI, (SYDNEY,), (HANOI,)),
        ("", "Nowhere", (SYDNEY, YORK), (SYDNEY, YORK)),
        ("", "", ("Nowhere",), ("UTC",)),
        ("", "", (), ("UTC",)),
    ],
)
def test_zones_go_from_the_certain_to_the_possible(timezone, customer, number, expected) -> None:
    window = every_day(timezone=timezone)
    assert zones_of(window, customer_zone=customer, number_zones=number, fallback="UTC") == expected
