"""Caps of one number: rolling windows over calls that were, or may have been, made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Outcome, RuleProfileName
from campaigns.policies.cadence import default_cadence, parse_cadence
from campaigns.policies.number_caps import DAY, WEEK, EarlierCall, NumberUse, number_use
from campaigns.policies.outcomes import RedialRules
from campaigns.policies.rule_profiles import OwnRules, profile_at, rules_in_force

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
FREE = rules_in_force(profile_at(RuleProfileName.CUSTOM, NOW.date()), OwnRules(), {})
REDIAL = RedialRules(
    parse_cadence(default_cadence()), max_attempts=3, redial_min_s=900, unconfirmed_redial_min_s=14_400
)


def call(hours_ago: float, outcome: Outcome | None = Outcome.BUSY, *, has_talked: bool = False) -> EarlierCall:
    return EarlierCall(NOW - timedelta(hours=hours_ago), outcome, has_talked)


def test_a_number_that_was_not_called_is_free() -> None:
    assert number_use([], replace(FREE, calls_per_day=1, min_gap_s=60), REDIAL, NOW) == NumberUse()


@pytest.mark.parametrize(
    ("per_day", "per_week", "hours_ago", "opens_in_h"),
    [
        (2, None, [1], None),
        (2, None, [1, 5], 19),
        (2, None, [5, 1], 19),
        # More than the cap, from before it was set: room is made when enough of them have left.
        (2, None, [1, 5, 7, 9], 19),
        (1, None, [24], None),
        (None, 2, [1, 100], 68),
        (1, 2, [1, 100], 68),
        (1, 2, [23, 167], 1),
        (None, None, [1, 2, 3, 4], None),
    ],
)
def test_a_cap_opens_when_its_oldest_call_leaves_the_window(per_day, per_week, hours_ago, opens_in_h) -> None:
    rules = replace(FREE, calls_per_day=per_day, calls_per_week=per_week)
    use = number_use([call(hours) for hours in hours_ago], rules, REDIAL, NOW)
    assert use.cap_opens_at == (None if opens_in_h is None else NOW + timedelta(hours=opens_in_h))


@pytest.mark.parametrize(
    ("calls", "min_gap_s", "rested_in_s"),
    [
        ([call(0.1, Outcome.BUSY)], 0, None),
        ([call(0, Outcome.NO_ANSWER)], 0, 900),
        ([call(0, Outcome.BUSY)], 3600, 3600),
        ([call(0, None)], 3600, 3600),
        ([call(0, Outcome.UNCONFIRMED)], 0, 86_400),
        ([call(0, Outcome.FAILED, has_talked=True)], 0, 14_400),
        ([call(0, Outcome.BUSY), call(1, Outcome.UNCONFIRMED)], 60, 82_800),
    ],
)
def test_a_number_rests_for_the_longest_gap_that_applies(calls, min_gap_s, rested_in_s) -> None:
    use = number_use(calls, replace(FREE, min_gap_s=min_gap_s, unconfirmed_gap_s=86_400), REDIAL, NOW)
    assert use.rested_at == (None if rested_in_s is None else NOW + timedelta(seconds=rested_in_s))


@given(st.lists(st.integers(0, 8 * 24 * 60), max_size=60), st.integers(1, 4), st.integers(1, 9))
def test_no_rolling_window_ever_holds_more_than_its_cap(minutes, per_day, per_week) -> None:
    """Dial as soon as the gate says so: every window of 24 hours and 7 days keeps its cap (I9)."""
    rules = replace(FREE, calls_per_day=per_day, calls_per_week=per_week)
    made: list[datetime] = []
    for minute in sorted(minutes):
        now = NOW + timedelta(minutes=minute)
        earlier = [EarlierCall(at, None, False) for at in made if at > now - WEEK]
        use = number_use(earlier, rules, REDIAL, now)
        if use.cap_opens_at is None:
            made.append(now)
        else:
            assert use.cap_opens_at > now
            left = [each for each in earlier if each.dispatched_at > use.cap_opens_at - WEEK]
            assert number_use(left, rules, REDIAL, use.cap_opens_at).cap_opens_at is None
    for window, cap in ((DAY, per_day), (WEEK, per_week)):
        for first in made:
            assert sum(first <= at < first + window for at in made) <= cap
