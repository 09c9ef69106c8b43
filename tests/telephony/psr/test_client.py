import json
import logging
import socket
import ssl
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError
from telephony.protocols.events import Channel
from telephony.protocols.wav import build_wav
from telephony.psr.answers import AnswerKind
from telephony.psr.classifier import DialVerdict, TrunkAction, classify
from telephony.psr.client import AuthScheme, PsrClient, RecordingKind, RecordingResult
from telephony.psr.payloads import AudioFile, CreateStreamRequest, PsrApp
from tests.telephony.psr.scripted_server import ScriptedServer, answering, scripted, tls_answering

TOKEN = "s3cr3t-sentinel-token"
URL_TOKEN = "url-sentinel-7d8f9a"
PHONE = "0899123456"
CALL_ID = "60fb0716-87cf-437a-91e6-cdcecae21b43"
REQUEST = CreateStreamRequest(
    url=f"wss://trunkline.example/psr/{URL_TOKEN}",
    destination=PHONE,
    app=PsrApp.BOT,
    channel=Channel.MONO_A,
    parameter={"name": "Nguyễn"},
)
BIG_REQUEST = CreateStreamRequest(
    url=REQUEST.url,
    destination=PHONE,
    app=PsrApp.BOT,
    channel=Channel.MONO_A,
    is_silence=False,
    audio_file=AudioFile("hello.wav", build_wav(bytes(9_000_000), 8000)),
)
OK_BODY = json.dumps({"code": "OK", "message": "OK", "data": {"call_id": CALL_ID, "status": "in-progress"}}).encode()


def client_of(server, **options):
    options = {"connect_timeout_s": 1.0, "total_timeout_s": 1.0} | options
    return PsrClient(server.base_url, TOKEN, **options)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_create_stream_posts_one_form_and_reads_the_call_id():
    with answering("200 OK", OK_BODY, "Content-Type: application/json") as server:
        answer = client_of(server).create_stream(REQUEST)

    assert answer.kind is AnswerKind.ANSWERED
    assert (answer.status_code, answer.code, answer.call_id) == (200, "OK", CALL_ID)
    assert answer.recording_url == f"{server.base_url}/psr/v1/call/record/{CALL_ID}.wav"
    assert answer.full_recording_url == f"{server.base_url}/psr/v1/call/record/full_{CALL_ID}.wav"
    assert classify(answer).dial is DialVerdict.PLACED
    (sent,) = server.requests
    head, _, body = sent.partition(b"\r\n\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])}
    assert head.startswith(b"POST /psr/v1/call/stream HTTP/1.1\r\n")
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["connection"] == "close"
    content_type, _, boundary = headers["content-type"].partition("; boundary=")
    assert content_type == "multipart/form-data"
    assert body == REQUEST.multipart_body(boundary)


def test_create_stream_says_basic_only_when_told():
    with answering("200 OK", OK_BODY) as server:
        client_of(server, auth_scheme=AuthScheme.BASIC).create_stream(REQUEST)

    assert f"authorization: basic {TOKEN}\r\n".encode() in server.requests[0].lower()


def test_each_create_stream_opens_a_connection_of_its_own():
    with answering("200 OK", OK_BODY) as server:
        client = client_of(server)
        answers = [client.create_stream(REQUEST) for _ in range(3)]

    assert [answer.code for answer in answers] == ["OK"] * 3
    assert len(server.connections) == 3


def test_refused_connection_proves_nothing_was_sent():
    client = PsrClient(f"http://127.0.0.1:{closed_port()}", TOKEN)

    answer = client.create_stream(REQUEST)

    assert answer.kind is AnswerKind.NOT_CONNECTED
    assert classify(answer).dial is DialVerdict.NOT_SENT


def test_unknown_name_proves_nothing_was_sent():
    answer = PsrClient("http://psr.invalid", TOKEN).create_stream(REQUEST)

    assert answer.kind is AnswerKind.NOT_CONNECTED


def test_slow_resolver_is_left_behind_at_the_connect_deadline(monkeypatch):
    stopping = threading.Event()
    real = socket.getaddrinfo

    def stuck(*args, **kwargs):
        if kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
            return real(*args, **kwargs)
        stopping.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    started_s = time.monotonic()
    answer = PsrClient("http://psr.example", TOKEN, connect_timeout_s=0.2).create_stream(REQUEST)
    stopping.set()

    assert answer.kind is AnswerKind.NOT_CONNECTED
    assert time.monotonic() - started_s < 5


def reset_at_once(connection):
    connection.reset()


def reset_at_first_byte(connection):
    connection.read_bytes(1)
    connection.reset()


def reset_before_body(connection):
    connection.read_bytes(40)
    connection.reset()


def reset_after_request(connection):
    connection.read_request()
    connection.reset()


def close_after_request(connection):
    connection.read_request()


def reset_inside_answer(connection):
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    connection.reset()


def not_http(connection):
    connection.read_request()
    connection.sock.sendall(b"SIP/2.0 100 Trying\r\n\r\n")


@pytest.mark.parametrize(
    "script",
    [reset_at_first_byte, reset_before_body, reset_after_request, close_after_request, reset_inside_answer, not_http],
)
@pytest.mark.parametrize("request_", [REQUEST, BIG_REQUEST], ids=["small", "big"])
def test_connection_that_breaks_leaves_the_call_unknown(script, request_):
    with scripted(script) as server:
        answer = client_of(server, total_timeout_s=5.0).create_stream(request_)

    assert answer.kind is AnswerKind.INTERRUPTED
    assert classify(answer).dial is DialVerdict.UNKNOWN
    assert len(server.connections) == 1


@given(cut_at=st.integers(1, 900))
@settings(max_examples=25, deadline=None)
def test_request_cut_after_any_byte_leaves_the_call_unknown(cut_at):
    def reset_there(connection):
        connection.read_bytes(cut_at)
        connection.reset()

    with scripted(reset_there) as server:
        answer = client_of(server, total_timeout_s=5.0).create_stream(REQUEST)

    assert len(server.requests) == 1
    assert classify(answer).dial is DialVerdict.UNKNOWN


def test_when_sent_is_called_once_and_only_after_the_last_byte():
    calls: list[bytes] = []

    def answer_when_told(connection):
        request = connection.read_request()
        while not calls:
            time.sleep(0.001)
        calls.append(request.rpartition(b"--\r\n")[1])
        connection.answer("200 OK", OK_BODY, "Content-Type: application/json")

    with scripted(answer_when_told) as server:
        answer = client_of(server, total_timeout_s=5.0).create_stream(REQUEST, when_sent=lambda: calls.append(b"sent"))

    assert (answer.call_id, calls) == (CALL_ID, [b"sent", b"--\r\n"])


def test_when_sent_is_not_called_without_a_connection():
    calls: list[str] = []
    client = PsrClient(f"http://127.0.0.1:{closed_port()}", TOKEN, connect_timeout_s=1.0, total_timeout_s=1.0)
    client.create_stream(REQUEST, when_sent=lambda: calls.append("sent"))
    assert calls == []


def silent(connection):
    connection.read_request()
    connection.stall()


def drip_headers(connection):
    connection.read_request()
    connection.drip(b"HTTP/1.1 200 OK\r\nX-Slow: a", every_s=0.05)


def drip_informational(connection):
    connection.read_request()
    connection.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, every_s=0.001)


def drip_body(connection):
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    connection.drip(b"{", every_s=0.05)


def drip_chunked_body(connection):
    connection.read_request()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"1\r\na\r\n" * 10_000, every_s=0.01)


def stall_upload(connection):
    connection.read_bytes(40)
    connection.stall()


def drip_upload(connection):
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(1000):
        connection.sock.recv(512)
        if connection.stopping.wait(0.05):
            return


@pytest.mark.parametrize(
    ("script", "request_"),
    [
        (silent, REQUEST),
        (drip_headers, REQUEST),
        (drip_informational, REQUEST),
        (drip_body, REQUEST),
        (drip_chunked_body, REQUEST),
        (stall_upload, BIG_REQUEST),
        (drip_upload, BIG_REQUEST),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_total_deadline_holds_however_the_peer_delays(script, request_):
    with scripted(script) as server:
        started_s = time.monotonic()
        answer = client_of(server, total_timeout_s=0.5).create_stream(request_)
        took_s = time.monotonic() - started_s

    assert answer.kind is AnswerKind.INTERRUPTED
    # Every script would hold the request for many times longer; the margin is for a busy machine.
    assert 0.4 < took_s < 5


def test_endless_answer_is_read_no_further_than_the_limit():
    sent_bytes = []

    def flood(connection):
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for count in range(1024):
            connection.sock.sendall(bytes(1024 * 1024))
            sent_bytes.append((count + 1) * 1024 * 1024)

    with scripted(flood) as server:
        answer = client_of(server, total_timeout_s=10.0).create_stream(REQUEST)

    assert answer.kind is AnswerKind.UNREADABLE
    assert classify(answer).dial is DialVerdict.UNKNOWN
    assert max(sent_bytes, default=0) < 64 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"\xff\xfe", b"[" * 60_000, b'{"code":"OK"}', b'{"code":"OK","data":{"call_id":"../x"}}'],
)
def test_useless_success_leaves_the_call_unknown(body):
    with answering("200 OK", body) as server:
        answer = client_of(server).create_stream(REQUEST)

    assert classify(answer).dial is DialVerdict.UNKNOWN
    assert answer.recording_url == ""


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Moved"])
def test_redirects_are_not_followed(status):
    with answering("200 OK", OK_BODY) as other, answering(status, b"", f"Location: {other.base_url}/x") as server:
        answer = client_of(server).create_stream(REQUEST)

    assert other.connections == []
    verdict = classify(answer)
    assert (verdict.dial, verdict.trunk_action) == (DialVerdict.NOT_SENT, TrunkAction.HOLD)


def test_too_many_requests_is_told_with_the_time_to_wait():
    with answering("429 Too Many Requests", b"{}", "Retry-After: 30") as server:
        verdict = classify(client_of(server).create_stream(REQUEST))

    assert (verdict.dial, verdict.trunk_action) == (DialVerdict.NOT_SENT, TrunkAction.THROTTLE)
    assert verdict.retry_after_s == 30


def test_early_refusal_of_a_big_form_is_heard():
    def refuse(connection):
        connection.read_bytes(40)
        connection.answer("413 Content Too Large", b"{}")
        while connection.sock.recv(65536):
            pass

    with scripted(refuse) as server:
        answer = client_of(server, total_timeout_s=10.0).create_stream(BIG_REQUEST)

    assert (answer.status_code, classify(answer).dial) == (413, DialVerdict.REFUSED)


def test_trusted_certificate_is_talked_to(certificate):
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with tls_answering(certificate, OK_BODY) as server:
        client = PsrClient(f"https://127.0.0.1:{server.port}", TOKEN, ssl_context=trusting)
        answer = client.create_stream(REQUEST)

    assert classify(answer).dial is DialVerdict.PLACED


def test_untrusted_certificate_gets_not_one_byte(certificate):
    with tls_answering(certificate, OK_BODY) as server:
        answer = PsrClient(f"https://127.0.0.1:{server.port}", TOKEN).create_stream(REQUEST)

    assert answer.kind is AnswerKind.NOT_CONNECTED
    assert server.requests == [b""]


@pytest.mark.parametrize(
    "script", [lambda connection: connection.stall(), reset_at_once, lambda c: c.drip(b"\x16", 0.02)]
)
def test_tls_that_is_never_agreed_proves_nothing_was_sent(script):
    with scripted(script) as server:
        client = PsrClient(f"https://127.0.0.1:{server.port}", TOKEN, connect_timeout_s=0.4, total_timeout_s=1)
        started_s = time.monotonic()
        answer = client.create_stream(REQUEST)

    assert answer.kind is AnswerKind.NOT_CONNECTED
    assert time.monotonic() - started_s < 5


def test_nothing_secret_or_personal_is_logged_or_shown(caplog):
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    echo = json.dumps({"code": "BAD", "message": f"no route to {PHONE} for {REQUEST.url} with {TOKEN}"}).encode()
    with answering("400 Bad Request", echo) as server:
        client = client_of(server)
        answers = [client.create_stream(REQUEST)]
    answers.append(client.create_stream(REQUEST))

    shown = caplog.text + repr(client) + repr(REQUEST) + repr(answers)
    assert caplog.text
    assert [secret for secret in (TOKEN, URL_TOKEN, PHONE, "Nguy") if secret in shown] == []


@pytest.mark.parametrize(
    ("base_url", "token"),
    [
        ("psr.example", TOKEN),
        ("ftp://psr.example", TOKEN),
        ("https://user:pw@psr.example", TOKEN),
        ("https://psr.example/?a=1", TOKEN),
        ("https://psr.example:0", TOKEN),
        ("https://psr.example:x", TOKEN),
        ("https://", TOKEN),
        ("https://psr.example", ""),
        ("https://psr.example", "a b"),
        ("https://psr.example", "a\r\nX: y"),
        ("https://psr.example", "mã"),
    ],
)
def test_client_refuses_settings_that_cannot_work(base_url, token):
    with pytest.raises(LocalProtocolError) as refusal:
        PsrClient(base_url, token)
    assert TOKEN not in str(refusal.value)


def recording_server(wav, status="200 OK"):
    return answering(status, wav, "Content-Type: audio/wav")


def fetch(server, folder, max_bytes=1_000_000, full=False, **settings):
    return client_of(server).fetch_recording(CALL_ID, full, folder / "call.wav", max_bytes, **settings)


@pytest.mark.parametrize(("full", "name"), [(False, CALL_ID), (True, f"full_{CALL_ID}")])
def test_recording_is_saved_whole_from_the_address_built_here(tmp_path, full, name):
    wav = build_wav(bytes(range(256)) * 100, 8000)
    with recording_server(wav) as server:
        result = fetch(server, tmp_path, full=full)

    assert result == RecordingResult(RecordingKind.SAVED, tmp_path / "call.wav", len(wav), 200)
    assert [path.name for path in tmp_path.iterdir()] == ["call.wav"]
    assert (tmp_path / "call.wav").read_bytes() == wav
    assert server.requests[0].startswith(f"GET /psr/v1/call/record/{name}.wav HTTP/1.1\r\n".encode())
    assert f"Authorization: Bearer {TOKEN}\r\n".encode() in server.requests[0]


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        ("404 Not Found", b"", RecordingKind.NOT_READY, True),
        ("401 Unauthorized", b"", RecordingKind.REFUSED, False),
        ("302 Found", b"", RecordingKind.REFUSED, False),
        ("206 Partial Content", b"RIFF", RecordingKind.REFUSED, False),
        ("429 Too Many Requests", b"", RecordingKind.UNAVAILABLE, True),
        ("500 Oops", b"", RecordingKind.UNAVAILABLE, True),
        ("200 OK", b"<html>", RecordingKind.NOT_AUDIO, True),
        ("200 OK", b"", RecordingKind.NOT_AUDIO, True),
        ("200 OK", build_wav(bytes(1000), 8000)[:900], RecordingKind.NOT_AUDIO, True),
        ("200 OK", build_wav(bytes(2_000_000), 8000), RecordingKind.TOO_LARGE, False),
    ],
    ids=lambda value: str(value)[:20],
)
def test_recording_that_cannot_be_had_leaves_no_file(tmp_path, status, body, kind, retryable):
    with recording_server(body, status) as server:
        result = fetch(server, tmp_path)

    assert (result.kind, result.retryable, result.path) == (kind, retryable, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", [reset_inside_answer, drip_body])
def test_recording_that_breaks_off_leaves_the_old_file(tmp_path, script):
    (tmp_path / "call.wav").write_bytes(b"old")
    with scripted(script) as server:
        result = fetch(server, tmp_path, total_timeout_s=0.5)

    assert result.kind is RecordingKind.UNAVAILABLE
    assert [path.name for path in tmp_path.iterdir()] == ["call.wav"]
    assert (tmp_path / "call.wav").read_bytes() == b"old"


def test_recording_redirect_is_not_followed(tmp_path):
    with (
        recording_server(build_wav(b"", 8000)) as other,
        answering("302 Found", b"", f"Location: {other.base_url}/") as server,
    ):
        fetch(server, tmp_path)

    assert other.connections == []


@pytest.mark.parametrize("call_id", ["", "../etc/passwd", "a/b", "a?b", "x" * 129, "é"])
def test_recording_of_what_is_no_call_id_is_refused(tmp_path, call_id):
    server = ScriptedServer(silent)
    with server.running(), pytest.raises(LocalProtocolError):
        client_of(server).fetch_recording(call_id, False, tmp_path / "call.wav", 1000)

    assert server.connections == []
