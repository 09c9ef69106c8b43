"""Outcomes: a contact always comes out with a time to try again or a reason why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import AttemptState, ContactState, Outcome
from campaigns.policies.cadence import Moment, Try, default_cadence, parse_cadence
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


def settled(outcome: Outcome, *, progress: Progress | None = None, rules: RedialRules = RULES, **end):
    progress = progress or Progress(1, 0, [Try(outcome)])
    return settle(AttemptEnd(outcome, NOW, **end), progress, rules)


UNHEARD, TALKED = Try("no_answer"), Try("answered", answered_at=NOW - timedelta(minutes=1))
GO_ON = replace(
    RULES,
    cadence=parse_cadence(
        {"rules": [{"outcome": "answered", "disposition": "not_now", "waits": ["next_day", 60]}, {"waits": [1800]}]}
    ),
)


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
    asked_at = NOW + timedelta(minutes=5) if is_callback else None
    progress = Progress(made, releases, [Try(outcome)] * made, is_canceled, asked_at)
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
    [(Progress(3, 0, [UNHEARD] * 3), "max_attempts"), (Progress(1, 0, [UNHEARD] * 4), "cadence_over")],
)
def test_attempts_used_up(progress, reason) -> None:
    settlement = settled(Outcome.NO_ANSWER, progress=progress)
    assert (settlement.state, settlement.reason) == (ContactState.EXHAUSTED, reason)


def test_an_earlier_late_answer_ends_the_contact() -> None:
    progress = Progress(2, 0, [TALKED, UNHEARD])
    assert settled(Outcome.NO_ANSWER, progress=progress).state is ContactState.DONE
    assert settled(Outcome.NO_ANSWER, progress=progress, claimed_at=NOW).state is ContactState.PENDING


TOMORROW = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("callback_at", "next_attempt_at"),
    [(TOMORROW, TOMORROW), (NOW + timedelta(seconds=60), NOW + timedelta(seconds=900))],
)
def test_who_asks_to_be_called_again_waits_for_that_time_whatever_has_been_tried(callback_at, next_attempt_at) -> None:
    used_up = Progress(3, 0, [UNHEARD, UNHEARD, TALKED])
    settlement = settled(Outcome.ANSWERED, progress=used_up, has_talked=True, callback_at=callback_at)
    assert (settlement.state, settlement.reason) == (ContactState.PENDING, "callback")
    assert settlement.next_attempt_at == next_attempt_at


@pytest.mark.parametrize(
    ("disposition", "state", "reason", "moment"),
    [
        ("not_now", ContactState.PENDING, "answered: not_now", Moment.NEXT_DAY),
        ("sold", ContactState.DONE, "answered", None),
        ("", ContactState.DONE, "answered", None),
    ],
)
def test_a_conversation_may_ask_for_another_try(disposition, state, reason, moment) -> None:
    last = Try("answered", disposition, answered_at=NOW)
    settlement = settled(
        Outcome.ANSWERED, progress=Progress(1, 0, [last]), rules=GO_ON, disposition=disposition, has_talked=True
    )
    assert (settlement.state, settlement.reason, settlement.moment) == (state, reason, moment)


def test_tries_after_a_conversation_end_too() -> None:
    last = Try("answered", "not_now", answered_at=NOW)

    def after(made: int, *, is_over: bool = False) -> str:
        progress = Progress(1, 0, [last] * made, is_campaign_over=is_over)
        return settled(Outcome.ANSWERED, progress=progress, rules=GO_ON, disposition="not_now").reason

    assert [after(2), after(3), after(1, is_over=True)] == ["answered: not_now", "cadence_over", "answered"]


def test_an_earlier_conversation_that_asked_for_another_try_does_not_end_the_contact() -> None:
    progress = Progress(2, 0, [Try("answered", "not_now", answered_at=NOW), UNHEARD])
    assert settled(Outcome.NO_ANSWER, progress=progress, rules=GO_ON).state is ContactState.PENDING


def test_a_wish_from_another_call_held_meanwhile_is_waited_for() -> None:
    progress = Progress(2, 0, [TALKED, UNHEARD], callback_at=TOMORROW)
    settlement = settled(Outcome.NO_ANSWER, progress=progress)
    assert (settlement.reason, settlement.next_attempt_at) == ("callback", TOMORROW)


def test_who_is_on_no_list_any_more_is_not_tried_again() -> None:
    progress = Progress(1, 0, [UNHEARD], is_list_removed=True)
    settlement = settled(Outcome.NO_ANSWER, progress=progress)
    assert (settlement.state, settlement.reason) == (ContactState.CANCELED, "list_removed")


def test_never_again_outweighs_a_callback() -> None:
    settlement = settled(Outcome.ANSWERED, disposition="do_not_call", callback_at=TOMORROW)
    assert settlement.state is ContactState.BLOCKED


def test_a_callback_nobody_takes_is_tried_again_by_the_cadence() -> None:
    progress = Progress(2, 0, [TALKED, UNHEARD], callback_at=NOW)
    settlement = settled(Outcome.NO_ANSWER, progress=progress)
    assert (settlement.state, settlement.reason) == (ContactState.PENDING, "no_answer")


def test_a_release_with_a_known_opening_waits_for_it_and_resets_the_back_off() -> None:
    opens_at = NOW + timedelta(hours=3)
    settlement = settled(Outcome.RELEASED, progress=Progress(0, 5, []), retry_at=opens_at, reason="outside_window")
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
