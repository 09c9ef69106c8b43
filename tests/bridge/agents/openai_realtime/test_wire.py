"""The wire of the realtime protocol: what its messages mean, and that nothing else gets through."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.openai_realtime import events, wire
from telephony.errors import RemoteProtocolError

RESPONSE = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
CALL = {"type": "function_call", "call_id": "c", "name": "end_call"}
READ: list[tuple[dict[str, Any], events.ServerEvent]] = [
    ({"type": "session.created", "session": {"expires_at": 1_900}}, events.SessionCreated(1_900)),
    ({"type": "session.created", "session": {}}, events.SessionCreated(None)),
    ({"type": "session.updated", "session": {}}, events.SessionUpdated()),
    (
        {"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 320},
        events.SpeechStarted("u", 320),
    ),
    (
        {"type": "input_audio_buffer.speech_stopped", "item_id": "u", "audio_end_ms": 900},
        events.SpeechStopped("u", 900),
    ),
    (
        {"type": "input_audio_buffer.committed", "item_id": "u", "previous_item_id": None},
        events.AudioCommitted("u", ""),
    ),
    (
        {"type": "conversation.item.added", "previous_item_id": "a", "item": {"id": "u"}},
        events.ItemAdded("u", "a"),
    ),
    (
        {"type": "conversation.item.input_audio_transcription.completed", "item_id": "u", "transcript": "Yes."},
        events.CustomerTranscribed("u", "Yes."),
    ),
    (
        {"type": "conversation.item.input_audio_transcription.failed", "item_id": "u", "error": {"code": "x"}},
        events.CustomerTranscribed("u", None),
    ),
    ({"type": "response.created", "response": {"id": "r"}}, events.ResponseCreated("r")),
    (
        {
            "type": "response.done",
            "response": {
                "id": "r",
                "status": "completed",
                "usage": {"input_tokens": 30, "output_tokens": 20, "input_token_details": {"cached_tokens": 10}},
            },
        },
        events.ResponseDone("r", "completed", "", events.Usage(30, 10, 20)),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "r",
                "status": "failed",
                "status_details": {"type": "failed", "error": {"type": "server_error", "code": None}},
            },
        },
        events.ResponseDone("r", "failed", "server_error", events.Usage()),
    ),
    (
        {"type": "response.output_item.added", "response_id": "r", "item": {**CALL, "arguments": ""}},
        events.FunctionCall("r", "c", "end_call", None),
    ),
    (
        {
            "type": "response.output_item.done",
            "response_id": "r",
            "item": {**CALL, "arguments": "{}", "status": "completed"},
        },
        events.FunctionCall("r", "c", "end_call", "{}"),
    ),
    (
        {
            "type": "response.output_item.done",
            "response_id": "r",
            "item": {**CALL, "arguments": '{"a', "status": "incomplete"},
        },
        events.FunctionCall("r", "c", "end_call", None),
    ),
    ({"type": "response.output_item.added", "response_id": "r", "item": {"type": "message"}}, events.Unneeded()),
    (
        {"type": "response.function_call_arguments.done", **RESPONSE, "call_id": "c", "arguments": "{}"},
        events.FunctionCall("r", "c", "", "{}"),
    ),
    (
        {"type": "response.output_audio.delta", **RESPONSE, "delta": "AADoAxj8/38AgAEA//8AAQ=="},
        events.AudioDelta("r", "i", bytes.fromhex("0000e80318fcff7f00800100ffff0001")),
    ),
    ({"type": "response.output_audio.done", **RESPONSE}, events.AudioFinished("r", "i")),
    (
        {"type": "response.output_audio_transcript.delta", **RESPONSE, "delta": "Hel"},
        events.WordsDelta("r", "i", "Hel"),
    ),
    (
        {"type": "response.output_audio_transcript.done", **RESPONSE, "transcript": "Hello"},
        events.WordsFinished("r", "i", "Hello"),
    ),
    (
        {"type": "error", "error": {"type": "server_error", "code": None, "message": "bad\nday", "event_id": "e"}},
        events.ServerError("server_error", "e", "badday"),
    ),
    ({"type": "error"}, events.ServerError("unknown", "", "")),
    ({"type": "rate_limits.updated", "rate_limits": []}, events.Unneeded()),
    ({"type": "response.output_text.delta", "delta": "x"}, events.Unneeded()),
    ({"type": "response.telepathy.delta"}, events.Unknown("response.telepathy.delta")),
]


@pytest.mark.parametrize(("message", "event"), READ, ids=[f"{i}-{row[0]['type']}" for i, row in enumerate(READ)])
def test_each_message_means_its_event(message, event):
    assert wire.read_event(json.dumps(message)) == event


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("Unknown parameter: 'session.audio.speed'.", "Unknown parameter: 'session.audio.speed'."),
        ("Invalid value: 'Jane Roe'. Supported are: 'marin'.", "Invalid value: …. Supported are: …."),
        ('Cannot say "Jane Roe" or `Jane` or “Roe”', "Cannot say … or … or …"),
        ("Invalid value: 'I'm Jane Roe' isn't one", "Invalid value: … isn't one"),
        ("Invalid value: 'I'm Jane Roe and it's", "Invalid value: …"),
        ("Instructions begin with 'Call Jane Roe", "Instructions begin with …"),
        ("Neither 0912345678 nor jane@example.com, +84-912-345 please", "Neither … nor … … please"),
        ("x" * 300, "x" * 80),
    ],
)
def test_what_the_server_quotes_of_ours_is_left_out(message, detail):
    event = wire.read_event(json.dumps({"type": "error", "error": {"code": "invalid_value", "message": message}}))
    assert event == events.ServerError("invalid_value", "", detail)


@pytest.mark.parametrize(
    ("option", "detail"), [("session.voice", "session.voice: No."), ("Jane Roe", "No."), (7, "No.")]
)
def test_an_error_names_the_option_it_is_about(option, detail):
    error = {"code": "invalid_value", "message": "No.", "param": option}
    assert wire.read_event(json.dumps({"type": "error", "error": error})) == events.ServerError(
        "invalid_value", "", detail
    )


@pytest.mark.parametrize("code", ["Jane Roe said no", "9", "x" * 65])
def test_a_code_is_a_word_of_the_servers(code):
    assert wire.read_event(json.dumps({"type": "error", "error": {"code": code}})) == events.ServerError(
        "unknown", "", ""
    )


@pytest.mark.parametrize(("beta", "name"), wire.BETA_NAMES.items())
def test_the_names_of_the_beta_mean_the_same(beta, name):
    fields = {**RESPONSE, "delta": "AAAA", "transcript": "x", "item": {"id": "i"}}
    assert wire.read_event(json.dumps({"type": beta, **fields})) == wire.read_event(
        json.dumps({"type": name, **fields})
    )
    assert not isinstance(wire.read_event(json.dumps({"type": beta, **fields})), events.Unknown)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\xff", "bad_json"),
        ("{", "bad_json"),
        ("[]", "no_type"),
        ("{}", "no_type"),
        ('{"type": 3}', "no_type"),
        ('{"type": "response.output_audio.done", "response_id": "r"}', "bad_field"),
        ('{"type": "response.created", "response": {"id": null}}', "bad_field"),
        ('{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "A"}', "bad_audio"),
        ('{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "é==="}', "bad_audio"),
    ],
)
def test_what_breaks_the_format_is_refused(message, code):
    with pytest.raises(RemoteProtocolError) as refused:
        wire.read_event(message)
    assert refused.value.code == code


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*RESPONSE, "item"]), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = [*RESPONSE, "item", "response", "session", "delta", "transcript", "call_id", "arguments", "error", "id"]


@given(
    st.sampled_from([row[0]["type"] for row in READ] + list(wire.BETA_NAMES)),
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5),
)
def test_any_fields_are_an_event_or_refused(type_, fields):
    try:
        wire.read_event(json.dumps({**fields, "type": type_}))
    except RemoteProtocolError as error:
        assert error.code  # noqa: PT017  the code is what is tested


def sent(message: bytes) -> dict:
    return json.loads(message)


def test_client_messages_have_the_form_of_the_protocol():
    assert sent(wire.append_audio(b"\x01\x02\x03")) == {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(b"\x01\x02\x03").decode(),
    }
    assert sent(wire.update_session({"type": "realtime"}, "e")) == {
        "type": "session.update",
        "event_id": "e",
        "session": {"type": "realtime"},
    }
    assert sent(wire.create_response("e1")) == {"type": "response.create", "event_id": "e1"}
    assert sent(wire.create_response("e2", "Greet.")) == {
        "type": "response.create",
        "event_id": "e2",
        "response": {"instructions": "Greet."},
    }
    assert sent(wire.cancel_response("r")) == {"type": "response.cancel", "response_id": "r"}
    assert sent(wire.truncate_item("i", 150)) == {
        "type": "conversation.item.truncate",
        "item_id": "i",
        "content_index": 0,
        "audio_end_ms": 150,
    }
    assert sent(wire.delete_item("i")) == {"type": "conversation.item.delete", "item_id": "i"}
    output = sent(wire.add_tool_output("c", {"ok": True}))
    assert output["item"] == {"type": "function_call_output", "call_id": "c", "output": '{"ok":true}'}


@pytest.mark.parametrize(
    ("role", "kind"), [("user", "input_text"), ("system", "input_text"), ("assistant", "output_text")]
)
def test_words_go_in_under_the_kind_of_their_speaker(role, kind):
    assert sent(wire.add_message(role, "Xin chào"))["item"] == {
        "type": "message",
        "role": role,
        "content": [{"type": kind, "text": "Xin chào"}],
    }
