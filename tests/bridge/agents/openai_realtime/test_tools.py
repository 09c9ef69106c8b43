"""The tools offered to the model, and what its calls become."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import EndCall, ToolCall, Transfer
from bridge.agents.openai_realtime.tools import TOOL_NAMES, BadArguments, ToolBox
from telephony.protocols.events import TransferTarget

SALES = TransferTarget("101", "Sales")
DESK = TransferTarget("+84912345678")
TOOLS = ToolBox(dispositions=("sold", "not interested"), transfer_targets=(SALES, DESK))


def test_schemas_are_schemas_with_the_choices_of_this_call():
    schemas = {schema["name"]: schema for schema in TOOLS.schemas()}
    assert tuple(schemas) == TOOL_NAMES
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema["parameters"])
        assert set(schema["parameters"]["required"]) <= schema["parameters"]["properties"].keys()
    assert schemas["transfer"]["parameters"]["properties"]["target"]["enum"] == ["Sales", "+84912345678"]
    assert schemas["set_disposition"]["parameters"]["properties"]["disposition"]["enum"] == ["sold", "not interested"]


def test_without_anyone_to_transfer_to_there_is_no_transfer():
    assert ToolBox().usable == tuple(name for name in TOOL_NAMES if name != "transfer")
    assert ToolBox(names=("end_call",)).usable == ("end_call",)
    assert ToolBox(names=()).schemas() == []


@pytest.mark.parametrize(
    ("name", "arguments", "wish"),
    [
        ("end_call", "{}", EndCall("completed", "c")),
        ("end_call", '{"reason": "done\\n"}', EndCall("done", "c")),
        ("transfer", '{"target": "Sales"}', Transfer((SALES,), "c")),
        ("transfer", '{"target": "+84912345678"}', Transfer((DESK,), "c")),
        # The session refuses him, and notes it.
        ("transfer", '{"target": "+99988877766"}', Transfer((TransferTarget("+99988877766"),), "c")),
        (
            "record_answer",
            '{"key": "age", "value": 42, "question": "How old?", "secret": 1}',
            ToolCall("c", "record_answer", {"key": "age", "question": "How old?", "value": "42"}),
        ),
        ("set_disposition", '{"disposition": "sold"}', ToolCall("c", "set_disposition", {"disposition": "sold"})),
        ("add_to_dnc", "", ToolCall("c", "add_to_dnc", {"reason": ""})),
        (
            "schedule_callback",
            '{"at": "2026-01-31T15:00:00+07:00"}',
            ToolCall("c", "schedule_callback", {"at": "2026-01-31T15:00:00+07:00", "note": ""}),
        ),
    ],
)
def test_calls_become_wishes(name, arguments, wish):
    assert TOOLS.wish("c", name, arguments) == wish


@pytest.mark.parametrize(
    ("name", "arguments", "advice"),
    [
        ("telepathy", "{}", "there is no tool 'telepathy'"),
        ("transfer", "{}", "give target"),
        ("record_answer", '{"key": "a", "value": {"x": 1}}', "give value"),
        ("record_answer", '{"key"', "not JSON"),
        ("record_answer", "[]", "not a JSON object"),
        ("set_disposition", '{"disposition": "maybe"}', "must be one of sold, not interested"),
        ("end_call", '{"reason": "' + "x" * 20_000 + '"}', "too long"),
    ],
)
def test_what_cannot_be_obeyed_is_said_to_the_model(name, arguments, advice):
    with pytest.raises(BadArguments, match=advice):
        TOOLS.wish("c", name, arguments)


@given(st.sampled_from(TOOL_NAMES), st.dictionaries(st.sampled_from(["target", "key", "value"]), st.integers()))
def test_any_arguments_are_a_wish_or_refused(name, arguments):
    try:
        TOOLS.wish("c", name, json.dumps(arguments))
    except BadArguments as error:
        assert str(error)  # noqa: PT017  the advice is what is tested
