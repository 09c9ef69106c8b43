"""Texts like one that was read in full, by table; that no codec hears them differently, its own tests show."""

from __future__ import annotations

import pytest

from telephony.protocols.familiar import FamiliarText, is_number

KEYS = ("at", "audio")
READ = '{"event":"media", "at": 17, "media":{"audio":"AAAA"},"name":"b"}'


def values_in(text: str) -> list[str] | None:
    familiar = FamiliarText.of(READ, KEYS)
    assert familiar is not None
    return familiar.values_in(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (READ, ["17", "AAAA"]),
        (READ.replace("17", "1763").replace("AAAA", "BBBBCCCC"), ["1763", "BBBBCCCC"]),
        (READ.replace("17", "").replace("AAAA", ""), ["", ""]),
        # What is no value of its kind is for the asker to judge.
        (READ.replace("AAAA", 'A","audio":"B'), ["17", 'A","audio":"B']),
        (READ.replace('"b"', '"c"'), None),
        (READ.replace("event", "evens"), None),
        (READ.replace('"media":', '"other":'), None),
        (READ[:-1], None),
        (READ + " ", None),
        ('{"event":"media", "at": "},"name":"b"}', None),
        ("", None),
    ],
)
def test_values_are_what_stands_between_the_same_texts(text: str, values: list[str] | None) -> None:
    assert values_in(text) == values


def test_ends_that_overlap_are_another_text() -> None:
    familiar = FamiliarText.of('{"audio":"AA"}', ("audio",))
    assert familiar == FamiliarText('{"audio":"', (), '"}')
    assert FamiliarText("abc", (), "cd").values_in("abcd") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"at":1,"audio":"A\\u0041"}',
        '{"at":1}',
        '{"audio":"AA","at":1}',
        '{"at":1,"name":"audio","audio":"AA"}',
        '{"at":1.5,"audio":"AA"}',
        '{"at":-1,"audio":"AA"}',
        '{"at":1,"audio":["AA"]}',
    ],
)
def test_what_is_not_plain_is_not_remembered(text: str) -> None:
    assert FamiliarText.of(text, KEYS) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", True), ("1763700000000", True), ("007", False), ("", False), ("1.5", False), ("-1", False), ("١٢", False)],
)
def test_numbers_are_as_json_writes_them(text: str, expected: bool) -> None:
    assert is_number(text) is expected
