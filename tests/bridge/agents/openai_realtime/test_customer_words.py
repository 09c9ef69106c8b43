"""The customer's words in their order, however late they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import Speaker, Transcript
from bridge.agents.openai_realtime.customer_words import HOLD_MS, MAX_ITEMS, CustomerWords


def texts(told: list[Transcript]) -> list[str]:
    return [words.text for words in told]


def announced(*item_ids: str) -> CustomerWords:
    """Items of the customer with one of the agent between each two."""
    words = CustomerWords()
    previous = ""
    for item_id in item_ids:
        words.announced(item_id, previous, has_speech=True)
        words.announced(f"answer-{item_id}", item_id, has_speech=False)
        previous = f"answer-{item_id}"
    return words


def test_words_carry_the_times_of_their_speech():
    words = CustomerWords()
    words.started("u", 300)
    words.stopped("u", 900)
    words.announced("u", "", has_speech=True)
    assert words.transcribed("u", " Yes. ", 1_500) == [
        Transcript(Speaker.CUSTOMER, "u", "Yes.", start_ms=300, end_ms=900)
    ]


def test_later_words_wait_for_earlier_ones():
    words = announced("u1", "u2")
    assert words.transcribed("u2", "two", 0) == []
    assert texts(words.transcribed("u1", "one", 0)) == ["one", "two"]


def test_words_before_their_item_wait_for_its_place():
    words = CustomerWords()
    assert words.transcribed("u", "one", 0) == []
    assert texts(words.announced("u", "", has_speech=True)) == ["one"]


def test_no_words_hold_nothing_up():
    words = announced("u1", "u2")
    words.transcribed("u2", "two", 0)
    assert texts(words.transcribed("u1", None, 0)) == ["two"]


def test_words_that_never_come_are_not_waited_for_for_ever():
    words = announced("u1", "u2")
    words.transcribed("u2", "two", 1_000)
    assert words.overdue(1_000 + HOLD_MS - 1) == []
    assert texts(words.overdue(1_000 + HOLD_MS)) == ["two"]
    assert texts(words.transcribed("u1", "one", 9_000)) == ["one"]


def test_the_rest_is_told_at_the_end():
    words = announced("u1", "u2")
    words.transcribed("u2", "two", 0)
    assert texts(words.rest()) == ["two"]
    assert words.rest() == []


def test_a_chain_in_a_circle_is_survived():
    words = CustomerWords()
    words.announced("a", "b", has_speech=False)
    words.announced("b", "a", has_speech=False)
    words.announced("u", "b", has_speech=True)
    assert texts(words.transcribed("u", "one", 0)) == ["one"]


def test_tables_stay_bounded():
    words = CustomerWords()
    for number in range(3 * MAX_ITEMS):
        words.announced(f"u{number}", f"u{number - 1}", has_speech=True)
    assert texts(words.transcribed(f"u{3 * MAX_ITEMS - 1}", "late", 0)) == []
    assert texts(words.rest()) == ["late"]


@given(
    order=st.permutations(range(6)),
    repeated=st.lists(st.integers(0, 5), max_size=6),
    failed=st.sets(st.integers(0, 5)),
)
def test_any_order_of_arrival_gives_the_order_of_speaking(order, repeated, failed):
    words = announced(*(f"u{n}" for n in range(6)))
    told: list[str] = []
    for n in [*order, *repeated]:
        told += texts(words.transcribed(f"u{n}", None if n in failed else f"text {n}", 0))
    assert told == [f"text {n}" for n in range(6) if n not in failed]
