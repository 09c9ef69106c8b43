"""What may be stored and sent on: everything people say, nothing that breaks a database or a receiver."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.clean_text import MAX_JSON_DEPTH, MAX_JSON_ITEMS, clean_json, clean_text

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("chào 👋\n\tok", "chào 👋\n\tok"),
        ("a\x00b\x07c\x7fd\x85e", "abcde"),
        ("a\r\nb\rc", "a\nbc"),
        ("\ud83d", "\N{REPLACEMENT CHARACTER}"),
        ("12345678901", "1234567890"),
    ],
)
def test_clean_text(text, cleaned):
    assert clean_text(text, max_chars=10) == cleaned


@given(ANY_TEXT)
def test_cleaned_text_can_be_encoded_and_cleaned_again(text):
    cleaned = clean_text(text, max_chars=50)

    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert "\x00" not in cleaned
    assert clean_text(cleaned, max_chars=50) == cleaned


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ({"a\x00": ["b\x00", 1, 2.5, True, None]}, {"a": ["b", 1, 2.5, True, None]}),
        (float("nan"), None),
        (float("-inf"), None),
        (2**60, str(2**60)),
        (-5, -5),
        ({1: (2, 3)}, {"1": [2, 3]}),
        ({"at": b"bytes"}, {"at": "b'bytes'"}),
        (list(range(MAX_JSON_ITEMS + 1)), list(range(MAX_JSON_ITEMS))),
    ],
)
def test_clean_json(value, cleaned):
    assert clean_json(value) == cleaned


def test_clean_json_is_bounded_in_depth():
    deep: list = []
    for _ in range(100):
        deep = [deep]

    assert json.dumps(clean_json(deep)).count("[") == MAX_JSON_DEPTH


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
        max_leaves=10,
    )
)
def test_cleaned_json_is_json(value):
    text = json.dumps(clean_json(value), allow_nan=False, ensure_ascii=False)

    assert json.loads(text.encode()) == clean_json(value)
