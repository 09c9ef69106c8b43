"""Bodies that are too large are refused while they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from django.core.handlers.asgi import ASGIHandler

from config.body_limit import BodyLimit, Message
from config.security_headers import PROGRAMS

LIMIT_BYTES = 10


class Echo:
    """An application that reads the whole body, as Django does, and remembers what it was given."""

    def __init__(self) -> None:
        self.body = b""
        self.was_cut_off = False

    async def __call__(self, scope, receive, send) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.was_cut_off = True
                break
            self.body += message["body"]
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def request(parts: Iterable[bytes], *, content_length: bytes = b"") -> tuple[Echo, list[Message], list[bytes]]:
    waiting = list(parts)
    sent: list[Message] = []

    async def receive() -> Message:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    echo = Echo()
    headers = [(b"content-length", content_length)] if content_length else []
    scope = {"type": "http", "path": "/api/v1/customers/", "headers": headers}
    await BodyLimit(echo, limit_bytes=LIMIT_BYTES)(scope, receive, send)
    return echo, sent, waiting


@pytest.mark.parametrize("parts", [[b""], [b"0123456789"], [b"01234", b"56789"]])
async def test_a_body_up_to_the_limit_goes_through(parts):
    echo, sent, _ = await request(parts, content_length=b"10")
    assert (echo.body, sent[0]["status"]) == (b"".join(parts), 200)


async def test_a_body_over_the_limit_is_refused_before_it_has_arrived():
    echo, sent, unread = await request([b"01234567", b"89abc", b"never read", b"nor this"])
    assert (echo.body, echo.was_cut_off, unread) == (b"01234567", True, [b"never read", b"nor this"])
    assert [message.get("status") for message in sent] == [413, None]
    assert json.loads(sent[1]["body"])["code"] == "too_large"
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert headers["content-security-policy"] == PROGRAMS
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_declares_itself_too_large_is_not_read_at_all():
    echo, sent, unread = await request([b"x"], content_length=b"11")
    assert (echo.body, sent[0]["status"], unread) == (b"", 413, [b"x"])


@pytest.mark.parametrize("content_length", [b"-5", b"many", b""])
async def test_a_length_that_is_no_number_is_left_to_the_server(content_length):
    _, sent, _ = await request([b"x"], content_length=content_length)
    assert sent[0]["status"] == 200


async def test_django_answers_nothing_more_to_a_request_that_was_refused(settings):
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 6, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sign-in/",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }
    await BodyLimit(ASGIHandler(), limit_bytes=LIMIT_BYTES)(scope, receive, send)
    assert [message.get("status") for message in sent] == [413, None]
