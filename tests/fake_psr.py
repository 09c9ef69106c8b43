"""A loopback create-stream endpoint that remembers: the oracle of what was really posted and really placed.

Unlike the simulator it has no phone behind it. What it does with a request is scripted by a function, so that a test
can break the exchange at any byte.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import json
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/psr/v1/call/stream"


@dataclass(frozen=True, slots=True)
class Post:
    """One request as it arrived."""

    at_s: float
    authorization: str
    fields: dict[str, str]
    call_id: str

    @property
    def token(self) -> str:
        return self.fields["url"].rsplit("/", 1)[1]

    @property
    def attempt_id(self) -> uuid.UUID:
        payload = self.token.split(".")[0]
        return uuid.UUID(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["a"])


@dataclass(frozen=True, slots=True)
class Reply:
    """What to do with a request. `is_placed` says whether a phone rings; a reset is sent in place of any answer."""

    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    is_placed: bool = True
    is_reset: bool = False


PLACED = Reply()
PLACED_THEN_RESET = Reply(is_reset=True)
PLACED_THEN_500 = Reply(500, "{}")
PLACED_THEN_GARBAGE = Reply(200, "<html>")
REFUSED = Reply(400, '{"code":"BAD","message":"no"}', is_placed=False)
UNAUTHORIZED = Reply(401, "{}", is_placed=False)
THROTTLED = Reply(429, "{}", {"Retry-After": "30"}, is_placed=False)
MOVED = Reply(302, "", {"Location": "http://127.0.0.1:9/"}, is_placed=False)


@dataclass
class FakePsr:
    """The server's memory. `decide` chooses the reply to each request; it may also act, in the request's thread."""

    decide: Callable[[Post], Reply] = lambda _: PLACED
    posts: list[Post] = field(default_factory=list)
    calls: list[Post] = field(default_factory=list)
    url: str = ""


@contextmanager
def fake_psr(decide: Callable[[Post], Reply] = lambda _: PLACED) -> Iterator[FakePsr]:
    """A running endpoint on a free loopback port."""
    memory = FakePsr(decide)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = _form(self.headers["Content-Type"], body)
            post = Post(time.time(), self.headers["Authorization"], fields, str(uuid.uuid4()))
            assert self.path == PATH
            with lock:
                memory.posts.append(post)
            reply = memory.decide(post)
            if reply.is_placed:
                with lock:
                    memory.calls.append(post)
            if reply.is_reset:
                # Linger 0 makes the close a reset.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self._answer(reply, post)

        def _answer(self, reply: Reply, post: Post) -> None:
            ok = {"code": "OK", "message": "OK", "data": {"call_id": post.call_id, "status": "in-progress"}}
            text = json.dumps(ok) if reply.body is None else reply.body
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())
            except (BrokenPipeError, ConnectionResetError):
                # The dialer died or gave up: its business.
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    memory.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield memory
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A peer that was killed in the middle of its request is part of the tests."""


def _form(content_type: str, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    fields = {}
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = content.decode("latin-1")
    return fields
