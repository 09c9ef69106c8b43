"""An httpx transport that opens one connection per request and keeps a deadline over the whole exchange.

httpx's own time-outs start again with every socket operation, so a peer that sends one byte a second holds a
request for hours. Here every operation gets only what is left of the total: name resolution, connecting, the TLS
handshake, each write and each read.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from telephony.psr.name_lookup import look_up

_READ_BYTES_MAX = 64 * 1024
# What httpcore raises, as httpx names it. Subclasses come before their bases.
_HTTPX_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.TimeoutException, httpx.TimeoutException),
)


class DeadlineTransport(httpx.BaseTransport):
    """One new connection per request; the request's extension `total_s` bounds everything until the body is read.

    The connect time-out of the request bounds resolving, connecting and the TLS handshake together. The extension
    `sni_hostname` says whose certificate is expected when the URL names an address, `when_sent` is called after
    the last byte of the request. Safe to share between threads: nothing but the TLS context is kept.
    """

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        self._ssl_context = ssl_context

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: nothing was sent.
            httpx.TransportError: anything else; the peer may have read the request.
        """
        total_s: float = request.extensions["total_s"]
        connect_s: float = min(request.extensions["timeout"]["connect"], total_s)
        started_s = time.monotonic()
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        connection = httpcore.HTTPConnection(
            url.origin,
            ssl_context=self._ssl_context,
            keepalive_expiry=0,
            network_backend=_DeadlineBackend(started_s + connect_s, started_s + total_s),
        )
        with contextlib.ExitStack() as on_error:
            on_error.callback(connection.close)
            with _httpx_errors():
                response = connection.handle_request(
                    httpcore.Request(
                        request.method,
                        url,
                        headers=request.headers.raw,
                        content=request.stream,
                        extensions=_name_for_tls(request) | _call_when_sent(request),
                    )
                )
            on_error.pop_all()
        return httpx.Response(status_code=response.status, headers=response.headers, stream=_Body(response, connection))


def _name_for_tls(request: httpx.Request) -> dict[str, Any]:
    """The name the certificate must be for, where the URL names a checked address instead of a host."""
    name = request.extensions.get("sni_hostname")
    return {"sni_hostname": name} if name else {}


def _call_when_sent(request: httpx.Request) -> dict[str, Any]:
    """A trace of the exchange that calls the request's extension `when_sent` after its last byte was written."""
    when_sent: Callable[[], None] | None = request.extensions.get("when_sent")
    if when_sent is None:
        return {}

    def trace(step: str, _: Any) -> None:
        if step == "http11.send_request_body.complete":
            when_sent()

    return {"trace": trace}


class _Body(httpx.SyncByteStream):
    """A response's body, which owns the connection."""

    def __init__(self, response: httpcore.Response, connection: httpcore.HTTPConnection) -> None:
        self._response = response
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except tuple(source for source, _ in _HTTPX_ERRORS) as error:
        named = next(target for source, target in _HTTPX_ERRORS if isinstance(error, source))
        raise named(str(error)) from error


class _DeadlineBackend(httpcore.NetworkBackend):
    """Opens sockets that stop at a moment of the monotonic clock, whatever time-out they are called with."""

    def __init__(self, connect_by_s: float, finish_by_s: float) -> None:
        self._connect_by_s = connect_by_s
        self._finish_by_s = finish_by_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 the deadline stands instead
        local_address: str | None = None,  # noqa: ARG002 not offered
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 not offered
    ) -> httpcore.NetworkStream:
        last_error: OSError = OSError("the name has no address")
        try:
            for family, kind, protocol, _, address in look_up(host, port, timeout_s=_left_s(self._connect_by_s)):
                sock = socket.socket(family, kind, protocol)
                try:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.settimeout(_left_s(self._connect_by_s))
                    sock.connect(address)
                except TimeoutError:
                    sock.close()
                    raise
                except OSError as error:
                    sock.close()
                    last_error = error
                else:
                    return _DeadlineStream(sock, self._connect_by_s, self._finish_by_s)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"no connection: {error}") from error
        raise httpcore.ConnectError(f"no connection: {last_error}") from last_error


class _DeadlineStream(httpcore.NetworkStream):
    """A socket each of whose operations may take what is left until the deadline."""

    def __init__(self, sock: socket.socket, connect_by_s: float, finish_by_s: float) -> None:
        self._sock = sock
        self._connect_by_s = connect_by_s
        self._finish_by_s = finish_by_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 the deadline stands instead
        try:
            self._sock.settimeout(_left_s(self._finish_by_s))
            return self._sock.recv(min(max_bytes, _READ_BYTES_MAX))
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no whole answer in time") from error
        except OSError as error:
            raise httpcore.ReadError("the connection broke while reading") from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 the deadline stands instead
        unsent = memoryview(buffer)
        try:
            while unsent:
                self._sock.settimeout(_left_s(self._finish_by_s))
                unsent = unsent[self._sock.send(unsent) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout("the request could not be sent in time") from error
        except OSError as error:
            raise httpcore.WriteError("the connection broke while sending") from error

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 the deadline stands instead
    ) -> httpcore.NetworkStream:
        try:
            self._sock.settimeout(_left_s(self._connect_by_s))
            secured = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except TimeoutError as error:
            self._sock.close()
            raise httpcore.ConnectTimeout("no TLS handshake in time") from error
        except (OSError, ValueError) as error:
            self._sock.close()
            raise httpcore.ConnectError(f"no TLS connection: {error}") from error
        return _DeadlineStream(secured, self._connect_by_s, self._finish_by_s)

    def close(self) -> None:
        self._sock.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002 nothing asks for more
        return None


def _left_s(moment_s: float) -> float:
    left_s = moment_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the deadline has passed")
    return left_s
