"""A TCP server on loopback that plays one script per connection and remembers what it was sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class Connection:
    """One accepted connection, as a script sees it. Every operation has a deadline of its own."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.received = b""
        self.stopping = stopping

    def read_request(self) -> bytes:
        """The whole HTTP request, headers and body."""
        while b"\r\n\r\n" not in self.received:
            self._read_some()
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            self._read_some()
            body = self.received.partition(b"\r\n\r\n")[2]
        return self.received

    def read_bytes(self, count: int) -> None:
        """At least `count` bytes of the request, then no more."""
        while len(self.received) < count:
            self._read_some()

    def answer(self, status: str, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.sock.sendall("\r\n".join(lines).encode() + body)

    def drip(self, data: bytes, every_s: float) -> None:
        """One byte at a time, without end (the last byte repeats), until the peer leaves or the test ends."""
        for index in range(1_000_000):
            self.sock.sendall(data[min(index, len(data) - 1) :][:1])
            if self.stopping.wait(every_s):
                return

    def stall(self) -> None:
        """Do nothing until the test ends."""
        self.stopping.wait(30)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _read_some(self) -> None:
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError("the client left")
        self.received += piece


Script = Callable[[Connection], None]


class ScriptedServer:
    """`connections` lists what each accepted connection received."""

    def __init__(self, script: Script) -> None:
        self.connections: list[Connection] = []
        self._script = script
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def requests(self) -> list[bytes]:
        return [connection.received for connection in self.connections]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        self._threads[0].start()
        try:
            yield self
        finally:
            self._stopping.set()
            # shutdown wakes the accept; closing alone would leave the thread in it.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for thread in self._threads:
                thread.join(timeout=10)
            assert not any(thread.is_alive() for thread in self._threads)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(10)
            connection = Connection(sock, self._stopping)
            self.connections.append(connection)
            thread = threading.Thread(target=self._play, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _play(self, connection: Connection) -> None:
        # The client may leave in the middle of any script: that is what several tests are about.
        with connection.sock, contextlib.suppress(OSError):
            self._script(connection)


def scripted(script: Script) -> contextlib.AbstractContextManager[ScriptedServer]:
    """A running server that plays `script` for every connection."""
    return ScriptedServer(script).running()


def answering(status: str, body: bytes = b"", *headers: str) -> contextlib.AbstractContextManager[ScriptedServer]:
    """A running server that reads each request and answers it."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.answer(status, body, *headers)

    return scripted(script)


def tls_answering(certificate: tuple[Path, Path], body: bytes) -> contextlib.AbstractContextManager[ScriptedServer]:
    """A running server that answers 200 over TLS; `certificate` is (certificate file, key file)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def script(connection: Connection) -> None:
        connection.sock = context.wrap_socket(connection.sock, server_side=True)
        with connection.sock:
            connection.read_request()
            connection.answer("200 OK", body)

    return scripted(script)
