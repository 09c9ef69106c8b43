"""POSTs to strangers on real sockets: what is sent, where it may go, and how little a bad receiver can cost."""

from __future__ import annotations

import gzip
import ssl
import time

import pytest

from campaigns.services.outgoing_http import MAX_EXCERPT_BYTES, MAX_READ_BYTES, post
from tests.telephony.psr.conftest import certificate  # noqa: F401 a fixture
from tests.telephony.psr.scripted_server import answering, scripted, tls_answering

HEADERS = {"Content-Type": "application/json", "webhook-id": "evt_1"}


class FakeResolver:
    """Answers with the next of `answers` (the last one for ever) and remembers what it was asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def post_to(server, path="/hook?a=1", **options):
    url = f"http://127.0.0.1:{server.port}{path}"
    return post(url, body=b'{"a":1}', headers=HEADERS, exceptions=[f"127.0.0.1:{server.port}"], **options)


def test_the_body_goes_out_as_it_is_with_nothing_of_ours_but_the_headers():
    with answering("200 OK", b"thanks", "X-One: 1") as server:
        answer = post_to(server)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=1 HTTP/1.1"
    assert body == b'{"a":1}'
    assert sorted(line.lower() for line in lines[1:]) == sorted(
        [
            f"host: 127.0.0.1:{server.port}",
            "accept: */*",
            "accept-encoding: identity",
            "connection: close",
            "user-agent: trunkline-webhooks",
            "content-type: application/json",
            "webhook-id: evt_1",
            "content-length: 7",
        ]
    )
    assert (answer.status_code, answer.excerpt, answer.error) == (200, "thanks", "")
    assert answer.headers["x-one"] == "1"


def test_a_redirect_is_an_answer_and_is_not_followed():
    with answering("200 OK") as target, answering("302 Found", b"", f"Location: {target.base_url}") as server:
        answer = post_to(server)

    assert (answer.status_code, target.requests) == (302, [])


def test_the_connection_goes_to_the_checked_address_whatever_the_name_means_next():
    resolver = FakeResolver(["127.0.0.1"], ["127.0.0.2"])
    with answering("200 OK") as server:
        name = f"hooks.acme.invalid:{server.port}"
        answer = post(f"http://{name}/", body=b"{}", headers={}, exceptions=[name], resolve=resolver)

    assert answer.status_code == 200
    assert resolver.asked == [("hooks.acme.invalid", server.port)]
    assert f"host: {name}" in server.requests[0].decode().lower()


def test_the_certificate_must_be_the_names(certificate):  # noqa: F811
    trusting = ssl.create_default_context(cafile=str(certificate[0]))

    def call(name):
        with tls_answering(certificate, b"{}") as server:
            where = f"{name}:{server.port}"
            return post(
                f"https://{where}/",
                body=b"{}",
                headers={},
                exceptions=[where],
                resolve=FakeResolver(["127.0.0.1"]),
                ssl_context=trusting,
            )

    assert call("psr.test").status_code == 200
    assert (call("other.test").status_code, call("other.test").error) == (None, "ConnectError")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["1.1.1.1", "fd00::1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], []],
)
def test_a_name_with_one_address_inside_is_never_connected_to(addresses):
    resolver = FakeResolver(addresses)

    answer = post("https://hooks.acme.io:8443/", body=b"{}", headers={}, resolve=resolver)

    assert answer.status_code is None
    assert answer.error.startswith("refused, ")
    assert len(resolver.asked) == 1


def test_each_try_checks_the_name_anew():
    resolver = FakeResolver(["10.0.0.1"], ["169.254.169.254"])

    answers = [post("https://hooks.acme.io/", body=b"{}", headers={}, resolve=resolver) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [None, None]
    assert len(resolver.asked) == 2


def test_a_url_that_may_not_be_called_is_not_even_resolved():
    resolver = FakeResolver(["1.1.1.1"])

    answer = post("http://127.0.0.1:6379/", body=b"{}", headers={}, resolve=resolver)

    assert (answer.status_code, resolver.asked) == (None, [])


def test_a_name_that_does_not_resolve_is_said_so():
    def resolve(host, port):
        raise OSError("no such name")

    answer = post("https://hooks.acme.io/", body=b"{}", headers={}, resolve=resolve)

    assert answer.error == "not resolved: OSError"


def test_nobody_listening_is_said_so():
    with answering("200 OK") as server:
        pass

    assert post_to(server).error == "ConnectError"


def test_a_receiver_that_drips_is_left_at_the_deadline():
    def drip(connection):
        connection.read_request()
        connection.drip(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000, every_s=0.02)

    started_s = time.monotonic()
    with scripted(drip) as server:
        answer = post_to(server, total_timeout_s=0.4)

    assert (answer.status_code, answer.error) == (None, "ReadTimeout")
    assert time.monotonic() - started_s < 3


def test_a_receiver_that_says_nothing_is_left_at_the_deadline():
    with scripted(lambda connection: connection.stall()) as server:
        answer = post_to(server, total_timeout_s=0.3)

    assert answer.error == "ReadTimeout"


def test_a_huge_answer_is_read_a_little():
    sent_bytes = 0

    def flood(connection):
        nonlocal sent_bytes
        connection.read_request()
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not connection.stopping.is_set():
            sent_bytes += connection.sock.send(b"x" * 65_536)

    with scripted(flood) as server:
        answer = post_to(server)

    assert (answer.status_code, len(answer.excerpt)) == (200, MAX_EXCERPT_BYTES)
    # What the kernels' buffers hold on top of what was read.
    assert sent_bytes < 200 * MAX_READ_BYTES


def test_a_packed_answer_is_not_unpacked():
    with answering("200 OK", gzip.compress(b"0" * 10_000_000), "Content-Encoding: gzip") as server:
        answer = post_to(server)

    assert answer.status_code == 200
    assert len(answer.excerpt) <= MAX_EXCERPT_BYTES
    assert "0000" not in answer.excerpt


@pytest.mark.parametrize(
    "raw",
    [b"\x00\xff\x00garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, b"", b"HTTP/1.1 99999 ?\r\n\r\n"],
)
def test_what_is_no_http_is_a_failure(raw):
    def script(connection):
        connection.read_request()
        connection.sock.sendall(raw)

    with scripted(script) as server:
        answer = post_to(server)

    assert answer.status_code is None
    assert answer.error in ("RemoteProtocolError", "ReadError")
