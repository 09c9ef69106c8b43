"""Calling windows: what is written, what is open, and when it opens next, through every change of the clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.policies.calling_window import (
    OPENING_SPREAD,
    WEEKDAYS,
    closed_date_in,
    default_calling_window,
    is_open,
    next_opening,
    parse_hours,
    parse_window,
    spread_opening,
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


ADS = (8 * 60, 17 * 60)
BY_HANOI = replace(every_day(("08:00", "22:00"), timezone=HANOI), legal_hours=ADS)


@pytest.mark.parametrize(
    ("window", "zones", "now", "expected"),
    [
        # The profile's hours are narrower than the campaign's own, where the customer is.
        (replace(WORK, legal_hours=ADS), (HANOI,), at("2026-11-20 16:30"), True),
        (replace(WORK, legal_hours=ADS), (HANOI,), at("2026-11-20 16:58"), False),
        (replace(WORK, legal_hours=ADS), (HANOI,), at("2026-11-20 19:00"), False),
        # The campaign goes by the clock of Hanoi, the profile by the customer's.
        (
            replace(every_day(("08:00", "22:00"), timezone=HANOI), legal_hours=ADS),
            (YORK,),
            at("2026-11-20 21:00"),
            True,
        ),
        (
            replace(every_day(("08:00", "22:00"), timezone=HANOI), legal_hours=ADS),
            (YORK,),
            at("2026-11-20 12:00"),
            False,
        ),
        (
            replace(every_day(("08:00", "22:00"), timezone=HANOI), legal_hours=ADS),
            (YORK,),
            at("2026-11-20 22:30"),
            False,
        ),
    ],
)
def test_the_hours_of_a_profile_hold_where_the_customer_is(window, zones, now, expected) -> None:
    assert is_open(window, zones, now) is expected


def test_with_a_profiles_hours_the_customers_zone_is_asked_for_whatever_clock_the_campaign_has() -> None:
    window = replace(every_day(timezone=YORK), legal_hours=ADS)
    assert zones_of(window, customer_zone=HANOI, number_zones=(), fallback="UTC") == (HANOI,)
    assert (window.is_by_own_clock, replace(window, legal_hours=None).is_by_own_clock) == (False, True)


@pytest.mark.parametrize(
    ("ranges", "legal_hours", "timezone", "expected"),
    [
        ([("17:00", "20:00")], ADS, "", True),
        ([("16:00", "20:00")], ADS, "", False),
        ([("22:00", "09:00")], ADS, "", False),
        ([("22:00", "08:00")], ADS, "", True),
        ([("17:00", "20:00")], ADS, YORK, False),
        ([("17:00", "20:00")], None, "", False),
    ],
)
def test_a_window_outside_its_profiles_hours_never_opens(ranges, legal_hours, timezone, expected) -> None:
    window = replace(every_day(*ranges, timezone=timezone), legal_hours=legal_hours)
    assert window.is_never_open is expected
    if expected:
        assert next_opening(window, (HANOI,), at("2026-11-20 10:00")) is None


TET = frozenset(date(2027, 2, day) for day in range(5, 14))
LONG = replace(WORK, closed_dates=frozenset(date(2026, 11, 20) + timedelta(days=day) for day in range(40)))


@pytest.mark.parametrize(
    ("window", "zones", "now", "opens_at"),
    [
        (replace(WORK, closed_dates=TET), (HANOI,), at("2027-02-04 20:30"), at("2027-02-14 08:00")),
        (replace(WORK, closed_dates=TET), (HANOI,), at("2027-02-09 09:00"), at("2027-02-14 08:00")),
        # Friday night runs into a Saturday that is closed, and is open again before midnight only.
        (replace(NIGHT, closed_dates=frozenset({date(2026, 11, 21)})), (HANOI,), at("2026-11-21 01:00"), None),
        # The date is closed, the night after it is not.
        (
            replace(NIGHT, closed_dates=frozenset({date(2026, 11, 20)})),
            (HANOI,),
            at("2026-11-20 23:00"),
            at("2026-11-21 00:00"),
        ),
        # It is a closed date in one of the zones.
        (
            replace(every_day(("00:00", "24:00")), closed_dates=frozenset({date(2026, 11, 20)})),
            (HANOI, YORK),
            at("2026-11-20 00:00"),
            at("2026-11-21 00:00", YORK),
        ),
        (LONG, (HANOI,), at("2026-11-20 09:00"), at("2026-12-30 08:00")),
    ],
)
def test_a_blackout_date_is_closed_where_the_customer_is(window, zones, now, opens_at) -> None:
    assert is_open(window, zones, now) is False
    assert next_opening(window, zones, now) == opens_at or opens_at is None


def test_the_last_minutes_before_a_blackout_date_count_to_it() -> None:
    window = replace(every_day(("00:00", "24:00")), closed_dates=TET)
    before = at("2027-02-04 23:58:30")
    assert is_open(window, (HANOI,), before) is False
    assert closed_date_in(window, (HANOI,), before) == date(2027, 2, 5)
    assert closed_date_in(window, (HANOI,), at("2027-02-04 23:00")) is None


@given(st.lists(st.integers(1, 10**9), min_size=200, max_size=200, unique=True))
@settings(max_examples=10)
def test_an_opening_is_spread_over_ten_minutes_and_stays_in_the_window(keys) -> None:
    opens_at = at("2026-11-20 08:00")
    moments = [spread_opening(WORK, (HANOI,), opens_at, key=key) for key in keys]
    assert all(opens_at <= moment < opens_at + OPENING_SPREAD for moment in moments)
    assert moments == [spread_opening(WORK, (HANOI,), opens_at, key=key) for key in keys]
    short = every_day(("08:00", "08:04"))
    assert all(is_open(short, (HANOI,), spread_opening(short, (HANOI,), opens_at, key=key)) for key in keys)


def test_neighbouring_contacts_do_not_open_together() -> None:
    opens_at = at("2026-11-20 08:00")
    moments = [spread_opening(WORK, (HANOI,), opens_at, key=key) for key in range(1, 6001)]
    assert max(moments.count(moment) for moment in set(moments)) <= 25


@pytest.mark.parametrize("hours", [("08:00", "08:00"), ("17:00", "08:00"), ("8", "17:00"), ("08:00", "24:30")])
def test_hours_that_hold_no_time_are_refused(hours) -> None:
    with pytest.raises(ValueError):
        parse_hours(*hours)


def test_hours_are_minutes_of_the_day() -> None:
    assert parse_hours("08:00", "24:00") == (480, 1440)


# Every way in which clocks change somewhere: by an hour and by half an hour, north and south, at midnight, around
# Ramadan, and zones that gave it up within these years.
CHANGING_ZONES = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Halifax",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Asuncion",
    "America/Mexico_City",
    "America/Nuuk",
    "Atlantic/Azores",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Lisbon",
    "Europe/Paris",
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Chisinau",
    "Europe/Kyiv",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Asia/Amman",
    "Asia/Damascus",
    "Asia/Tehran",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Australia/Hobart",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Norfolk",
    "Pacific/Fiji",
    "Pacific/Easter",
    "Antarctica/Troll",
]


def clock_changes(zone: ZoneInfo) -> list[datetime]:
    """The hours of 2020 to 2035 within which the zone's offset changes."""
    hour, found = datetime(2020, 1, 1, tzinfo=UTC), []
    before = hour.astimezone(zone).utcoffset()
    while hour.year < 2036:
        # By days, and by hours only where a day holds a change.
        day_on = hour + timedelta(days=1)
        if day_on.astimezone(zone).utcoffset() == before:
            hour = day_on
            continue
        while hour.astimezone(zone).utcoffset() == before:
            hour += timedelta(hours=1)
        found.append(hour - timedelta(hours=1))
        before = hour.astimezone(zone).utcoffset()
    return found


@pytest.mark.parametrize("name", CHANGING_ZONES)
def test_no_change_of_the_clocks_lets_a_call_out_of_the_window(name: str) -> None:
    """Around every change from 2020 to 2035 the window is open exactly while the wall shows its hours."""
    zone, window = ZoneInfo(name), every_day(("00:00", "01:15"), ("02:30", "03:10"), ("08:00", "20:00"))
    for change in clock_changes(zone):
        for step in range(-8, 13):
            moment = change + timedelta(minutes=15 * step)
            on_the_wall = [(moment + timedelta(seconds=s)).astimezone(zone) for s in (0, 120)]
            shown = [wall.hour * 60 + wall.minute for wall in on_the_wall]
            expected = all(m < 75 or 150 <= m < 190 or 480 <= m < 1200 for m in shown)
            assert is_open(window, (name,), moment) is expected
        opening = next_opening(window, (name,), change)
        assert opening is not None
        assert is_open(window, (name,), opening)
        assert opening == change or not is_open(window, (name,), opening - timedelta(seconds=1))
