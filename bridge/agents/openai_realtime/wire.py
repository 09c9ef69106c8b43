"""The OpenAI Realtime protocol in its general availability form: JSON texts to typed values, and back. Sans-I/O.

The names of the retired beta are understood on input, because other servers still speak them; they are never said.
Source: OpenAI Realtime API, client and server events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import pybase64

from bridge.agents.openai_realtime import events
from bridge.agents.openai_realtime.events import ServerEvent
from telephony.errors import RemoteProtocolError

MAX_DETAIL_CHARS: Final = 80
# A code of the server's, as its pages write them; other text in that place may be anything.
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
# What the server quotes may be the instructions, and in those is what the customer is called; the names of options are
# not. A quotation that does not end hides the rest.
_OPTION: Final = re.compile(r"session(?:\.\w{1,40}){0,8}")
# An apostrophe within a word neither begins nor ends one.
_QUOTATION: Final = re.compile(
    rf"'(?P<option>{_OPTION.pattern})'"
    r"|(?<!\w)'(?:[^']|'(?=\w))*(?:'|$)"
    r'|"[^"]*(?:"|$)'
    r"|`[^`]*(?:`|$)"
    r"|“[^”]*(?:”|$)"
)
_NUMBER_OR_ADDRESS: Final = re.compile(r"\S*@\S*|\S*\d{3,}\S*")

# Source: OpenAI Realtime API, "beta to GA migration": names that changed.
BETA_NAMES: Final[Mapping[str, str]] = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "conversation.item.created": "conversation.item.added",
}

_UNNEEDED: Final = frozenset(
    {
        "conversation.created",
        "conversation.item.deleted",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.timeout_triggered",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.output_text.delta",
        "response.output_text.done",
    }
)


def read_event(message: str | bytes) -> ServerEvent:
    """The event in one message of the server.

    Raises:
        RemoteProtocolError: it is not a JSON object with a `type`, or lacks what its type needs.
    """
    try:
        data = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise RemoteProtocolError("bad_json", "a message of the server is no JSON") from error
    if not isinstance(data, dict) or not isinstance(type_ := data.get("type"), str):
        raise RemoteProtocolError("no_type", "a message of the server names no type")
    type_ = BETA_NAMES.get(type_, type_)
    reader = _READERS.get(type_)
    if reader is None:
        return events.Unneeded() if type_ in _UNNEEDED else events.Unknown(type_)
    return reader(data)


def append_audio(audio: bytes) -> bytes:
    """The customer's audio, in the session's input format."""
    return b'{"type":"input_audio_buffer.append","audio":"' + pybase64.b64encode(audio) + b'"}'


def update_session(session: Mapping[str, Any], event_id: str) -> bytes:
    """The session's configuration; an `error` about it quotes `event_id`."""
    return orjson.dumps({"type": "session.update", "event_id": event_id, "session": session})


def add_message(role: str, text: str) -> bytes:
    """A message of the conversation in words: `user`, `assistant` or `system`."""
    kind = "output_text" if role == "assistant" else "input_text"
    item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    return orjson.dumps({"type": "conversation.item.create", "item": item})


def add_tool_output(call_id: str, output: Mapping[str, Any]) -> bytes:
    """What came of a tool call."""
    item = {"type": "function_call_output", "call_id": call_id, "output": orjson.dumps(output).decode()}
    return orjson.dumps({"type": "conversation.item.create", "item": item})


def create_response(event_id: str, instructions: str = "") -> bytes:
    """Ask for an answer; `instructions` take the place of the session's for this one. Errors quote `event_id`."""
    event: dict[str, Any] = {"type": "response.create", "event_id": event_id}
    if instructions:
        event["response"] = {"instructions": instructions}
    return orjson.dumps(event)


def cancel_response(response_id: str) -> bytes:
    """Stop a response that is under way."""
    return orjson.dumps({"type": "response.cancel", "response_id": response_id})


def truncate_item(item_id: str, audio_end_ms: int) -> bytes:
    """The customer heard only so much of an item of the model's speech."""
    return orjson.dumps(
        {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": audio_end_ms}
    )


def delete_item(item_id: str) -> bytes:
    """The customer heard nothing of an item of the model's speech."""
    return orjson.dumps({"type": "conversation.item.delete", "item_id": item_id})


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise RemoteProtocolError("bad_field", f"{name} is no text")
    return value


def _text_or_empty(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _whole(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _session_created(data: Mapping[str, Any]) -> ServerEvent:
    return events.SessionCreated(_whole(_object(data, "session"), "expires_at") or None)


def _speech_started(data: Mapping[str, Any]) -> ServerEvent:
    return events.SpeechStarted(_text(data, "item_id"), _whole(data, "audio_start_ms"))


def _speech_stopped(data: Mapping[str, Any]) -> ServerEvent:
    return events.SpeechStopped(_text(data, "item_id"), _whole(data, "audio_end_ms"))


def _committed(data: Mapping[str, Any]) -> ServerEvent:
    return events.AudioCommitted(_text(data, "item_id"), _text_or_empty(data, "previous_item_id"))


def _item_added(data: Mapping[str, Any]) -> ServerEvent:
    item = _object(data, "item")
    return events.ItemAdded(_text(item, "id"), _text_or_empty(data, "previous_item_id"))


def _transcribed(data: Mapping[str, Any]) -> ServerEvent:
    return events.CustomerTranscribed(_text(data, "item_id"), _text(data, "transcript"))


def _not_transcribed(data: Mapping[str, Any]) -> ServerEvent:
    return events.CustomerTranscribed(_text(data, "item_id"), None)


def _response_created(data: Mapping[str, Any]) -> ServerEvent:
    return events.ResponseCreated(_text(_object(data, "response"), "id"))


def _response_done(data: Mapping[str, Any]) -> ServerEvent:
    response = _object(data, "response")
    error = _object(_object(response, "status_details"), "error")
    usage = _object(response, "usage")
    return events.ResponseDone(
        response_id=_text(response, "id"),
        status=_text_or_empty(response, "status") or "completed",
        error_code=_code(error),
        usage=events.Usage(
            input_tokens=_whole(usage, "input_tokens"),
            cached_tokens=_whole(_object(usage, "input_token_details"), "cached_tokens"),
            output_tokens=_whole(usage, "output_tokens"),
        ),
    )


def _output_item(data: Mapping[str, Any], *, is_done: bool) -> ServerEvent:
    item = _object(data, "item")
    if item.get("type") != "function_call":
        return events.Unneeded()
    is_complete = is_done and item.get("status", "completed") == "completed"
    return events.FunctionCall(
        response_id=_text(data, "response_id"),
        call_id=_text(item, "call_id"),
        name=_text_or_empty(item, "name"),
        arguments=_text_or_empty(item, "arguments") if is_complete else None,
    )


def _output_item_added(data: Mapping[str, Any]) -> ServerEvent:
    return _output_item(data, is_done=False)


def _output_item_done(data: Mapping[str, Any]) -> ServerEvent:
    return _output_item(data, is_done=True)


def _arguments_done(data: Mapping[str, Any]) -> ServerEvent:
    return events.FunctionCall(
        response_id=_text(data, "response_id"),
        call_id=_text(data, "call_id"),
        name=_text_or_empty(data, "name"),
        arguments=_text(data, "arguments"),
    )


def _audio_delta(data: Mapping[str, Any]) -> ServerEvent:
    try:
        audio = pybase64.b64decode(_text(data, "delta"), validate=True)
    except ValueError as error:
        raise RemoteProtocolError("bad_audio", "an audio delta is no base64") from error
    return events.AudioDelta(_text(data, "response_id"), _text(data, "item_id"), audio)


def _audio_done(data: Mapping[str, Any]) -> ServerEvent:
    return events.AudioFinished(_text(data, "response_id"), _text(data, "item_id"))


def _words_delta(data: Mapping[str, Any]) -> ServerEvent:
    return events.WordsDelta(_text(data, "response_id"), _text(data, "item_id"), _text(data, "delta"))


def _words_done(data: Mapping[str, Any]) -> ServerEvent:
    return events.WordsFinished(_text(data, "response_id"), _text(data, "item_id"), _text(data, "transcript"))


def _error(data: Mapping[str, Any]) -> ServerEvent:
    error = _object(data, "error")
    message = without_quotations("".join(mark for mark in _text_or_empty(error, "message") if mark.isprintable()))
    option = _text_or_empty(error, "param")
    detail = f"{option}: {message}" if _OPTION.fullmatch(option) else message
    return events.ServerError(_code(error) or "unknown", _text_or_empty(error, "event_id"), detail[:MAX_DETAIL_CHARS])


def _code(error: Mapping[str, Any]) -> str:
    told = _text_or_empty(error, "code") or _text_or_empty(error, "type")
    return told if _CODE.fullmatch(told) or not told else "unknown"


def without_quotations(text: str) -> str:
    """What a server says, fit for a log: without what it quotes of ours, numbers and addresses."""
    text = _QUOTATION.sub(lambda quotation: f"'{quotation['option']}'" if quotation["option"] else "…", text)
    return _NUMBER_OR_ADDRESS.sub("…", text)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], ServerEvent]]] = {
    "session.created": _session_created,
    "session.updated": lambda _: events.SessionUpdated(),
    "input_audio_buffer.speech_started": _speech_started,
    "input_audio_buffer.speech_stopped": _speech_stopped,
    "input_audio_buffer.committed": _committed,
    "conversation.item.added": _item_added,
    "conversation.item.input_audio_transcription.completed": _transcribed,
    "conversation.item.input_audio_transcription.failed": _not_transcribed,
    "response.created": _response_created,
    "response.done": _response_done,
    "response.output_item.added": _output_item_added,
    "response.output_item.done": _output_item_done,
    "response.function_call_arguments.done": _arguments_done,
    "response.output_audio.delta": _audio_delta,
    "response.output_audio.done": _audio_done,
    "response.output_audio_transcript.delta": _words_delta,
    "response.output_audio_transcript.done": _words_done,
    "error": _error,
}
