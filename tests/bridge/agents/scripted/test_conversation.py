"""The survey as a machine: every path a customer can take through it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.scripted.conversation import (
    Dispose,
    HangUp,
    Key,
    Machine,
    NeverCall,
    Record,
    Say,
    Silence,
    State,
    Stimulus,
    TransferTo,
    Unclear,
    Understood,
    advance,
    begin,
)
from bridge.agents.scripted.script import script_of

SURVEY = script_of({})


def walk(*said: str | Stimulus):
    """The last state and every effect of a conversation."""
    state, effects = begin(SURVEY)
    history = list(effects)
    for each in said:
        state, effects = advance(SURVEY, state, Understood(each) if isinstance(each, str) else each)
        history += effects
    return state, history


def test_satisfied_customer_answers_everything():
    state, history = walk("yes", "yes", "maybe", "no thanks", "no")
    assert state.node is None
    assert history == [
        Say(("greeting",)),
        Say(("q_solved",)),
        Record("solved", ("q_solved",), "yes"),
        Say(("q_recommend",)),
        Record("recommend", ("q_recommend",), "maybe"),
        Say(("q_price",)),
        Record("price", ("q_price",), "no"),
        Say(("q_person",)),
        Say(("goodbye_thanks",)),
        Dispose("completed"),
        HangUp(),
    ]


def test_customer_who_wants_a_person_is_handed_over():
    _, history = walk("yes", "no", "no", "no", "yes")
    assert history[-3:] == [Say(("transferring",)), Dispose("transferred"), TransferTo("101")]


@pytest.mark.parametrize(
    ("said", "prompt", "disposition"),
    [
        ("no", "goodbye_no_time", "declined"),
        ("no thanks", "goodbye_no_time", "declined"),
        ("not interested", "goodbye_no_time", "declined"),
        ("call me back", "goodbye_callback", "callback_requested"),
    ],
)
def test_greeting_can_be_declined(said, prompt, disposition):
    assert walk(said)[1][1:] == [Say((prompt,)), Dispose(disposition), HangUp()]


@pytest.mark.parametrize("said", ["stop calling me", "remove me", Key("9")])
def test_who_never_wants_a_call_is_taken_off_before_the_goodbye(said):
    assert walk(said)[1][1:] == [NeverCall(), Say(("goodbye_stop",)), Dispose("do_not_call"), HangUp()]


def test_stop_is_obeyed_in_the_middle_and_records_no_answer():
    _, history = walk("yes", "stop calling me")
    assert history[2:] == [NeverCall(), Say(("goodbye_stop",)), Dispose("do_not_call"), HangUp()]


def test_who_is_this_is_answered_and_asked_again():
    state, history = walk("who is this", "yes")
    assert state.node == "solved"
    assert history[1] == Say(("who_we_are",))


@pytest.mark.parametrize(
    ("stimulus", "first", "tries"),
    [(Silence(), "still_there", 2), (Unclear(), "not_understood", 3), (Key("8"), "not_understood", 3)],
)
def test_last_failure_at_a_question_gives_up(stimulus, first, tries):
    _, history = walk("yes", *[stimulus] * tries)
    assert history[2:] == [
        *[Say((first, "q_solved"))] * (tries - 1),
        Say(("goodbye_no_answer",)),
        Dispose("no_answer_to_questions"),
        HangUp(),
    ]


def test_words_over_the_question_make_it_be_asked_again_once_and_count_after_that():
    over = Unclear(has_interrupted=True)
    _, history = walk(over)
    assert history[1:] == [Say(("greeting",))]
    state, history = walk(over, over)
    assert history[2:] == [Say(("not_understood", "greeting"))]
    assert state == State("greeting", unclears=1, has_been_cut=True)


def test_failures_are_counted_per_question():
    assert walk("yes", Unclear(), "yes", Unclear())[0] == State("recommend", unclears=1)


def test_keys_answer_like_words():
    _, history = walk(Key("1"), Key("2"), Key("3"))
    assert [effect for effect in history if isinstance(effect, Record)] == [
        Record("solved", ("q_solved",), "no"),
        Record("recommend", ("q_recommend",), "maybe"),
    ]


def test_machine_is_left_without_a_word():
    assert walk(Machine())[1][1:] == [Dispose("voicemail"), HangUp()]


STIMULI = st.one_of(
    st.sampled_from(["yes", "no", "maybe", "who is this", "speak to a person", "gibberish"]).map(Understood),
    st.sampled_from("0123456789*#").map(Key),
    st.sampled_from([Unclear(), Unclear(has_interrupted=True), Silence(), Machine()]),
)


@given(st.lists(STIMULI, max_size=40))
def test_conversation_ends_once_and_with_one_disposition(stimuli):
    state, history = walk(*stimuli)
    ends = [effect for effect in history if isinstance(effect, HangUp | TransferTo)]
    assert len(ends) == (1 if state.node is None else 0)
    assert len([effect for effect in history if isinstance(effect, Dispose)]) == len(ends)
