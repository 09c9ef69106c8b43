"""Planning starts: spaced, shared by weight, and never leaving a line empty while somebody is due. On virtual time."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.policies.fair_share import STARVING_S, Lane, plan_starts
from campaigns.policies.pacing import HORIZON_S, TokenBucket

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@dataclass
class World:
    """A trunk and its campaigns under a tick that comes every second, more or less."""

    rate_per_s: float
    lines: int
    lanes: dict[str, Lane[str]]
    dice: random.Random
    talk_s: tuple[float, float] = (20, 60)
    late_s: float = 0.05
    trunk: TokenBucket = field(default_factory=lambda: TokenBucket(0, None))
    starts: list[tuple[float, str]] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    lines_used: list[int] = field(default_factory=list)

    def run(self, seconds: int) -> None:
        for second in range(seconds):
            self.tick(second + self.dice.uniform(0, self.late_s))

    def tick(self, at_s: float) -> None:
        now = NOW + timedelta(seconds=at_s)
        self.ends = [end for end in self.ends if end > at_s]
        self.lines_used.append(len(self.ends))
        lanes = [
            replace(
                lane,
                bucket=lane.bucket.refilled(rate_per_s=lane.rate_per_s, now=now),
                waited_s=at_s - max((at for at, key in self.starts[-500:] if key == lane.key), default=0.0),
            )
            for lane in self.lanes.values()
        ]
        trunk = self.trunk.refilled(rate_per_s=self.rate_per_s, now=now)
        free = self.lines - len(self.ends)
        plan = plan_starts(lanes, trunk, rate_per_s=self.rate_per_s, limit=free, horizon_s=HORIZON_S)
        self.trunk = plan.trunk
        self.lanes = {lane.key: lane for lane in plan.lanes}
        for start in plan.starts:
            begins_s = at_s + start.delay_s
            self.starts.append((begins_s, start.key))
            self.ends.append(begins_s + self.dice.uniform(*self.talk_s))

    def most_in_a_second(self, key: str = "") -> int:
        times = sorted(at for at, whose in self.starts if not key or whose == key)
        # A hair less than a second: the next start after a full one is exactly a second later.
        return max((bisect_right(times, at + 1 - 1e-6) - place for place, at in enumerate(times)), default=0)

    def counts(self) -> Counter[str]:
        return Counter(key for _, key in self.starts)


def lane(key: str, *, calls: int = 10**6, rate_per_s: float = 1000, **fields) -> Lane[str]:
    return Lane(key, calls, TokenBucket(0, None), rate_per_s, **fields)


def world(*lanes: Lane[str], rate_per_s: float = 10, lines: int = 10**6, **fields) -> World:
    return World(rate_per_s, lines, {one.key: one for one in lanes}, random.Random(7), **fields)


rates = st.floats(0.2, 40)


@settings(max_examples=60, deadline=None)
@given(rates, st.lists(st.tuples(rates, st.integers(-1, 1), st.integers(1, 5)), min_size=1, max_size=4), st.randoms())
def test_no_second_holds_more_starts_than_the_rate(rate_per_s, campaigns, dice) -> None:
    lanes = [
        lane(str(place), rate_per_s=own, priority=priority, weight=weight)
        for place, (own, priority, weight) in enumerate(campaigns)
    ]
    made = replace(world(*lanes, rate_per_s=rate_per_s), dice=dice, late_s=0.9)
    made.run(12)
    assert made.most_in_a_second() <= math.ceil(rate_per_s)
    for one in lanes:
        assert made.most_in_a_second(one.key) <= math.ceil(one.rate_per_s)


@pytest.mark.parametrize("late_s", [0.0, 0.2])
def test_the_pace_is_used_up_though_ticks_are_late(late_s: float) -> None:
    made = world(lane("a"), rate_per_s=12, late_s=late_s)
    made.run(100)
    assert len(made.starts) >= 0.95 * 12 * 100


def test_lines_are_kept_full_while_somebody_is_due() -> None:
    made = world(lane("a"), lane("b", rate_per_s=0.3), lines=40, rate_per_s=12)
    made.run(300)
    full = made.lines_used[20:]
    assert max(full) <= 40
    assert sum(full) / len(full) >= 0.95 * 40


def test_shares_follow_the_weights() -> None:
    made = world(lane("a", weight=3), lane("b", weight=1), lane("c", weight=1))
    made.run(200)
    counts = made.counts()
    assert counts["a"] / counts["b"] == pytest.approx(3, rel=0.05)
    assert counts["b"] == pytest.approx(counts["c"], rel=0.05)


def test_what_one_leaves_the_others_take() -> None:
    made = world(lane("a", weight=9, calls=5), lane("b", rate_per_s=2), lane("c"))
    made.run(60)
    counts = made.counts()
    assert counts["a"] == 5
    assert len(made.starts) >= 0.95 * 600


def test_who_comes_back_gets_no_more_than_a_few_starts_of_what_it_missed() -> None:
    made = world(lane("a"), lane("b", calls=0))
    made.run(60)
    made.lanes["b"] = replace(made.lanes["b"], calls=10**6)
    made.starts.clear()
    made.run(4)
    assert made.counts()["b"] <= made.counts()["a"] + 4


def test_the_higher_priority_goes_first_and_nobody_starves() -> None:
    made = world(lane("low"), lane("high", priority=5), rate_per_s=2)
    made.run(600)
    low = [at for at, key in made.starts if key == "low"]
    gaps = [after - before for before, after in zip([0.0, *low], low, strict=False)]
    assert len(low) <= 12
    assert max(gaps) <= STARVING_S + 2


@given(st.integers(0, 5), st.lists(st.integers(0, 4), max_size=4))
def test_a_plan_starts_nothing_that_is_not_there(limit: int, calls: list[int]) -> None:
    lanes = [lane(str(place), calls=count) for place, count in enumerate(calls)]
    plan = plan_starts(lanes, TokenBucket(1, NOW), rate_per_s=1000, limit=limit, horizon_s=HORIZON_S)
    assert len(plan.starts) == min(limit, sum(calls))
    for one, after in zip(lanes, plan.lanes, strict=True):
        assert one.calls - after.calls == sum(start.key == one.key for start in plan.starts)
