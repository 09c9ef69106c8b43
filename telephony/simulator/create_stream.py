"""The create-stream request as PSR takes it: a multipart form, checked field by field.

Source: vendor-docs/psr-3-create-stream.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from telephony.protocols.events import Channel
from telephony.simulator.audio import Samples, SpeechFormatError, read_wav_8k
from telephony.simulator.line import App

_DESTINATION = re.compile(r"\+?[0-9]{2,20}")
_FLAGS = {"": False, "false": False, "true": True}
_WEBSOCKET_SCHEMES = frozenset({"ws", "wss"})
FIXED_PARAMETERS = ("call_id", "tenant")


class FormError(ValueError):
    """The request cannot be taken; `errors` maps each wrong field to what to do about it."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class CreateStream:
    """One accepted request. `opening` is the file to play on answering, None for silence."""

    url: str
    destination: str
    app: App
    channel: Channel
    extension: str
    opening: Samples | None
    parameter: Mapping[str, str]


def read_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form by name; of two with one name the last.

    Raises:
        FormError: the body is not multipart/form-data.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        raise FormError({"body": "send multipart/form-data"})
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1")
    try:
        message = BytesParser().parsebytes(head + body)
    except MessageError as error:
        raise FormError({"body": f"not a readable multipart form: {error}"}) from None
    if not message.is_multipart():
        raise FormError({"body": "not a readable multipart form: its boundary is not in the body"})
    form: dict[str, bytes] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            form[name] = payload
    return form


def read_create_stream(form: Mapping[str, bytes]) -> CreateStream:
    """The request in a form.

    Raises:
        FormError: a field is missing or wrong; all such fields are named at once.
    """
    errors: dict[str, str] = {}
    text = {name: value.decode("utf-8", "replace").strip() for name, value in form.items() if name != "audio_file"}
    url = text.get("url", "")
    parts = urlsplit(url)
    if parts.scheme not in _WEBSOCKET_SCHEMES or not parts.hostname:
        errors["url"] = "required: an absolute ws:// or wss:// URL"
    destination = text.get("destination", "")
    if not _DESTINATION.fullmatch(destination):
        errors["destination"] = "required: a phone number or an extension, digits with an optional leading +"
    app = text.get("app") or App.DIAL.value
    if app not in set(App):
        errors["app"] = "dial or bot"
    channel = text.get("channel") or Channel.STEREO.value
    if channel not in set(Channel):
        errors["channel"] = "stereo, mono_a or mono_b"
    extension = text.get("extension", "")
    if app == App.DIAL.value and not extension:
        errors["extension"] = "required where app is dial (which is the default app)"
    is_silence = _FLAGS.get(text.get("is_silence", "").lower())
    if is_silence is None:
        errors["is_silence"] = "true or false"
    opening = None if is_silence or app != App.BOT.value else _opening(form.get("audio_file", b""), errors)
    parameter = _parameter(text.get("parameter", ""), errors)
    if errors:
        raise FormError(errors)
    return CreateStream(url, destination, App(app), Channel(channel), extension, opening, parameter)


def flattened(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A JSON object as text by key: inner objects give dotted keys, lists their JSON, null the empty text."""
    flat: dict[str, str] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(flattened(value, f"{name}."))
        elif isinstance(value, str):
            flat[name] = value
        else:
            flat[name] = "" if value is None else orjson.dumps(value).decode()
    return flat


def stream_url(request: CreateStream, call_id: str, tenant: str) -> str:
    """The URL to connect to: the given one with the fixed and the dynamic query parameters behind its own.

    A parameter cannot take the place of a fixed one. Source: vendor-docs/psr-1-introduction.
    """
    parts = urlsplit(request.url)
    own = parse_qsl(parts.query, keep_blank_values=True)
    fixed = [("call_id", call_id), ("tenant", tenant)]
    dynamic = [(key, value) for key, value in request.parameter.items() if key not in FIXED_PARAMETERS]
    return parts._replace(query=urlencode([*own, *fixed, *dynamic]), fragment="").geturl()


def _opening(wav: bytes, errors: dict[str, str]) -> Samples | None:
    if not wav:
        return None
    try:
        return read_wav_8k(wav)
    except SpeechFormatError as error:
        errors["audio_file"] = str(error)
        return None


def _parameter(text: str, errors: dict[str, str]) -> dict[str, str]:
    if not text:
        return {}
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        errors["parameter"] = 'a JSON object, such as {"danh_xung":"anh"}'
        return {}
    return flattened(document)
