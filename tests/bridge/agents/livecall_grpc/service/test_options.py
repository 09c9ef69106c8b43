"""Scripts of the reference service."""

from __future__ import annotations

import json

import pytest

from bridge.agents.livecall_grpc.service.options import DEFAULT_SCRIPT, Script, ScriptProblem, read_script
from bridge.agents.prompt_library import PromptLibrary


def test_the_default_script_has_its_recordings():
    assert DEFAULT_SCRIPT.names() <= PromptLibrary().names()


@pytest.mark.parametrize(
    ("source", "script"),
    [
        ({}, DEFAULT_SCRIPT),
        (
            {"greeting": ["apology"], "answers": [["q_price"], []], "goodbye": [], "transfer": ["transferring"]},
            Script(greeting=("apology",), answers=(("q_price",), ()), goodbye=()),
        ),
    ],
)
def test_a_script_is_read(tmp_path, source, script):
    path = tmp_path / "script.json"
    path.write_text(json.dumps(source))
    assert read_script(path) == script


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("[1, 2", "cannot be read as JSON"),
        ("[]", "write an object with the keys prompts, greeting"),
        ('{"farewell": []}', "write an object with the keys"),
        ('{"prompts": 5}', "prompts: write the name"),
        ('{"greeting": "hello"}', "greeting: write a list"),
        ('{"greeting": [5]}', "greeting: write a list"),
        ('{"answers": "q_price"}', "answers: write a list of lists"),
        ('{"answers": ["q_price"]}', "answers: write a list"),
        ('{"greeting": ["none_such"]}', "no recording named none_such"),
        ('{"prompts": "../.."}', "no recording named"),
    ],
)
def test_a_script_that_cannot_be_used_says_what_to_do(tmp_path, source, advice):
    path = tmp_path / "script.json"
    path.write_text(source)
    with pytest.raises(ScriptProblem, match=advice):
        read_script(path)


def test_a_missing_script_is_told(tmp_path):
    with pytest.raises(ScriptProblem, match=r"none\.json"):
        read_script(tmp_path / "none.json")
