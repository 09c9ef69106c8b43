"""What comes of a dialed number in a rehearsal."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from campaigns.enums import EndedBy, Outcome
from campaigns.policies import rehearsed_calls
from campaigns.policies.launch_estimate import ASSUMED
from campaigns.policies.rehearsed_calls import (
    Fate,
    Odds,
    PastCall,
    Talk,
    assumed_odds,
    fate_by_number,
    odds_of_past,
    odds_of_shares,
)
from telephony.psr.classifier import DialVerdict, TrunkAction, classify
from telephony.simulator.behaviour_table import BY_NAME
from telephony.simulator.options import Options

TALK = Talk(20, EndedBy.CUSTOMER_HANGUP, "completed")


def test_the_waits_are_the_simulators() -> None:
    defaults = Options()
    assert (defaults.ring_min_s, defaults.ring_max_s) == rehearsed_calls.SIMULATED_PICKUP_S
    assert defaults.late_connect_s == rehearsed_calls.SIMULATED_LATE_S
    assert defaults.throttle_s == rehearsed_calls.SIMULATED_THROTTLE_S


def test_every_talk_is_of_a_behaviour_that_there_is() -> None:
    assert rehearsed_calls.TALKS.keys() <= BY_NAME.keys()


@pytest.mark.parametrize(
    ("ending", "verdict", "is_answered"),
    [
        ("00", DialVerdict.PLACED, True),
        ("55", DialVerdict.PLACED, False),
        ("64", DialVerdict.PLACED, False),
        ("70", DialVerdict.PLACED, True),
        ("75", DialVerdict.REFUSED, False),
        ("77", DialVerdict.UNKNOWN, False),
        ("79", DialVerdict.NOT_SENT, False),
        ("80", DialVerdict.NOT_SENT, False),
        ("81", DialVerdict.UNKNOWN, True),
        ("82", DialVerdict.UNKNOWN, False),
        ("83", DialVerdict.UNKNOWN, True),
        ("84", DialVerdict.UNKNOWN, True),
        ("85", DialVerdict.UNKNOWN, False),
        ("86", DialVerdict.UNKNOWN, False),
        ("87", DialVerdict.UNKNOWN, True),
        ("88", DialVerdict.PLACED, False),
        ("91", DialVerdict.PLACED, True),
    ],
)
def test_the_digits_decide_as_in_the_simulator(ending: str, verdict: DialVerdict, is_answered: bool) -> None:
    fate = fate_by_number(f"09123456{ending}", 1, Random(1))
    assert (classify(fate.answer("id")).dial, fate.is_answered) == (verdict, is_answered)


def test_who_is_throttled_gets_through_the_second_time() -> None:
    first, second = (fate_by_number("0912345680", nth, Random(1)) for nth in (1, 2))
    verdict = classify(first.answer("id"))
    assert (verdict.trunk_action, verdict.retry_after_s) == (TrunkAction.THROTTLE, 2)
    assert second.is_answered


def test_the_assumed_people_are_those_of_the_forecast() -> None:
    odds = assumed_odds()
    assert odds.answer_rate == pytest.approx(ASSUMED.answer_rate)
    assert odds.talk_s == pytest.approx(ASSUMED.talk_s)


def test_draws_follow_the_weights() -> None:
    odds = odds_of_shares({"busy": 1, "all_yes": 3})
    drawn = Counter(odds.draw(Random(seed)).name for seed in range(2000))
    assert drawn["all_yes"] / 2000 == pytest.approx(0.75, abs=0.05)


def test_ringing_is_drawn_where_it_is_not_known() -> None:
    fate = odds_of_shares({"all_yes": 1}).draw(Random(1))
    assert fate.connects_after_s is not None
    assert rehearsed_calls.PICKUP_S[0] <= fate.connects_after_s <= rehearsed_calls.PICKUP_S[1]


def test_rate_and_talk_can_be_chosen() -> None:
    odds = odds_of_shares({"busy": 1, "all_yes": 1, "no_time": 1}).with_answer_rate(0.2).with_talk_s(100)
    assert odds.answer_rate == pytest.approx(0.2)
    assert odds.talk_s == pytest.approx(100)


@pytest.mark.parametrize("shares", [{"busy": 1}, {"all_yes": 1}])
def test_a_rate_needs_calls_of_both_kinds(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="both"):
        odds_of_shares(shares).with_answer_rate(0.5)


def test_talk_of_nobody_stays_nothing() -> None:
    assert odds_of_shares({"busy": 1}).with_talk_s(10).talk_s == 0


@pytest.mark.parametrize(("shares", "said"), [({"nobody": 1}, "no behaviour 'nobody'"), ({"busy": 0}, "greater")])
def test_wrong_shares_are_refused(shares: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        odds_of_shares(shares)


def test_a_line_is_held_for_ringing_and_talk() -> None:
    assert Odds({Fate("x", connects_after_s=5, talk=TALK): 1, Fate("y"): 1}).line_s(75) == pytest.approx(50)
    assert odds_of_shares({"hangs_up_early": 1}).line_s(75) == pytest.approx(14)


@pytest.mark.parametrize(
    ("call", "verdict", "is_answered"),
    [
        (PastCall(Outcome.ANSWERED, "agent_hangup", 7.0, TALK), DialVerdict.PLACED, True),
        (PastCall(Outcome.NO_ANSWER, "no_connect", None, TALK), DialVerdict.PLACED, False),
        (PastCall(Outcome.UNCONFIRMED, "no_proof", None, TALK), DialVerdict.UNKNOWN, False),
        (PastCall(Outcome.FAILED, "refused_http_404", None, TALK), DialVerdict.REFUSED, False),
        (PastCall(Outcome.FAILED, "refused_refused_code", None, TALK), DialVerdict.REFUSED, False),
    ],
)
def test_a_past_call_comes_again_as_it_was(call: PastCall, verdict: DialVerdict, is_answered: bool) -> None:
    fate = odds_of_past([call]).draw(Random(1))
    assert (classify(fate.answer("id")).dial, fate.is_answered) == (verdict, is_answered)
    if is_answered:
        assert (fate.connects_after_s, fate.talk) == (7.0, TALK)


def test_equal_past_calls_weigh_together() -> None:
    calls = [PastCall(Outcome.NO_ANSWER, "no_connect", None, TALK)] * 3
    calls.append(PastCall(Outcome.ANSWERED, "agent_hangup", 7.0, TALK))
    odds = odds_of_past(calls)
    assert (len(odds.weights), odds.answer_rate) == (2, 0.25)
