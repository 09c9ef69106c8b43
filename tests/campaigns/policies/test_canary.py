"""Judging the first calls of a campaign."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import CanaryState
from campaigns.policies.canary import CanaryCount, CanaryLimits, calls_left, in_words, judge

LIMITS = CanaryLimits(10, 0.3, 0.2)


@pytest.mark.parametrize(
    ("begun", "undecided", "answered", "failed", "expected"),
    [
        (0, 0, 0, 0, CanaryState.RUNNING),
        (10, 1, 3, 0, CanaryState.RUNNING),
        (10, 0, 3, 2, CanaryState.PASSED),
        (10, 0, 2, 0, CanaryState.FAILED),
        (8, 0, 0, 0, CanaryState.FAILED),
        (7, 0, 0, 0, CanaryState.RUNNING),
        (3, 0, 0, 3, CanaryState.FAILED),
        (3, 0, 1, 2, CanaryState.RUNNING),
    ],
)
def test_the_first_calls_are_judged_as_soon_as_it_is_certain(begun, undecided, answered, failed, expected) -> None:
    assert judge(CanaryCount(begun, undecided, answered, failed), LIMITS) is expected


@given(st.integers(0, 50), st.floats(0, 1), st.floats(0, 1), st.lists(st.sampled_from("afn"), max_size=60))
def test_a_verdict_never_changes_while_calls_end(calls: int, answered_min, failed_max, ends: list[str]) -> None:
    limits = CanaryLimits(calls, answered_min, failed_max)
    verdicts = []
    for so_far in range(min(calls, len(ends)) + 1):
        ended = ends[:so_far]
        count = CanaryCount(min(calls, so_far + 3), min(calls, so_far + 3) - so_far, ended.count("a"), ended.count("f"))
        assert count.begun + calls_left(count, limits) == calls
        verdicts.append(judge(count, limits))
    decided = [verdict for verdict in verdicts if verdict is not CanaryState.RUNNING]
    assert len(set(decided)) <= 1
    assert decided == (verdicts[-len(decided) :] if decided else [])
    if len(ends) >= calls:
        assert decided


def test_a_careful_start_of_no_calls_has_passed() -> None:
    assert judge(CanaryCount(0, 0, 0, 0), CanaryLimits(0, 0.5, 0)) is CanaryState.PASSED


def test_people_read_the_numbers() -> None:
    assert in_words(CanaryCount(10, 2, 1, 3), LIMITS) == (
        "of the first 10 calls 8 are decided, 1 were answered (at least 30% must be) and 3 failed (at most 20% may)"
    )
