"""The transcript's arithmetic: heard words, numbering, late words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import Said, Speaker, Transcript
from bridge.playout import Cut, Heard
from bridge.session.contracts import Turn
from bridge.session.turns import MAX_HISTORY_CHARS, MAX_HISTORY_TURNS, TurnBook, heard_text


@pytest.mark.parametrize(
    ("heard_ms", "expected"),
    [
        (0, ""),
        (100, ""),
        (399, ""),
        (400, "Good"),
        (450, "Good"),
        (799, "Good"),
        (800, "Good day"),
        (1_300, "Good day to"),
        (1_900, "Good day to you all"),
        (5_000, "Good day to you all"),
    ],
)
def test_heard_text_ends_with_the_last_whole_word(heard_ms, expected):
    assert heard_text("Good day to you all", heard_ms, 1_900) == expected


def test_heard_text_of_no_audio_is_nothing():
    assert heard_text("Good day", 0, 0) == ""


@given(st.text(), st.integers(0, 5_000), st.integers(0, 5_000))
def test_heard_text_is_a_beginning_that_grows_with_time(text, first_ms, second_ms):
    shorter, longer = sorted((first_ms, second_ms))
    early, late = heard_text(text, shorter, 4_000), heard_text(text, longer, 4_000)
    assert text.startswith(late)
    assert late.startswith(early)


def agent_text(item_id: str, text: str, *, is_final: bool = True) -> Transcript:
    return Transcript(Speaker.AGENT, item_id, text, is_final)


def test_turns_are_numbered_as_they_are_heard_not_as_they_are_written():
    told: list[Turn] = []
    book = TurnBook(told.append)
    book.agent_said(agent_text("b", "second"))
    book.agent_said(agent_text("a", "first"))
    book.agent_started("a", 10)
    book.agent_started("b", 500)
    assert [(turn.seq, turn.text) for turn in told] == [(1, "first"), (2, "second")]


def test_parts_of_a_text_add_up_until_the_final_one():
    told: list[Turn] = []
    book = TurnBook(told.append)
    book.agent_started("a", 0)
    book.agent_said(agent_text("a", "Good ", is_final=False))
    book.agent_said(agent_text("a", "day", is_final=False))
    book.agent_heard(Heard("a", 0, 900))
    assert [(turn.text, turn.end_ms) for turn in told] == [("Good day", 900)]


def test_words_that_come_after_the_interruption_are_cut_too():
    told: list[Turn] = []
    book = TurnBook(told.append)
    book.agent_started("a", 100)
    book.agent_cut(Cut("a", 400, 1_900, 100), 600)
    assert told == []
    book.agent_said(agent_text("a", "Good day to you all"))
    assert told == [Turn(1, Speaker.AGENT, "a", "Good day to you all", "Good", 100, 600, is_interrupted=True)]


def test_utterance_of_which_nothing_was_sent_is_no_turn():
    told: list[Turn] = []
    book = TurnBook(told.append)
    book.agent_said(agent_text("a", "never heard"))
    book.agent_cut(Cut("a", 0, 900, None), 600)
    assert told == []


def test_customer_words_are_placed_on_the_calls_clock():
    told: list[Turn] = []
    book = TurnBook(told.append)
    book.customer_said(Transcript(Speaker.CUSTOMER, "u", "ye", is_final=False), 0, 0)
    book.customer_said(Transcript(Speaker.CUSTOMER, "u", "yes", start_ms=100, end_ms=300, confidence=0.5), 40, 900)
    book.customer_said(Transcript(Speaker.CUSTOMER, "v", "no"), 40, 900)
    assert told == [
        Turn(1, Speaker.CUSTOMER, "u", "yes", "yes", 140, 340, confidence=0.5),
        Turn(2, Speaker.CUSTOMER, "v", "no", "no", 900, 900),
    ]


def test_book_forgets_the_oldest_utterances():
    told: list[Turn] = []
    book = TurnBook(told.append)
    for index in range(1_000):
        book.agent_started(f"item-{index}", index)
    book.agent_said(agent_text("item-999", "still known"))
    assert [turn.seq for turn in told] == [1_000]


def customer_text(item_id: str, text: str) -> Transcript:
    return Transcript(Speaker.CUSTOMER, item_id, text, start_ms=100, end_ms=200)


@given(st.permutations(["final", "early part", "late part", "final again", "other"]))
def test_agents_last_final_words_stand_in_any_order(order):
    told: list[Turn] = []
    book = TurnBook(told.append)
    book.agent_started("a", 0)
    for each in order:
        item_id = "b" if each == "other" else "a"
        book.agent_said(agent_text(item_id, "the whole" if "final" in each else each, is_final="final" in each))
    assert told[-1].text == "the whole"
    assert {turn.seq for turn in told} == {1}


def test_customers_words_told_again_keep_their_number():
    told: list[Turn] = []
    book = TurnBook(told.append)
    for item_id, text in (("u1", "yes"), ("u2", "no"), ("u1", "yes please"), ("", "x"), ("", "y")):
        book.customer_said(customer_text(item_id, text), 0, 1_000)
    assert [(turn.seq, turn.text) for turn in told] == [(1, "yes"), (2, "no"), (1, "yes please"), (3, "x"), (4, "y")]


def test_history_is_what_was_said_and_heard():
    book = TurnBook(lambda _: None)
    assert (book.history(), book.is_agents_turn) == ((), False)
    book.agent_said(agent_text("a", "one two three four"))
    book.agent_started("a", 0)
    assert book.history() == (Said(Speaker.AGENT, "one two three four"),)
    book.agent_cut(Cut("a", 500, 1_000, 0), 500)
    book.agent_said(agent_text("bridge-one_moment-1", "One moment, please."))
    book.agent_started("bridge-one_moment-1", 600)
    book.customer_said(customer_text("u1", "what?"), 0, 1_000)
    assert book.history() == (Said(Speaker.AGENT, "one two"), Said(Speaker.CUSTOMER, "what?"))
    assert book.is_agents_turn


@given(st.lists(st.integers(1, MAX_HISTORY_CHARS + 10), max_size=MAX_HISTORY_TURNS * 2))
def test_history_is_the_bounded_end_of_the_conversation(lengths):
    book = TurnBook(lambda _: None)
    for number, length in enumerate(lengths):
        book.customer_said(customer_text(f"u{number}", "x" * length), 0, 1_000)
    history = book.history()
    assert len(history) <= MAX_HISTORY_TURNS
    assert sum(len(said.text) for said in history) <= MAX_HISTORY_CHARS
    assert [len(said.text) for said in history] == lengths[len(lengths) - len(history) :]
