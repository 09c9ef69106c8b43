"""Spoken wishes not to be called again, and sentences that are none."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.opt_out import DEFAULT_PHRASES, find_opt_out, opt_out_phrases

PHRASES = opt_out_phrases({})


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        ("Please do not call me again.", "do not call me again"),
        ("No! Don’t call me again, ever", "don't call me again"),
        ("STOP calling this number", "stop calling"),
        ("put me on the do-not-call list", "do not call list"),
        ("Thôi, đừng gọi cho tôi nữa nhé.", "đừng gọi cho tôi nữa"),
        (unicodedata.normalize("NFD", "Đừng gọi lại"), "đừng gọi lại"),
    ],
)
def test_wish_is_found(said, phrase) -> None:
    assert find_opt_out(["Yes.", said], PHRASES) == phrase


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Please call me again tomorrow.",
        "You can call again, no problem.",
        "I never called anybody.",
        "Đúng, gọi lại cho tôi chiều nay.",
        "dung goi lai",
    ],
)
def test_what_is_no_wish_is_not_taken_for_one(said) -> None:
    assert find_opt_out([said], PHRASES) == ""


def test_a_wish_is_not_put_together_from_two_turns() -> None:
    assert find_opt_out(["never", "call again"], PHRASES) == ""


def test_a_list_of_the_settings_takes_the_place_of_its_language() -> None:
    phrases = opt_out_phrases({"en": ["leave me alone"], "vi": []})
    assert find_opt_out(["Leave me alone!"], phrases) == "leave me alone"
    assert find_opt_out(["Do not call me again"], phrases) == ""
    assert find_opt_out(["đừng gọi nữa"], phrases) == "đừng gọi nữa"


@pytest.mark.parametrize("phrase", [phrase for phrases in DEFAULT_PHRASES.values() for phrase in phrases])
def test_every_phrase_is_found_inside_a_sentence(phrase) -> None:
    assert find_opt_out([f"Well, {phrase.upper()}, all right?"], [phrase]) == phrase


@given(st.lists(st.text(max_size=40), max_size=4), st.lists(st.text(max_size=10), max_size=4))
def test_any_text_is_judged(said, phrases) -> None:
    assert find_opt_out(said, phrases) in {"", *phrases}
