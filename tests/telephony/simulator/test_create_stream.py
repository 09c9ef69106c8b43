"""The create-stream form, field by field."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.protocols.events import Channel
from telephony.protocols.wav import build_wav
from telephony.simulator.create_stream import (
    CreateStream,
    FormError,
    flattened,
    read_create_stream,
    read_form,
    stream_url,
)
from telephony.simulator.line import App

GOOD = {"url": b"wss://bot.example/ws", "destination": b"0899999999", "app": b"bot"}
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
PARAMETERS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=8)


@given(st.binary(max_size=3000), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_any_bytes_and_any_text_come_through_a_form(wav: bytes, text: str) -> None:
    request = httpx.Request("POST", "http://psr/", data={"parameter": text}, files={"audio_file": ("a.wav", wav)})
    form = read_form(request.headers["content-type"], request.read())
    assert form == {"parameter": text.encode(), "audio_file": wav}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("application/json", b"{}"),
        ("multipart/form-data", b"--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"no boundary here"),
    ],
)
def test_other_bodies_are_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(FormError):
        read_form(content_type, body)


def test_the_defaults_are_the_vendors() -> None:
    form = {"url": GOOD["url"], "destination": GOOD["destination"], "extension": b"101"}
    assert read_create_stream(form) == CreateStream(
        "wss://bot.example/ws", "0899999999", App.DIAL, Channel.STEREO, "101", None, {}
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", b""),
        ("url", b"/relative"),
        ("url", b"http://bot.example/ws"),
        ("url", b"ws://"),
        ("destination", b""),
        ("destination", b"nobody"),
        ("destination", b"0899 999 999"),
        ("app", b"fax"),
        ("channel", b"left"),
        ("is_silence", b"maybe"),
        ("parameter", b"{"),
        ("parameter", b"[1]"),
        ("audio_file", b"not a wav"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: bytes) -> None:
    with pytest.raises(FormError) as refusal:
        read_create_stream({**GOOD, field: value})
    assert list(refusal.value.errors) == [field]


def test_dial_needs_an_extension() -> None:
    with pytest.raises(FormError) as refusal:
        read_create_stream({**GOOD, "app": b"dial"})
    assert list(refusal.value.errors) == ["extension"]


@pytest.mark.parametrize(("is_silence", "samples"), [(b"true", None), (b"false", 800), (b"", 800)])
def test_silence_wins_over_the_opening_file(is_silence: bytes, samples: int | None) -> None:
    wav = build_wav(bytes(1600), 8000)
    opening = read_create_stream({**GOOD, "is_silence": is_silence, "audio_file": wav}).opening
    assert (None if opening is None else len(opening)) == samples


@pytest.mark.parametrize(
    ("document", "flat"),
    [
        ({}, {}),
        ({"a": "x", "b": 1, "c": True, "d": None, "e": 1.5}, {"a": "x", "b": "1", "c": "true", "d": "", "e": "1.5"}),
        ({"a": {"b": {"c": "x"}}, "l": [1, "é"]}, {"a.b.c": "x", "l": '[1,"é"]'}),
    ],
)
def test_parameters_are_flattened(document, flat) -> None:
    assert flattened(document) == flat


@given(PARAMETERS)
def test_every_parameter_arrives_and_none_can_be_the_call_id(parameter: dict[str, str]) -> None:
    request = CreateStream("ws://bot/x?own=1", "09", App.BOT, Channel.MONO_A, "", None, parameter)
    url = stream_url(request, "the-call", "the-tenant")
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert query[:3] == [("own", "1"), ("call_id", "the-call"), ("tenant", "the-tenant")]
    assert dict(query[3:]) == {key: value for key, value in parameter.items() if key not in ("call_id", "tenant")}
