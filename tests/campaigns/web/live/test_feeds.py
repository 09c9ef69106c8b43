"""One reading for everybody: when it is made, what is shared, what happens when it fails."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import OperationalError

from campaigns.web.live.feeds import Feed, Feeds, Reading
from campaigns.web.live.parts import Parts, Topic, TopicKind

# The readers' threads tidy up their database connections around each reading.
pytestmark = pytest.mark.django_db(transaction=True)

OVERVIEW = Topic(TopicKind.OVERVIEW, "", shows_numbers=True)
MASKED = Topic(TopicKind.OVERVIEW, "", shows_numbers=False)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Source:
    """Answers with what it is told to, takes as long as it is told to, and counts."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.takes_s = 0.0
        self.fails = False
        self.readings = 0

    def __call__(self) -> Parts:
        self.readings += 1
        self.clock.now_s += self.takes_s
        if self.fails:
            raise OperationalError("the database is away")
        return {"tiles": str(self.readings)}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(clock: Clock) -> Source:
    return Source(clock)


@pytest.fixture
def feed(source: Source, clock: Clock) -> Feed:
    return Feed(source, clock=clock)


async def test_a_feed_reads_once_a_second_however_many_ask(feed, source, clock):
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(feed.latest()) for _ in range(50)]
    assert {task.result().parts["tiles"] for task in asked} == {"1"}

    clock.now_s = 0.99
    assert (await feed.latest()).parts == {"tiles": "1"}
    clock.now_s = 1.0
    assert (await feed.latest()).parts == {"tiles": "2"}
    assert source.readings == 2


async def test_a_slow_reading_is_made_less_often(feed, source, clock):
    source.takes_s = 0.5
    await feed.latest()

    clock.now_s = 2.49
    await feed.latest()
    assert source.readings == 1
    clock.now_s = 2.5
    await feed.latest()
    assert source.readings == 2


async def test_a_failed_reading_keeps_the_last_parts_and_is_tried_again(feed, source, clock):
    await feed.latest()
    source.fails = True
    clock.now_s = 1.0
    assert await feed.latest() == Reading({"tiles": "1"}, is_stale=True)

    source.fails = False
    clock.now_s = 1.5
    assert (await feed.latest()).is_stale
    clock.now_s = 2.0
    assert await feed.latest() == Reading({"tiles": "3"}, is_stale=False)


async def test_a_reader_that_leaves_does_not_hold_up_the_others(clock):
    is_reading, may_end = threading.Event(), threading.Event()

    def read() -> Parts:
        is_reading.set()
        may_end.wait(5)
        return {"tiles": "1"}

    feed = Feed(read, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(feed.latest())
        await asyncio.to_thread(is_reading.wait, 5)
        second = tasks.create_task(feed.latest())
        first.cancel()
        may_end.set()
    assert second.result() == Reading({"tiles": "1"}, is_stale=False)


def test_equal_topics_share_a_feed_and_the_last_one_drops_it():
    feeds = Feeds(lambda topic: {})
    with feeds.subscribed(OVERVIEW) as one:
        with feeds.subscribed(OVERVIEW) as two, feeds.subscribed(MASKED) as masked:
            assert one is two
            assert one is not masked
            assert feeds.subscribers == 3
        assert feeds.subscribers == 1
    assert feeds.subscribers == 0
    with feeds.subscribed(OVERVIEW) as later:
        assert later is not one
