"""An agent's outages, derived from the ends of its calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.agent_breaker import AgentCall, AgentResult, outage, trial_at

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
WORKED, FAILED, BROKEN = AgentResult.WORKED, AgentResult.FAILED, AgentResult.BROKEN


def ends(*results: AgentResult, every_s: float = 10, first: datetime = NOW, took_s: float = 5) -> list[AgentCall]:
    moments = [first + timedelta(seconds=every_s * number) for number in range(len(results))]
    return [AgentCall(at - timedelta(seconds=took_s), at, result) for at, result in zip(moments, results, strict=True)]


@pytest.mark.parametrize(
    "calls",
    [
        [],
        ends(*[WORKED] * 50),
        ends(*[FAILED] * 9),
        ends(*[WORKED] * 8, *[FAILED] * 2),
        # Each is alone in its five minutes.
        ends(*[FAILED] * 20, every_s=301),
        ends(*[FAILED] * 9, WORKED, WORKED),
        ends(BROKEN, WORKED, every_s=30),
    ],
    ids=["no calls", "all well", "too few", "a fifth", "too far apart", "works by now", "worked since"],
)
def test_agent_is_trusted(calls) -> None:
    assert outage(calls) is None


def test_three_of_ten_failures_are_an_outage() -> None:
    calls = ends(*[WORKED] * 7, *[FAILED] * 3)
    found = outage(calls)
    assert found is not None
    assert (found.since, found.reason) == (calls[-1].ended_at, "3 of its 10 calls within five minutes failed.")


def test_one_failure_that_no_retry_can_help_is_an_outage() -> None:
    found = outage(ends(WORKED, BROKEN, FAILED))
    assert found is not None
    assert found.since == NOW + timedelta(seconds=10)


def test_an_outage_outlasts_the_five_minutes_it_came_from() -> None:
    found = outage([*ends(*[FAILED] * 10), *ends(FAILED, FAILED, first=NOW + timedelta(hours=3), every_s=60)])
    assert found is not None
    assert found.since == NOW + timedelta(seconds=90)


def test_a_trial_that_works_ends_the_outage_and_clears_the_count() -> None:
    later = NOW + timedelta(minutes=2)
    assert outage([*ends(*[FAILED] * 10), *ends(WORKED, FAILED, FAILED, FAILED, first=later)]) is None


def test_a_conversation_older_than_the_outage_does_not_end_it() -> None:
    later = NOW + timedelta(minutes=2)
    assert outage([*ends(*[FAILED] * 10), *ends(WORKED, first=later, took_s=600)]) is not None


@given(st.lists(st.tuples(st.sampled_from(AgentResult), st.integers(0, 400), st.integers(0, 900))))
def test_an_outage_began_with_a_failure_among_the_calls(steps) -> None:
    calls, at = [], NOW
    for result, wait_s, took_s in steps:
        at += timedelta(seconds=wait_s)
        calls.append(AgentCall(at - timedelta(seconds=took_s), at, result))
    found = outage(calls)
    if found is not None:
        assert any(call.ended_at == found.since and call.result is not WORKED for call in calls)
        assert not any(call.result is WORKED and call.started_at > found.since for call in calls)


def test_trials_are_a_minute_apart() -> None:
    assert trial_at(None, NOW) == NOW
    assert trial_at(NOW, NOW) == NOW + timedelta(minutes=1)
