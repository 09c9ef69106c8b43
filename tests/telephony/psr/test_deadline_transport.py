import contextlib
import socket
import ssl

import httpx
import pytest

from telephony.psr.client import default_ssl_context
from telephony.psr.deadline_transport import DeadlineTransport
from tests.telephony.psr.scripted_server import answering, scripted, tls_answering

EXTENSIONS = {"total_s": 5.0}


def client_with(ssl_context=None):
    return httpx.Client(transport=DeadlineTransport(ssl_context or default_ssl_context()), trust_env=False, timeout=5.0)


def test_body_is_streamed_and_the_connection_closed_with_it():
    with answering("200 OK", b"x" * 100_000) as server, client_with() as client:
        with client.stream("GET", server.base_url, extensions=EXTENSIONS) as response:
            body = b"".join(response.iter_raw())

        assert body == b"x" * 100_000
        assert len(server.connections) == 1


@pytest.mark.parametrize(("name", "is_trusted"), [("psr.test", True), ("other.test", False)])
def test_certificate_must_be_for_the_named_host(certificate, name, is_trusted):
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    with tls_answering(certificate, b"{}") as server, client_with(trusting) as client:
        url = f"https://127.0.0.1:{server.port}"
        if is_trusted:
            assert client.get(url, extensions=EXTENSIONS | {"sni_hostname": name}).status_code == 200
        else:
            with pytest.raises(httpx.ConnectError):
                client.get(url, extensions=EXTENSIONS | {"sni_hostname": name})


@pytest.fixture
def resolved_to(monkeypatch):
    """Sets the addresses that every name has."""

    def set_addresses(*addresses):
        def getaddrinfo(*args, **kwargs):
            if kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "not an address")
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return set_addresses


def test_next_address_is_tried_where_one_refuses(resolved_to):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = listener.getsockname()
    with answering("200 OK", b"{}") as server, client_with() as client:
        resolved_to(refusing, ("127.0.0.1", server.port))

        assert client.get("http://psr.test", extensions=EXTENSIONS).status_code == 200


def test_name_without_addresses_is_no_connection(resolved_to):
    resolved_to()

    with client_with() as client, pytest.raises(httpx.ConnectError):
        client.get("http://psr.test", extensions=EXTENSIONS)


def test_host_that_does_not_take_the_connection_is_left_in_time():
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Nobody accepts: once the queue is full, the system lets further attempts wait.
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        client = stack.enter_context(client_with())

        with pytest.raises(httpx.ConnectTimeout):
            client.get(
                f"http://127.0.0.1:{listener.getsockname()[1]}",
                extensions=EXTENSIONS,
                timeout=httpx.Timeout(5.0, connect=0.3),
            )


def test_errors_are_named_as_httpx_names_them():
    def break_off(connection):
        connection.read_request()
        connection.reset()

    with scripted(break_off) as server, client_with() as client, pytest.raises(httpx.ReadError):
        client.get(server.base_url, extensions=EXTENSIONS)
