"""One reading per topic and second, however many sockets look at it.

There is no background reader: whoever asks first for something newer does the reading, the others wait for it on the
feed's lock and share the result. With nobody looking, nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from django.db import Error as DatabaseFailure
from django.db import close_old_connections

from campaigns.web.live.parts import Parts, Topic

logger = logging.getLogger(__name__)
T = TypeVar("T")

MIN_INTERVAL_S = 1.0
# A reading that takes long is made less often: a page may take up a fifth of one connection's time, no more.
REST_PER_READING = 4.0
# Threads of their own: the pages' and the calls' database work never waits behind a dashboard.
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="live-pages")


@dataclass(frozen=True, slots=True)
class Reading:
    """The latest parts. They are stale when the database could not be read since."""

    parts: Parts
    is_stale: bool


class Feed:
    """The latest reading of one topic."""

    def __init__(self, read: Callable[[], Parts], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = asyncio.Lock()
        self._reading = Reading(parts={}, is_stale=True)
        self._fresh_until: float | None = None
        self.subscribers = 0

    async def latest(self) -> Reading:
        """A reading at most `MIN_INTERVAL_S` old, or the last one there is, marked stale."""
        async with self._lock:
            if self._fresh_until is None or self._clock() >= self._fresh_until:
                await self._refresh()
            return self._reading

    async def _refresh(self) -> None:
        began = self._clock()
        try:
            self._reading = Reading(parts=await in_reader_thread(self._read), is_stale=False)
        except DatabaseFailure as failure:
            logger.warning("live_page_unreadable", extra={"failure": type(failure).__name__})
            self._reading = Reading(parts=self._reading.parts, is_stale=True)
        ended = self._clock()
        self._fresh_until = max(began + MIN_INTERVAL_S, ended + REST_PER_READING * (ended - began))


class Feeds:
    """The feeds somebody looks at, by topic."""

    def __init__(self, read: Callable[[Topic], Parts]) -> None:
        self._read = read
        self._by_topic: dict[Topic, Feed] = {}

    @contextmanager
    def subscribed(self, topic: Topic) -> Iterator[Feed]:
        """The topic's feed for as long as the caller stays; the last one to leave drops it."""
        feed = self._by_topic.get(topic)
        if feed is None:
            feed = self._by_topic[topic] = Feed(lambda: self._read(topic))
        feed.subscribers += 1
        try:
            yield feed
        finally:
            feed.subscribers -= 1
            if not feed.subscribers:
                del self._by_topic[topic]

    @property
    def subscribers(self) -> int:
        """How many sockets look at any feed."""
        return sum(feed.subscribers for feed in self._by_topic.values())


async def in_reader_thread(work: Callable[[], T]) -> T:
    """What `work` returns, run on a thread that may use the database."""

    def run() -> T:
        close_old_connections()
        try:
            return work()
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_readers, run)
