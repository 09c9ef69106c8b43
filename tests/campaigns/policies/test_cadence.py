"""Cadence: ladders of waits, and what a campaign may write there."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Outcome
from campaigns.policies.cadence import (
    LADDER_NAMES,
    RELEASE_WAIT_MAX_S,
    default_cadence,
    parse_cadence,
    release_wait_s,
)

TWO = {"waits_s": {"busy": [10, 20], "default": [100, 200, 300], "machine": []}}


@pytest.mark.parametrize(
    ("outcome", "ended", "wait_s"),
    [
        (Outcome.BUSY, {"busy": 1}, 10),
        (Outcome.BUSY, {"busy": 2, "no_answer": 5}, 20),
        (Outcome.BUSY, {"busy": 3}, None),
        (Outcome.NO_ANSWER, {"no_answer": 1, "busy": 2}, 100),
        (Outcome.UNCONFIRMED, {"no_answer": 1, "unconfirmed": 1}, 200),
        (Outcome.FAILED, {"failed": 4}, None),
        (Outcome.MACHINE, {"machine": 1}, None),
        (Outcome.NO_ANSWER, {}, None),
    ],
)
def test_ladder_by_outcome(outcome, ended, wait_s) -> None:
    assert parse_cadence(TWO).next_wait_s(outcome, ended) == wait_s


def test_empty_cadence_gives_up_at_once() -> None:
    assert parse_cadence({}).next_wait_s(Outcome.NO_ANSWER, {"no_answer": 1}) is None


@given(st.lists(st.sampled_from(["busy", "no_answer", "unconfirmed", "failed"]), max_size=12))
def test_default_cadence_always_ends(outcomes: list[str]) -> None:
    cadence, ended = parse_cadence(default_cadence()), Counter[str]()
    waits = []
    for outcome in outcomes:
        ended[outcome] += 1
        waits.append(cadence.next_wait_s(outcome, ended))
    assert sum(wait is not None for wait in waits) <= 6


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], 'A cadence is an object with one key, "waits_s".'),
        ({"wait": {}}, 'A cadence is an object with one key, "waits_s".'),
        ({"waits_s": []}, '"waits_s" must be an object whose keys are among ' + ", ".join(LADDER_NAMES) + "."),
        (
            {"waits_s": {"answered": [1]}},
            '"waits_s" must be an object whose keys are among ' + ", ".join(LADDER_NAMES) + ".",
        ),
        ({"waits_s": {"busy": 5}}, "The ladder 'busy' must be a list of at most 20 waits in seconds."),
        ({"waits_s": {"busy": [1] * 21}}, "The ladder 'busy' must be a list of at most 20 waits in seconds."),
        ({"waits_s": {"busy": ["5"]}}, "The waits of 'busy' must be numbers of seconds."),
        ({"waits_s": {"busy": [True]}}, "The waits of 'busy' must be numbers of seconds."),
        ({"waits_s": {"busy": [-1]}}, "The waits of 'busy' must lie between 0 and 7776000 seconds."),
        ({"waits_s": {"busy": [float("nan")]}}, "The waits of 'busy' must lie between 0 and 7776000 seconds."),
    ],
)
def test_bad_cadence_says_what_is_wrong(raw, message) -> None:
    with pytest.raises(ValueError) as refused:
        parse_cadence(raw)
    assert str(refused.value) == message


@given(st.integers(0, 40_000))
def test_release_wait_grows_to_its_bound(releases: int) -> None:
    assert 5 <= release_wait_s(releases) <= release_wait_s(releases + 1) <= RELEASE_WAIT_MAX_S
