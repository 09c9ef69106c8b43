"""The socket behind a live page.

A plain ASGI application under Channels' routing and sign-in, because a stock consumer has no place for a loop of its
own. The server speaks, the page listens; whatever a page sends is ignored.

Messages, JSON, at most 64 KiB: `{"type": "parts", "at": …, "parts": {name: html}}` with the parts that changed since
the last message, `{"type": "beat", "at": …}` when nothing did for a while, `{"type": "stale"}` while the database
cannot be read. A page that is slow is sent less often, never more at once: each message is made from the newest state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.db import Error as DatabaseFailure
from django.http import HttpRequest
from django.utils import timezone

from campaigns.web.access import sees_numbers
from campaigns.web.live.feeds import Feed, Feeds, in_reader_thread
from campaigns.web.live.parts import Parts, Topic, TopicKind, read_parts

logger = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLOSE_SIGNED_OUT = 4401
CLOSE_GONE = 4404
CLOSE_TRY_LATER = 1013
MAX_MESSAGE_BYTES = 64 * 1024
MAX_SOCKETS = 500
LOOK_EVERY_S = 1.0
BEAT_EVERY_S = 10.0
SESSION_CHECK_EVERY_S = 60.0
SEND_DEADLINE_S = 10.0

feeds = Feeds(lambda topic: read_parts(topic, timezone.now()))


@dataclass(slots=True)
class Watcher:
    """One open page: who looks, at what, and what was sent to it."""

    user_id: int
    session_key: str
    topic: Topic
    sent: dict[str, str] = field(default_factory=dict)
    was_stale: bool = False


async def live_page(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one page's socket from connect to disconnect. Refused unless the session belongs to somebody."""
    await receive()
    user = scope["user"]
    if not user.is_authenticated:
        await send({"type": "websocket.close", "code": CLOSE_SIGNED_OUT})
        return
    if feeds.subscribers >= MAX_SOCKETS:
        await send({"type": "websocket.close", "code": CLOSE_TRY_LATER})
        return
    arguments = scope["url_route"]["kwargs"]
    shows_numbers = await in_reader_thread(lambda: sees_numbers(user))
    topic = Topic(TopicKind(arguments["kind"]), str(arguments.get("key", "")), shows_numbers)
    await send({"type": "websocket.accept"})
    watcher = Watcher(user.pk, scope["session"].session_key, topic)
    with feeds.subscribed(topic) as feed:
        try:
            async with asyncio.TaskGroup() as tasks:
                gone = tasks.create_task(_until_disconnected(receive))
                code = await _watch(watcher, feed, send, gone)
                gone.cancel()
            if code is not None:
                await _send(send, {"type": "websocket.close", "code": code})
        except* (OSError, TimeoutError):
            logger.info("live_page_lost", extra={"topic": topic.kind.value})


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def _watch(watcher: Watcher, feed: Feed, send: Send, gone: asyncio.Task[None]) -> int | None:
    """Send what changes until the page is gone (None) or must go (the close code)."""
    checked_at = beat_at = time.monotonic()
    while True:
        reading = await feed.latest()
        if not reading.parts and not reading.is_stale:
            return CLOSE_GONE
        news = _news(watcher, reading.parts, is_stale=reading.is_stale)
        if news is None and time.monotonic() - beat_at >= BEAT_EVERY_S:
            news = {"type": "beat"}
        if news is not None:
            await _send(send, {"type": "websocket.send", "text": _encode(news)})
            beat_at = time.monotonic()
        if time.monotonic() - checked_at >= SESSION_CHECK_EVERY_S:
            if not await in_reader_thread(lambda: is_still_allowed(watcher)):
                return CLOSE_SIGNED_OUT
            checked_at = time.monotonic()
        await asyncio.wait({gone}, timeout=LOOK_EVERY_S)
        if gone.done():
            return None


def _news(watcher: Watcher, parts: Parts, *, is_stale: bool) -> dict[str, Any] | None:
    """The next message for this page, or None when it knows everything."""
    if is_stale:
        is_new, watcher.was_stale = not watcher.was_stale, True
        return {"type": "stale"} if is_new else None
    changed = changed_parts(watcher.sent, parts)
    if not changed and not watcher.was_stale:
        return None
    watcher.was_stale = False
    watcher.sent |= changed
    return {"type": "parts", "parts": changed}


def changed_parts(sent: Parts, parts: Parts, *, limit_bytes: int = MAX_MESSAGE_BYTES) -> dict[str, str]:
    """The parts that differ from what was sent, as many as fit; the rest waits for the next message.

    A part that would never fit is left out for good: the page keeps what it was served with.
    """
    budget = room = limit_bytes - len(_encode({"type": "parts", "parts": {}}))
    changed: dict[str, str] = {}
    for name, html in parts.items():
        size = len(orjson.dumps({name: html}))
        if sent.get(name) == html or size > budget:
            continue
        if size > room:
            break
        room -= size
        changed[name] = html
    return changed


def is_still_allowed(watcher: Watcher) -> bool:
    """Whether the session still belongs to the same active person with the same rights. A database that cannot be
    asked answers yes: it has nothing to show either."""
    try:
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(watcher.session_key)
        user = get_user(request)
        return (
            isinstance(user, User)
            and user.is_active
            and user.pk == watcher.user_id
            and sees_numbers(user) == watcher.topic.shows_numbers
        )
    except DatabaseFailure:
        return True


async def _send(send: Send, message: Message) -> None:
    async with asyncio.timeout(SEND_DEADLINE_S):
        await send(message)


def _encode(news: Mapping[str, Any]) -> str:
    return orjson.dumps({**news, "at": timezone.now()}).decode()
