"""The files of a call: their names, their shape as documented, and that they appear whole."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from campaigns.enums import SpeakerKind
from campaigns.services import durable_files
from campaigns.services.transcripts import write_call_file, write_transcript_file
from tests.factories import NOW, Line, make_call

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "files.md"


def documented_schema(name):
    blocks = re.findall(r"^```json schema=(\w+)\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return json.loads(dict(blocks)[name])


def check(document, name):
    schema = documented_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


ANSWERS = [
    {"key": "solved", "question": "Was it solved?", "value": "yes", "at_ms": 8950},
    {"key": "opt_in", "question": "", "value": True},
]


@pytest.mark.django_db
def test_transcript_file_is_named_and_shaped_as_documented(data_dir):
    call = make_call(started_at=NOW, vendor_call_id="psr-7", answers=ANSWERS, disposition="completed")

    path = write_transcript_file(call.id)

    assert path == data_dir / "transcripts" / f"call_{call.id}_1795163400000_transcript.json"
    document = json.loads(path.read_text("utf-8"))
    check(document, "transcript")
    assert document["conversation"][2] == {
        "timestamp": "2026-11-20T08:30:06+00:00",
        "start_ms": 6000,
        "end_ms": 7800,
        "speaker": "assistant",
        "text": "Was your problem",
        "full_text": "Was your problem solved when you last called?",
        "confidence": None,
        "event_type": "interrupted",
    }
    assert document["simple_transcripts"][1] == "user: Yes."
    assert document["call_duration"] == 12_000
    assert document["extracted_data"] == {"solved": "yes", "opt_in": True}


@pytest.mark.django_db
def test_call_file_is_named_and_shaped_as_documented(data_dir):
    call = make_call(started_at=NOW, vendor_call_id="psr-7", answers=ANSWERS, disposition="completed")

    path = write_call_file(call.id)

    assert path.parent == data_dir / "calls"
    document = json.loads(path.read_text("utf-8"))
    check(document, "call")
    assert (document["id"], document["call_ref_id"], document["duration"]) == (f"bot_{call.id}", "psr-7", 12.0)
    assert [(entry["key_label"], entry["key_response"], entry["remarks"]) for entry in document["response_data"]] == [
        (None, "Yes.", "answered"),
        ("solved", "Yes, it was.", "answered"),
        ("opt_in", "", "recorded"),
    ]
    assert document["dropoff"] is None


@pytest.mark.django_db
def test_call_file_names_the_question_the_customer_was_lost_at(data_dir):
    lines = (Line(SpeakerKind.AGENT, "Hello. Are you happy with the price?", 500, 3000),)
    call = make_call(started_at=NOW, lines=lines)

    document = json.loads(write_call_file(call.id).read_text("utf-8"))

    check(document, "call")
    assert document["dropoff"] == {
        "time": (NOW + timedelta(milliseconds=500)).isoformat(),
        "action": "Are you happy with the price?",
    }


@pytest.mark.django_db
def test_files_of_a_silent_call_are_still_shaped_as_documented(data_dir):
    call = make_call(lines=(), duration_s=0)

    check(json.loads(write_transcript_file(call.id).read_text("utf-8")), "transcript")
    check(json.loads(write_call_file(call.id).read_text("utf-8")), "call")


@pytest.mark.django_db
def test_writing_again_rewrites_the_same_file(data_dir):
    call = make_call()
    first = write_transcript_file(call.id)
    content = first.read_bytes()

    second = write_transcript_file(call.id)

    assert (second, second.read_bytes()) == (first, content)
    assert [entry.name for entry in first.parent.iterdir()] == [first.name]


@pytest.mark.django_db
def test_a_broken_write_leaves_the_file_as_it_was(data_dir):
    path = data_dir / "calls" / "one.json"
    durable_files.write_durably(path, ["whole"])

    def pieces():
        yield "ha"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        durable_files.write_durably(path, pieces())

    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["one.json"]


def test_a_reader_of_the_old_file_sees_it_whole_while_it_is_replaced(data_dir):
    path = data_dir / "calls" / "one.json"
    durable_files.write_durably(path, ["the old one"])

    with path.open() as reader:
        durable_files.write_durably(path, ["new"])
        seen = reader.read()

    assert (seen, path.read_text()) == ("the old one", "new")


@pytest.mark.parametrize(
    "name", ["", "../secret", "/etc/passwd", "recordings/../../secret", "recordings", "nothing.wav"]
)
def test_data_file_leads_nowhere_but_to_files_below_the_data_directory(data_dir, name):
    (data_dir.parent / "secret").write_text("secret")
    (data_dir / "recordings").mkdir()

    assert durable_files.data_file(name) is None


def test_data_file_does_not_follow_a_link_outside(data_dir):
    (data_dir.parent / "secret").write_text("secret")
    (data_dir / "link.wav").symlink_to(data_dir.parent / "secret")

    assert durable_files.data_file("link.wav") is None
