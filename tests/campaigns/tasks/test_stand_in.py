"""A dial worker that takes the beat's place while there is none, one at a time and no longer than needed."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from campaigns.models import Heartbeat
from campaigns.queries.health import BEAT_GONE, DIAL, STAND_IN, dialer_fault
from campaigns.services.heartbeats import record_heartbeat, take_turn
from campaigns.tasks import dialing, stand_in
from campaigns.tasks.stand_in import REAP_EVERY, TURN, StandIn
from config.celery import StandInStep
from tests.factories import NOW

pytestmark = pytest.mark.django_db

GONE = NOW - BEAT_GONE


class Work:
    """What was done, in its order; with a broker that answers until it is told not to."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.has_broker = True


@pytest.fixture(autouse=True)
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    monkeypatch.setattr(dialing, "tick", lambda: work.done.append("tick"))
    monkeypatch.setattr(dialing, "reap", lambda: work.done.append("reap"))
    monkeypatch.setattr(stand_in, "broker_answers", lambda: work.has_broker)
    return work


def rounds(worker: StandIn, count: int, begin: datetime = NOW) -> list[bool]:
    return [worker.round(begin + timedelta(seconds=second)) for second in range(count)]


def test_while_the_beat_lives_nothing_is_done(work: Work) -> None:
    record_heartbeat(DIAL, now=GONE + timedelta(seconds=1))
    assert not StandIn().round(NOW)
    assert work.done == []


def test_without_a_beat_a_worker_ticks_and_reaps(work: Work) -> None:
    record_heartbeat(DIAL, now=GONE)
    worker = StandIn()
    assert rounds(worker, 6) == [True] * 6
    assert work.done == ["reap", *["tick"] * 5, "reap", "tick"]
    assert timedelta(seconds=5) == REAP_EVERY
    # The pages do not say that nothing dials, and the beat's return ends it.
    assert dialer_fault(NOW + timedelta(minutes=5, seconds=-241)) == ""
    record_heartbeat(DIAL, now=NOW)
    assert not worker.round(NOW + timedelta(seconds=7))


def test_one_worker_at_a_time_stands_in(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = StandIn(), StandIn()
    seen: list[bool] = []
    monkeypatch.setattr(dialing, "tick", lambda: seen.append(second.round(NOW)))
    assert first.round(NOW)
    assert seen == [False]
    # Whoever died in its turn holds the others up for no longer than a turn.
    assert take_turn(now=NOW, ends_at=NOW + TURN)
    assert not second.round(NOW + TURN - timedelta(seconds=1))
    assert second.round(NOW + TURN)


def test_without_a_broker_only_deadlines_are_looked_at(work: Work) -> None:
    work.has_broker = False
    assert StandIn().round(NOW)
    assert work.done == ["reap"]


def test_a_turn_ends_also_where_the_work_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("the journal cannot be read")

    monkeypatch.setattr(dialing, "tick", broken)
    with pytest.raises(OSError, match="journal"):
        StandIn().round(NOW)
    assert Heartbeat.objects.get(name=STAND_IN).at == NOW


def test_whatever_breaks_a_round_the_next_one_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A row nobody thought of fails the beat's tick every second too, and the reaper goes on."""
    worker, went_on = StandIn(), threading.Event()
    broken_rounds = iter([ValueError("+84912345678"), OSError(), *[None] * 9_999])

    def broken(_now: datetime) -> bool:
        fault = next(broken_rounds)
        if fault is not None:
            raise fault
        went_on.set()
        return True

    monkeypatch.setattr(stand_in, "BEAT_GONE", timedelta(0))
    monkeypatch.setattr(stand_in, "EVERY_S", 0.001)
    monkeypatch.setattr(dialing, "clock", SimpleNamespace(now=lambda: NOW))
    monkeypatch.setattr(worker, "round", broken)
    with caplog.at_level(logging.WARNING, logger=stand_in.__name__):
        worker.start()
        has_gone_on = went_on.wait(5)
        worker.stop()
    assert has_gone_on
    assert [vars(record)["error"] for record in caplog.records[:2]] == ["ValueError", "OSError"]
    assert "+84" not in caplog.text


@pytest.mark.parametrize(("queues", "watches"), [(["dial"], True), (["results", "bulk"], False)])
def test_only_a_worker_that_dials_watches(monkeypatch: pytest.MonkeyPatch, queues: list[str], watches: bool) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        stand_in,
        "StandIn",
        lambda: SimpleNamespace(start=lambda: told.append("start"), stop=lambda: told.append("stop")),
    )
    consumed = dict.fromkeys(queues)
    worker = SimpleNamespace(
        app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=consumed))), steps=[]
    )
    step = StandInStep(worker)
    step.start(worker)
    step.stop(worker)
    assert told == (["start", "stop"] if watches else [])
