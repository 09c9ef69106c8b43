"""Dialers killed at every point of their work, against a switch that remembers: nobody is called twice, nobody lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests import fake_psr
from tests.crash.actors import note, write
from tests.fake_psr import Post, Reply

pytestmark = [pytest.mark.timeout(400)]

PROBABILITY = 0.25
RUNS_AT_ONCE = 3
# The last kills from outside, while the switch works on the request that the dialer has sent.
AT_THE_SWITCH = "posted"
POINTS = ("claimed", "mark_before_commit", "marked", "answered", "result_before_commit", AT_THE_SWITCH)
# Small enough for a run of seconds; the inequalities of campaigns/checks.py hold among them.
TIMES = {
    "CLAIM_LEASE_S": "0.6",
    "DIAL_CONNECT_TIMEOUT_S": "0.4",
    "DIAL_TOTAL_TIMEOUT_S": "0.6",
    "PAUSE_BUDGET_S": "0.5",
    "DISPATCH_LEASE_S": "1.2",
    "RING_TIMEOUT_S": "0.6",
    "RING_GRACE_S": "0.2",
    "REDIAL_MIN_S": "1",
    "UNCONFIRMED_REDIAL_MIN_S": "1",
    # What fails here fails on purpose.
    "BREAKER_FAILED_SHARE": "0",
}
# What the switch does, by chance: (share, reply, seconds until its socket arrives; None never).
BEHAVIOURS: tuple[tuple[float, Reply, float | None], ...] = (
    (0.30, fake_psr.PLACED, None),
    (0.15, fake_psr.PLACED, 0.0),
    (0.15, fake_psr.PLACED, 0.3),
    (0.10, fake_psr.PLACED_THEN_RESET, None),
    (0.10, fake_psr.PLACED_THEN_RESET, 0.2),
    # After its deadline: the late call that corrects a guess.
    (0.06, fake_psr.PLACED_THEN_500, 2.5),
    (0.06, fake_psr.REFUSED, None),
    (0.08, Reply(429, "{}", {"Retry-After": "1"}, is_placed=False), None),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How many dialers were killed in a run, and what was found broken."""

    kills: int
    breaches: list[str]


def decider(run: Path, chance: random.Random, *, kills: float) -> Callable[[Post], Reply]:
    """What the switch does with each request; `kills` is the chance that the dialer dies while it waits."""

    def decide(post: Post) -> Reply:
        ((_, reply, socket_after_s),) = chance.choices(BEHAVIOURS, [share for share, _, _ in BEHAVIOURS])
        line = {"attempt_id": str(post.attempt_id), "destination": post.fields["destination"], "at_s": post.at_s}
        note(run / "posts.jsonl", line)
        if reply.is_placed:
            note(run / "calls.jsonl", line)
            if socket_after_s is not None:
                at_s = time.time() + socket_after_s
                write(run / "answers", {"token": post.token, "call_id": post.call_id, "at_s": at_s})
        if chance.random() < kills:
            os.kill(int((run / "pids" / str(post.attempt_id)).read_text()), signal.SIGKILL)
        return reply

    return decide


@contextmanager
def empty_database(directory: Path) -> Iterator[str]:
    """The URL of an empty database of the kind the suite runs on."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"sqlite:///{directory / 'crash.sqlite3'}"
        return
    name = f"crash_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run_until_quiet(directory: Path, point: str) -> Result:
    """Run two campaigns to their end while dialers are killed at `point`."""
    run = directory / "run"
    run.mkdir(parents=True)
    is_switch = point == AT_THE_SWITCH
    decide = decider(run, random.Random(point), kills=PROBABILITY if is_switch else 0)
    with empty_database(directory) as database_url, fake_psr.fake_psr(decide) as psr:
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "PYTEST_CURRENT_TEST")},
            **TIMES,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": str(directory / "none"),
            "SECRET_KEY": "crash-test-" + "0123456789abcdef" * 3,
            "DATA_DIR": str(directory),
            "DATABASE_URL": database_url,
            "CRASH_POINT": "" if is_switch else f"{point}:{PROBABILITY}:7",
            "LOG_LEVEL": "ERROR",
        }
        command = [sys.executable, "-m", "tests.crash.actors", str(run), psr.url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=150)
    if done.returncode:
        return Result(0, [done.stderr[-3000:]])
    printed = json.loads(done.stdout)
    return Result(printed["kills"], printed["breaches"])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """What became of the runs; they mostly wait for deadlines, so they run side by side."""
    root = tmp_path_factory.mktemp("crash")
    with ThreadPoolExecutor(RUNS_AT_ONCE) as threads:
        return dict(zip(POINTS, threads.map(lambda point: run_until_quiet(root / point, point), POINTS), strict=True))


@pytest.mark.parametrize("point", POINTS)
def test_dialers_killed_at(point: str, results: dict[str, Result]) -> None:
    assert results[point].breaches == []
    assert results[point].kills > 0
