"""The table of behaviours: complete, documented, and like life where it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from telephony.simulator.audio import phrase, voices
from telephony.simulator.behaviour_table import BY_NAME, PEOPLE, TABLE, behaviour_for, table_markdown
from telephony.simulator.behaviours import Pickup, Placing, Streaming

REFERENCE = Path(__file__).parents[3] / "docs/reference/simulator.md"


def test_every_ending_has_exactly_one_behaviour() -> None:
    codes = [code for row in TABLE for code in range(row.first, row.last + 1)]
    assert codes == list(range(100))
    assert len(BY_NAME) == len(TABLE)


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        ("0901234500", "all_yes"),
        ("+84 90 123 45 64", "busy"),
        ("090.123.45-99", "closes_twice"),
        ("101", "all_yes"),
        ("155", "no_answer"),
        ("7", "all_yes"),
        ("", "all_yes"),
    ],
)
def test_the_last_two_digits_decide(destination: str, name: str) -> None:
    assert behaviour_for(destination).name == name


def test_more_than_half_of_all_numbers_talk() -> None:
    people = [
        row for row in PEOPLE if row.behaviour.streaming.pickup is Pickup.ANSWERS and row.behaviour.persona.replies
    ]
    talkers = sum(row.last - row.first + 1 for row in people)
    assert 50 <= talkers <= 60


def test_people_are_without_faults() -> None:
    assert {row.behaviour.placing for row in PEOPLE} == {Placing()}
    assert {row.behaviour.streaming for row in PEOPLE} == {
        Streaming(pickup=pickup) for pickup in (Pickup.ANSWERS, Pickup.BUSY, Pickup.NO_ANSWER)
    }


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.behaviour.name)
def test_every_phrase_has_been_recorded_by_every_voice(row) -> None:
    persona = row.behaviour.persona
    for name in (*persona.opening, *persona.replies, "hello"):
        assert all(len(phrase(name, voice)) > 0 for voice in voices())


def test_the_reference_page_shows_the_table() -> None:
    begin, end = "<!-- behaviours: begin -->\n\n", "\n\n<!-- behaviours: end -->"
    text = REFERENCE.read_text("utf-8")
    assert text[text.index(begin) + len(begin) : text.index(end)] == table_markdown()
