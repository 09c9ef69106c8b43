"""What was heard of what was said, and where it stands in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import SpeakerKind
from campaigns.models import TranscriptTurn
from campaigns.web.timeline import split_heard, timeline, turn_view


def turn(
    text: str = "Good morning to you", *, seq: int = 1, start_ms: int = 0, end_ms: int = 1000, **fields
) -> TranscriptTurn:
    fields = {"speaker": SpeakerKind.AGENT, "heard_text": "", "is_interrupted": False, **fields}
    return TranscriptTurn(seq=seq, text=text, start_ms=start_ms, end_ms=end_ms, **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("Good morning to you", "")),
        ({"heard_text": "Good"}, ("Good morning to you", "")),
        ({"is_interrupted": True, "heard_text": "Good morning"}, ("Good morning", "to you")),
        ({"is_interrupted": True, "heard_text": "Good morning …"}, ("Good morning", "to you")),
        ({"is_interrupted": True, "heard_text": "Good mor"}, ("Good mor", "ning to you")),
        ({"is_interrupted": True}, ("", "Good morning to you")),
        ({"is_interrupted": True, "heard_text": "Hello"}, ("Hello", "Good morning to you")),
        ({"is_interrupted": True, "heard_text": "Good morning to you"}, ("Good morning to you", "")),
        ({"is_interrupted": True, "speaker": SpeakerKind.CUSTOMER}, ("Good morning to you", "")),
    ],
)
def test_split_heard(fields, expected):
    assert split_heard(turn(**fields)) == expected


@given(st.text(alphabet="ab \n…", max_size=30), st.integers(0, 30))
def test_split_heard_loses_no_word(text, length):
    heard, unheard = split_heard(turn(text, is_interrupted=True, heard_text=text[:length]))
    assert (heard + unheard).replace(" ", "").replace("…", "").replace("\n", "") == text.replace(" ", "").replace(
        "…", ""
    ).replace("\n", "")


def test_turn_view_carries_what_a_reader_sees():
    view = turn_view(turn(seq=3, confidence=0.5, is_interrupted=True, heard_text="Good"))

    assert (view.seq, view.speaker, view.heard, view.unheard) == (3, "agent", "Good", "morning to you")
    assert (view.is_interrupted, view.confidence) == (True, 0.5)


def test_timeline_places_turns_in_percent_of_the_call():
    drawn = timeline([turn(start_ms=1000, end_ms=3000), turn(seq=2, start_ms=4000, end_ms=4001)], 10_000)

    assert [(bar.x, bar.width) for bar in drawn.bars] == [(10.0, 20.0), (40.0, 0.4)]
    assert drawn.ticks[:3] == ((0, 0.0), (2000, 20.0), (4000, 40.0))


def test_timeline_is_as_long_as_its_last_turn():
    assert timeline([turn(end_ms=5000)], 3000).duration_ms == 5000
    assert timeline([], 0).duration_ms == 1
