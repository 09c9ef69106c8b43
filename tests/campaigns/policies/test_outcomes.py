"""Outcomes: a contact always comes out with a time to try again or a reason why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import AttemptState, ContactState, Outcome
from campaigns.policies.cadence import default_cadence, parse_cadence
from campaigns.policies.outcomes import (
    MISSED_DEADLINES,
    AttemptEnd,
    Progress,
    RedialRules,
    is_counted,
    outcome_of,
    settle,
)
from campaigns.states import ATTEMPT_STEPS, CONTACT_STEPS, FINAL_CONTACT_STATES

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
RULES = RedialRules(parse_cadence(default_cadence()), 3, redial_min_s=900, unconfirmed_redial_min_s=14_400)
ONCE = Progress(1, 0, {"busy": 1})


def settled(outcome: Outcome, *, progress: Progress | None = None, rules: RedialRules = RULES, **end):
    progress = progress or Progress(1, 0, {outcome.value: 1})
    return settle(AttemptEnd(outcome, NOW, **end), progress, rules)


@given(
    st.sampled_from(Outcome),
    st.integers(0, 6),
    st.integers(0, 40),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "voicemail", "do_not_call", "completed"]),
    st.booleans(),
    st.none() | st.integers(-9_000, 9_000),
)
def test_nobody_is_lost(outcome, made, releases, is_canceled, has_talked, disposition, is_callback, callback_s) -> None:
    progress = Progress(made, releases, {outcome.value: made}, is_canceled, is_callback)
    callback_at = None if callback_s is None else NOW + timedelta(seconds=callback_s)
    settlement = settled(
        outcome,
        progress=progress,
        disposition=disposition,
        has_talked=has_talked,
        reason="why",
        callback_at=callback_at,
    )
    assert settlement.state in CONTACT_STEPS[ContactState.DIALING]
    assert settlement.reason
    is_waiting = settlement.state is ContactState.PENDING
    assert (settlement.next_attempt_at is not None) is is_waiting
    assert is_waiting is (settlement.state not in FINAL_CONTACT_STATES)
    if settlement.next_attempt_at is not None:
        assert settlement.next_attempt_at >= NOW
        assert not is_canceled


@pytest.mark.parametrize(
    ("outcome", "has_talked", "wait_s"),
    [
        (Outcome.BUSY, False, 600),
        (Outcome.NO_ANSWER, False, 1800),
        (Outcome.UNCONFIRMED, False, 14_400),
        (Outcome.FAILED, False, 1800),
        (Outcome.FAILED, True, 14_400),
        (Outcome.MACHINE, True, 1800),
    ],
)
def test_the_wait_is_the_longer_of_ladder_and_floor(outcome, has_talked, wait_s) -> None:
    assert settled(outcome, has_talked=has_talked).next_attempt_at == NOW + timedelta(seconds=wait_s)


def test_a_ladder_below_the_floor_waits_for_the_floor() -> None:
    rules = RedialRules(parse_cadence({"waits_s": {"default": [1]}}), 3, 900, 14_400)
    assert settled(Outcome.NO_ANSWER, rules=rules).next_attempt_at == NOW + timedelta(seconds=900)
    assert settled(Outcome.CONGESTION, rules=rules).next_attempt_at == NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("progress", "reason"),
    [(Progress(3, 0, {"no_answer": 3}), "max_attempts"), (Progress(1, 0, {"no_answer": 4}), "cadence_over")],
)
def test_attempts_used_up(progress, reason) -> None:
    settlement = settled(Outcome.NO_ANSWER, progress=progress)
    assert (settlement.state, settlement.reason) == (ContactState.EXHAUSTED, reason)


def test_an_earlier_late_answer_ends_the_contact() -> None:
    progress = Progress(2, 0, {"answered": 1, "no_answer": 1})
    assert settled(Outcome.NO_ANSWER, progress=progress).state is ContactState.DONE


TOMORROW = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("callback_at", "next_attempt_at"),
    [(TOMORROW, TOMORROW), (NOW + timedelta(seconds=60), NOW + timedelta(seconds=900))],
)
def test_who_asks_to_be_called_again_waits_for_that_time_whatever_has_been_tried(callback_at, next_attempt_at) -> None:
    used_up = Progress(3, 0, {"answered": 1, "no_answer": 2})
    settlement = settled(Outcome.ANSWERED, progress=used_up, has_talked=True, callback_at=callback_at)
    assert (settlement.state, settlement.reason) == (ContactState.PENDING, "callback")
    assert settlement.next_attempt_at == next_attempt_at


def test_never_again_outweighs_a_callback() -> None:
    settlement = settled(Outcome.ANSWERED, disposition="do_not_call", callback_at=TOMORROW)
    assert settlement.state is ContactState.BLOCKED


def test_a_callback_nobody_takes_is_tried_again_by_the_cadence() -> None:
    progress = Progress(2, 0, {"answered": 1, "no_answer": 1}, is_callback=True)
    settlement = settled(Outcome.NO_ANSWER, progress=progress)
    assert (settlement.state, settlement.reason) == (ContactState.PENDING, "no_answer")


def test_a_release_with_a_known_opening_waits_for_it_and_resets_the_back_off() -> None:
    opens_at = NOW + timedelta(hours=3)
    settlement = settled(Outcome.RELEASED, progress=Progress(0, 5, {}), retry_at=opens_at, reason="outside_window")
    assert (settlement.next_attempt_at, settlement.releases) == (opens_at, 0)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_what_was_surely_not_sent_does_not_count(outcome: Outcome) -> None:
    assert is_counted(outcome) is (outcome not in ("released", "blocked", "canceled"))


@pytest.mark.parametrize(
    ("outcome", "disposition", "corrected"),
    [
        (Outcome.ANSWERED, "voicemail", Outcome.MACHINE),
        (Outcome.ANSWERED, "completed", Outcome.ANSWERED),
        (Outcome.FAILED, "voicemail", Outcome.FAILED),
    ],
)
def test_a_conversation_may_turn_out_to_be_none(outcome, disposition, corrected) -> None:
    assert outcome_of(outcome, disposition) is corrected


def test_every_open_state_has_a_way_out_at_its_deadline() -> None:
    assert set(MISSED_DEADLINES) == set(AttemptState) - {AttemptState.ENDED}
    for state, missed in MISSED_DEADLINES.items():
        assert missed.to in ATTEMPT_STEPS[state]
        assert (missed.outcome is None) is (missed.to is not AttemptState.ENDED)
