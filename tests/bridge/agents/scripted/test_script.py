"""Reading scripts: the bundled one, and what is said about faulty ones."""

from __future__ import annotations

import copy
import json

import pytest

from bridge.agents.prompt_library import PromptLibrary
from bridge.agents.scripted.script import BUNDLED_DIR, HandOver, Question, ScriptError, parse, script_of

BUNDLED = json.loads((BUNDLED_DIR / "customer_survey.json").read_text())


def changed(path: str, value: object) -> dict:
    """The bundled script with one value changed; `...` deletes it."""
    script = copy.deepcopy(BUNDLED)
    *parents, last = path.split(".")
    place = script
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return script


def test_bundled_script_is_the_default_and_has_all_its_prompts():
    script = script_of({})
    assert script.name == "customer_survey"
    assert script.prompts() <= PromptLibrary("customer_survey").names()
    question = script.nodes["solved"]
    assert isinstance(question, Question)
    assert script.phrases_of(question) == (
        "yes",
        "yes please",
        "yeah",
        "no",
        "no thanks",
        "stop calling me",
        "remove me",
        "call me back",
        "not interested",
        "who is this",
        "speak to a person",
    )


def test_extension_of_the_configuration_replaces_the_scripts():
    node = script_of({"extension": "205"}).nodes["hand_over"]
    assert node == HandOver(("transferring",), "transferred", "205")


def test_whole_script_may_stand_in_the_configuration():
    assert script_of({"script": changed("name", "mine")}).name == "mine"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("start", "nowhere", "script.start: there is no node named 'nowhere'"),
        ("start", "thanks", "script.start: must be a question"),
        ("start", ..., "script.start: is missing"),
        ("colour", "red", "script: unknown key 'colour'"),
        ("nodes", {}, "between 1 and 200 nodes"),
        ("nodes.solved", "q", "script.nodes.solved: must be an object"),
        ("nodes.solved.ask", [], "script.nodes.solved.ask: must be a list of texts"),
        ("nodes.solved.ask", "q_solved", "script.nodes.solved.ask: must be a list"),
        ("nodes.solved.end", ["x"], "exactly one of ask, end, transfer"),
        ("nodes.solved.branches", [], "a question needs at least one"),
        ("nodes.thanks.disposition", "", "script.nodes.thanks.disposition: must be a text"),
        ("nodes.hand_over.extension", "reception", "give 1 to 16 digits, not 'reception'"),
        ("no_input.after_s", 0, "script.no_input.after_s: must be a number from 1 to 60"),
        ("no_input.tries", True, "script.no_input.tries: must be a number"),
        ("no_input.go", "greeting", "giving up must not lead to the question 'greeting'"),
        ("anywhere", [{"hear": ["Yes!"], "go": "thanks"}], "must be lower-case English words"),
        ("anywhere", [{"keys": ["12"], "go": "thanks"}], "keys are 0-9"),
        ("anywhere", [{"go": "thanks"}], r"script.anywhere\[0\]: give hear or keys"),
        ("anywhere", [{"hear": ["yes"], "go": "lost"}], "script.anywhere: there is no node named 'lost'"),
    ],
)
def test_faulty_script_is_refused_with_its_place(path, value, message):
    with pytest.raises(ScriptError, match=message):
        parse(changed(path, value))


@pytest.mark.parametrize("name", ["unknown", "../customer_survey", ""])
def test_unknown_bundled_script_is_told_with_the_known_ones(name):
    with pytest.raises(ScriptError, match="there are: customer_survey"):
        script_of({"script": name})
