"""The instant of the next try: never past, always inside the window, and at the moment that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.enums import ContactState, Outcome
from campaigns.policies.cadence import Cadence, Moment, Rule, Try
from campaigns.policies.calling_window import NEVER_OPEN, WEEKDAYS, default_calling_window, is_open, parse_window
from campaigns.policies.next_try import Hours, next_try_at, part_of
from campaigns.policies.outcomes import AttemptEnd, Progress, RedialRules, settle

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")
EVERY_DAY = parse_window(default_calling_window())
# Neither on Sundays nor in the evening.
OFFICE = parse_window({"days": {day: [["08:00", "12:00"], ["13:00", "17:00"]] for day in WEEKDAYS if day != "sun"}})
MORNINGS = parse_window({"days": {day: [["08:00", "11:00"]] for day in WEEKDAYS}})


def hours(window=EVERY_DAY, zone: str = "Asia/Ho_Chi_Minh") -> Hours:
    return Hours(window, (zone,), key=7)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment in Saigon; 20 November 2026 is a Friday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=SAIGON)


@pytest.mark.parametrize(
    ("window", "last", "earliest", "expected"),
    [
        (EVERY_DAY, at(20, 10, 5), at(20, 10, 20), at(21, 10, 5)),
        (EVERY_DAY, at(20, 10, 5), at(21, 10, 6), at(22, 10, 5)),
        # Saturday to Monday, because nobody is called on Sunday.
        (OFFICE, at(21, 15), at(21, 15, 15), at(23, 15)),
        # Nowhere open at that time: the first opening a day later.
        (MORNINGS, at(20, 15), at(20, 15, 15), at(22, 8)),
    ],
)
def test_next_day_is_the_next_on_which_the_window_is_open_at_that_time(window, last, earliest, expected) -> None:
    found = next_try_at(hours(window), earliest, moment=Moment.NEXT_DAY, dialed_at=[at(19, 9), last])
    assert timedelta(0) <= found - expected <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("window", "dialed_at", "part", "day"),
    [
        (EVERY_DAY, [at(20, 9)], "afternoon", 20),
        (EVERY_DAY, [at(20, 14)], "evening", 20),
        (EVERY_DAY, [at(20, 18)], "morning", 21),
        # Tried in the morning and in the afternoon: the evening is the least known.
        (EVERY_DAY, [at(19, 9), at(20, 14)], "evening", 20),
        (EVERY_DAY, [at(18, 14), at(19, 18), at(20, 9)], "afternoon", 20),
        (EVERY_DAY, [at(18, 9), at(19, 14), at(20, 18)], "morning", 21),
        # Two of three parts: they take turns.
        (OFFICE, [at(21, 14)], "morning", 23),
        (OFFICE, [at(20, 9), at(20, 14)], "morning", 21),
        # One part only: the next day at the same time.
        (MORNINGS, [at(20, 9)], "morning", 21),
    ],
)
def test_another_part_of_the_day_is_the_one_least_tried(window, dialed_at, part, day) -> None:
    found = next_try_at(
        hours(window), dialed_at[-1] + timedelta(minutes=15), moment=Moment.OTHER_PART, dialed_at=dialed_at
    )
    assert (part_of(found, "Asia/Ho_Chi_Minh"), found.astimezone(SAIGON).day) == (part, day)


def test_without_earlier_tries_the_moment_counts_from_the_earliest() -> None:
    assert next_try_at(hours(), at(20, 9), moment=Moment.NEXT_DAY) == at(21, 9)
    assert part_of(next_try_at(hours(), at(20, 9), moment=Moment.OTHER_PART), "Asia/Ho_Chi_Minh") == "afternoon"


@pytest.mark.parametrize("moment", [None, *Moment])
def test_a_window_that_never_opens_leaves_a_time_all_the_same(moment) -> None:
    assert at(20, 9) <= next_try_at(hours(NEVER_OPEN), at(20, 9), moment=moment) <= at(21, 9)


ZONES = st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
MOMENTS = st.integers(0, 730 * 86_400).map(lambda gone_s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=gone_s))
CLOCK = st.integers(0, 47).map(lambda half: f"{half // 2:02}:{half % 2 * 30:02}")
RANGE = st.lists(CLOCK, min_size=2, max_size=2, unique=True)
WINDOWS = st.dictionaries(st.sampled_from(WEEKDAYS), st.lists(RANGE, min_size=1, max_size=2), min_size=1).map(
    lambda days: parse_window({"days": days})
)
WAITS = st.one_of(st.floats(0, 400_000), st.sampled_from(list(Moment)))


@settings(max_examples=60)
@given(WINDOWS, ZONES, MOMENTS, st.integers(0, 200_000), st.none() | st.sampled_from(list(Moment)))
def test_a_try_is_never_too_early_and_always_inside_the_window(window, zone, last, rest_s, moment) -> None:
    earliest = last + timedelta(seconds=rest_s)
    found = next_try_at(hours(window, zone), earliest, moment=moment, dialed_at=[last])
    assert earliest <= found <= earliest + timedelta(days=16)
    assert is_open(window, (zone,), found)


@settings(max_examples=40)
@given(WINDOWS, ZONES, MOMENTS, st.integers(0, 200_000), st.integers(0, 200_000))
def test_a_longer_wait_never_leads_to_an_earlier_try(window, zone, last, one_s, other_s) -> None:
    when = hours(window, zone)
    shorter, longer = (next_try_at(when, last + timedelta(seconds=each)) for each in sorted((one_s, other_s)))
    # Who waits for an opening is called within its first minutes, who comes in these is called at once.
    assert shorter <= longer + timedelta(minutes=10)


@settings(max_examples=40)
@given(WINDOWS, ZONES, MOMENTS, st.lists(WAITS, min_size=1, max_size=6), st.none() | st.integers(1, 9))
def test_a_ladder_goes_forward_and_ends(window, zone, now, waits, most) -> None:
    rules = RedialRules(Cadence((Rule(None, "", tuple(waits), most),)), 20, 900, 14_400)
    when, moments, made = hours(window, zone), [now], list[Try]()
    while True:
        made.append(Try(Outcome.NO_ANSWER, dialed_at=moments[-1]))
        end = AttemptEnd(Outcome.NO_ANSWER, moments[-1] + timedelta(seconds=40))
        step = settle(end, Progress(len(made), 0, made), rules)
        if step.next_attempt_at is None:
            break
        dialed_at = [each.dialed_at for each in made if each.dialed_at]
        moments.append(next_try_at(when, step.next_attempt_at, moment=step.moment, dialed_at=dialed_at))
    assert step.state is ContactState.EXHAUSTED
    assert len(made) <= max(len(waits) + 1, most or 0)
    assert all(later - earlier >= timedelta(seconds=900) for earlier, later in pairwise(moments))
    assert all(is_open(window, (zone,), moment) for moment in moments[1:])


def test_a_skipped_hour_is_no_obstacle() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    last = datetime(2026, 3, 28, 2, 30, tzinfo=berlin)
    always = parse_window({"days": {day: [["00:00", "24:00"]] for day in WEEKDAYS}})
    found = next_try_at(Hours(always, ("Europe/Berlin",), 1), last, moment=Moment.NEXT_DAY, dialed_at=[last])
    assert found == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
