"""Readiness, part by part."""

from __future__ import annotations

import shutil
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta

import pytest

from campaigns.models import BridgeNode, Heartbeat
from campaigns.queries.health import DISK_FREE_MIN_BYTES, broker_advice, readiness
from campaigns.services.heartbeats import record_heartbeat
from campaigns.tasks.health import beat
from config.celery import app
from tests.factories import NOW

pytestmark = pytest.mark.django_db
Usage = namedtuple("Usage", "total used free")


def policy(name: str) -> bytes:
    return f"*2\r\n$16\r\nmaxmemory-policy\r\n${len(name)}\r\n{name}\r\n".encode()


ANSWERS = {
    "noeviction": policy("noeviction"),
    "allkeys-lru": policy("allkeys-lru"),
    "nothing": b"-NOPERM this user has no permissions to run the 'config|get' command\r\n",
    "little": b"*0\r\n",
}


@pytest.fixture
def broker(settings) -> Iterator[None]:
    """Something that answers PONG on a port of its own, and BROKER_TOLD when it is asked what it does when full."""
    settings.BROKER_TOLD = "noeviction"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    while command := peer.recv(4096):
                        if b"CONFIG" in command:
                            peer.sendall(ANSWERS[settings.BROKER_TOLD])
                        else:
                            peer.sendall(b"+OK\r\n" * command.count(b"CLIENT") or b"+PONG\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0?protocol=2"
        yield
        server.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


def parts(now=NOW) -> dict[str, str]:
    """What is wrong with each part that is not ready."""
    return {part.name: part.detail for part in readiness(now).parts if not part.is_ready}


@pytest.fixture
def all_alive() -> None:
    BridgeNode.objects.create(name="one", capacity=5, seen_at=NOW)
    for queue in ("dial", "results"):
        record_heartbeat(queue, now=NOW)


def test_a_platform_at_work_is_ready(broker, all_alive):
    found = readiness(NOW)
    assert [part.name for part in found.parts] == [
        "database",
        "broker",
        "clock",
        "dial_clocks",
        "bridge",
        "dial_worker",
        "results_worker",
        "disk",
    ]
    assert (parts(), found.is_ready) == ({}, True)


@pytest.mark.parametrize(
    ("told", "advice"),
    [
        ("noeviction", ""),
        ("allkeys-lru", "drops messages when it is full: set maxmemory-policy to noeviction"),
        ("nothing", ""),
        ("little", ""),
    ],
)
def test_a_broker_that_would_drop_messages_is_told(broker, all_alive, settings, told, advice):
    settings.BROKER_TOLD = told
    assert broker_advice() == advice
    found = readiness(NOW)
    assert ({part.name: part.detail for part in found.parts}["broker"], found.is_ready) == (advice, True)


def test_a_platform_just_started_says_what_is_missing():
    assert parts() == {
        "broker": "does not answer",
        "bridge": "no bridge process is running",
        "dial_worker": "has taken no message yet",
        "results_worker": "has taken no message yet",
    }
    assert readiness(NOW).is_ready is False


@pytest.mark.parametrize(
    ("later_s", "missing"),
    [
        (10, set()),
        (60, {"bridge"}),
        (61, {"bridge", "dial_worker"}),
        (181, {"bridge", "dial_worker", "results_worker"}),
    ],
)
def test_signs_of_life_grow_old(broker, all_alive, later_s, missing):
    assert parts(NOW + timedelta(seconds=later_s)).keys() == missing


def test_bridges_that_all_drain_take_no_calls(broker, all_alive):
    BridgeNode.objects.update(is_draining=True)
    assert parts() == {"bridge": "every bridge process is draining"}


def test_a_full_disk_is_seen(broker, all_alive, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, DISK_FREE_MIN_BYTES - 1))
    assert parts() == {"disk": "less than 256 MiB are free"}


def test_a_data_directory_that_is_gone_is_seen(broker, all_alive, settings, tmp_path):
    settings.DATA_DIR = tmp_path / "nowhere"
    assert parts() == {"disk": "the data directory cannot be read"}


def test_the_heartbeat_task_leaves_the_sign_of_its_queue():
    beat(queue="dial")
    beat(queue="dial")
    assert "dial_worker" not in parts(now=Heartbeat.objects.get(name="dial").at)


def test_the_beat_sends_a_heartbeat_through_every_queue_that_is_watched():
    entries = [entry for entry in app.conf.beat_schedule.values() if entry["task"] == "campaigns.tasks.health.beat"]
    assert [(entry["kwargs"]["queue"], entry["options"]["queue"]) for entry in entries] == [
        ("dial", "dial"),
        ("results", "results"),
    ]
