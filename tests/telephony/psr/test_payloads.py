import email
import email.policy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError
from telephony.protocols.events import Channel
from telephony.protocols.wav import build_wav
from telephony.psr.payloads import (
    AudioFile,
    CreateStreamRequest,
    DialFormat,
    PsrApp,
    check_base_url,
    create_stream_url,
    encode_parameter,
    is_call_id,
    recording_url,
    render_destination,
)

WAV = build_wav(b"\x01\x02\x03\x04", 8000)
BOUNDARY = "0123456789abcdef0123456789abcdef"
VALID = {
    "url": "wss://demo-psr.ws/server/ws",
    "destination": "0899999999",
    "app": PsrApp.BOT,
    "channel": Channel.MONO_A,
    "parameter": {"value": "test"},
}


def request_with(**changes):
    return CreateStreamRequest(**(VALID | changes))


def test_form_of_a_silent_bot_is_exactly_this():
    body = request_with(parameter={"danh_xung": "anh", "ten": "Vũ"}).multipart_body(BOUNDARY)

    assert body.decode("ascii") == (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="url"\r\n\r\nwss://demo-psr.ws/server/ws\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="destination"\r\n\r\n0899999999\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="app"\r\n\r\nbot\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="channel"\r\n\r\nmono_a\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="is_silence"\r\n\r\ntrue\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="parameter"\r\n\r\n'
        '{"danh_xung":"anh","ten":"V\\u0169"}\r\n'
        f"--{BOUNDARY}--\r\n"
    )


def test_form_of_a_dial_names_the_extension():
    fields = request_with(app=PsrApp.DIAL, extension="101", channel=Channel.STEREO, parameter={}).form_fields()

    assert list(fields.items()) == [
        ("url", "wss://demo-psr.ws/server/ws"),
        ("destination", "0899999999"),
        ("app", "dial"),
        ("channel", "stereo"),
        ("extension", "101"),
        ("is_silence", "true"),
        ("parameter", "{}"),
    ]


def parts_of(body):
    head = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    return [(part["Content-Disposition"].params, part.get_payload(decode=True)) for part in message.iter_parts()]


def test_form_with_an_opening_file_ends_with_it():
    body = request_with(is_silence=False, audio_file=AudioFile("hello.wav", WAV)).multipart_body(BOUNDARY)

    assert body.endswith(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="audio_file"; filename="hello.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n".encode()
        + WAV
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


@given(
    parameter=st.dictionaries(
        st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,9}", fullmatch=True), st.text(max_size=20), max_size=5
    )
)
def test_form_read_by_another_reader_has_the_same_parts(parameter):
    request = request_with(parameter=parameter)

    parts = parts_of(request.multipart_body(BOUNDARY))

    assert [(params["name"], text.decode("ascii")) for params, text in parts] == list(request.form_fields().items())
    assert json.loads(parts[-1][1]) == parameter


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "/relative"},
        {"url": "https://demo.example/ws"},
        {"url": "wss://"},
        {"url": "wss://demo.example/a b"},
        {"url": "wss://demo.example/\r\nX: y"},
        {"url": "wss://user@demo.example/"},
        {"url": "wss://demo.example/#part"},
        {"url": "wss://demo.example/" + "x" * 2048},
        {"url": "wss://demo.example:99999/"},
        {"url": "wss://[demo.example/"},
        {"destination": "12345678"},
        {"destination": "1234567890123456"},
        {"destination": "0899 999 999"},
        {"destination": "0899999999\n"},
        {"destination": "０８９９９９９９９９"},
        {"app": PsrApp.DIAL},
        {"app": PsrApp.DIAL, "extension": "1"},
        {"app": PsrApp.DIAL, "extension": "101\r\n"},
        {"app": PsrApp.DIAL, "extension": "101", "is_silence": False, "audio_file": AudioFile("a.wav", WAV)},
        {"extension": "101"},
        {"audio_file": AudioFile("a.wav", WAV)},
        {"is_silence": False},
        {"parameter": {"": "x"}},
        {"parameter": {"1a": "x"}},
        {"parameter": {"tên": "x"}},
        {"parameter": {"a" * 41: "x"}},
        {"parameter": {"a\r\n": "x"}},
        {"parameter": {"a": 1}},
        {"parameter": {f"k{index}": "x" for index in range(33)}},
        {"parameter": {"a": "x" * 2048}},
        {"parameter": {"a": "ễ" * 400}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_request_that_must_not_reach_psr_is_refused(changes):
    with pytest.raises(LocalProtocolError) as refusal:
        request_with(**changes)
    assert str(refusal.value)


def test_parameter_may_be_as_long_as_the_limit():
    request = request_with(parameter={"a": "x" * (2048 - len('{"a":""}'))})

    assert len(request.form_fields()["parameter"]) == 2048


@pytest.mark.parametrize("boundary", ["short", "x" * 71, "with space 0123456789", "line\r\nbreak0123456789"])
def test_boundary_that_could_break_the_header_is_refused(boundary):
    with pytest.raises(LocalProtocolError):
        request_with().multipart_body(boundary)


def test_boundary_that_stands_in_a_part_is_refused():
    with pytest.raises(LocalProtocolError):
        request_with(parameter={"a": f"--{BOUNDARY}"}).multipart_body(BOUNDARY)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ('a".wav', WAV),
        ("a\r\n.wav", WAV),
        ("", WAV),
        ("../a.wav", WAV),
        ("a.wav", b"ID3"),
        ("a.wav", build_wav(bytes(4), 16000)),
        ("a.wav", build_wav(bytes(6), 8000, channels=3)),
        ("a.wav", WAV + bytes(10 * 1024 * 1024)),
    ],
    ids=["quote", "line break", "empty", "path", "mp3", "rate", "channels", "size"],
)
def test_audio_file_that_cannot_be_played_is_refused(name, content):
    with pytest.raises(LocalProtocolError):
        AudioFile(name, content)


def test_repr_shows_nothing_secret_or_personal():
    assert repr(request_with(url="wss://h.example/psr/TOKEN")) == (
        "CreateStreamRequest(app=<PsrApp.BOT: 'bot'>, channel=<Channel.MONO_A: 'mono_a'>, extension='', "
        "is_silence=True, audio_file=None)"
    )


@given(st.dictionaries(st.text(), st.text()))
def test_encode_parameter_is_ascii_that_reads_back(parameter):
    encoded = encode_parameter(parameter)

    assert encoded.isascii()
    assert json.loads(encoded) == parameter


@pytest.mark.parametrize(
    ("e164", "dial_format", "rendered"),
    [
        ("+84899999999", DialFormat.NATIONAL, "0899999999"),
        ("+84899999999", DialFormat.E164, "+84899999999"),
        ("+6591234567", DialFormat.NATIONAL, "+6591234567"),
    ],
)
def test_render_destination_writes_as_the_trunk_wants(e164, dial_format, rendered):
    assert render_destination(e164, dial_format) == rendered


@pytest.mark.parametrize("text", ["0899999999", "84899999999", "+0899999999", "+84 899", ""])
def test_render_destination_wants_e164(text):
    with pytest.raises(LocalProtocolError):
        render_destination(text, DialFormat.E164)


def test_urls_are_built_on_the_base():
    assert check_base_url("https://psr.example:8443/pbx/") == "https://psr.example:8443/pbx"
    assert create_stream_url("https://psr.example/") == "https://psr.example/psr/v1/call/stream"
    assert recording_url("https://psr.example", "60fb-1") == "https://psr.example/psr/v1/call/record/60fb-1.wav"
    assert recording_url("https://psr.example", "a", full=True) == "https://psr.example/psr/v1/call/record/full_a.wav"


@pytest.mark.parametrize("call_id", ["", ".", "..", "a/b", "a%2fb", "a\n", "x" * 129, "ä", "a b"])
def test_recording_url_refuses_what_could_leave_its_folder(call_id):
    assert not is_call_id(call_id)
    with pytest.raises(LocalProtocolError):
        recording_url("https://psr.example", call_id)
