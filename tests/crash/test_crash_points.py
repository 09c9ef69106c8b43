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
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests import fake_psr
from tests.crash.actors import write
from tests.fake_psr import FakePsr, Post, Reply

pytestmark = [pytest.mark.xdist_group("crash"), pytest.mark.timeout(100)]

PROBABILITY = 0.25
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
class Run:
    """One run of the actors: its directory and their environment."""

    directory: Path
    environment: dict[str, str]

    def act(self, role: str, *arguments: str) -> str:
        command = [sys.executable, "-m", "tests.crash.actors", role, str(self.directory), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def decide(self, chance: random.Random, *, kills: float) -> Callable[[Post], Reply]:
        """What the switch does with each request; `kills` is the chance that the dialer dies while it waits."""

        def decide(post: Post) -> Reply:
            shares = [share for share, _, _ in BEHAVIOURS]
            ((_, reply, socket_after_s),) = chance.choices(BEHAVIOURS, shares)
            if reply.is_placed and socket_after_s is not None:
                arrival = {"token": post.token, "call_id": post.call_id, "at_s": time.time() + socket_after_s}
                write(self.directory / "answers", arrival)
            if chance.random() < kills:
                os.kill(int((self.directory / "pids" / str(post.attempt_id)).read_text()), signal.SIGKILL)
            return reply

        return decide


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """An empty database of the kind the suite runs on."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"sqlite:///{tmp_path / 'crash.sqlite3'}"
        return
    name = f"crash_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run_until_quiet(tmp_path: Path, database_url: str, *, crash_point: str, kills_while_posting: float) -> int:
    """Seed, run and check; returns how many dialers were killed on the way."""
    directory = tmp_path / "run"
    directory.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "PYTEST_CURRENT_TEST")},
        **TIMES,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": str(tmp_path / "none"),
        "SECRET_KEY": "crash-test-" + "0123456789abcdef" * 3,
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url,
        "CRASH_POINT": crash_point,
        "LOG_LEVEL": "ERROR",
    }
    run = Run(directory, environment)
    with fake_psr.fake_psr() as psr:
        psr.decide = run.decide(random.Random(crash_point), kills=kills_while_posting)
        run.act("seed", psr.url)
        kills: int = json.loads(run.act("pool"))["kills"]
        (directory / "ledger.json").write_text(json.dumps(ledger_of(psr)))
    assert json.loads(run.act("check")) == []
    return kills


def ledger_of(psr: FakePsr) -> dict[str, list[dict[str, object]]]:
    return {
        kind: [
            {"attempt_id": str(post.attempt_id), "destination": post.fields["destination"], "at_s": post.at_s}
            for post in posts
        ]
        for kind, posts in (("posts", psr.posts), ("calls", psr.calls))
    }


@pytest.mark.parametrize("point", ["claimed", "mark_before_commit", "marked", "answered", "result_before_commit"])
def test_dialers_killed_at(point: str, tmp_path: Path, database_url: str) -> None:
    crash_point = f"{point}:{PROBABILITY}:7"
    assert run_until_quiet(tmp_path, database_url, crash_point=crash_point, kills_while_posting=0) > 0


def test_dialers_killed_while_the_switch_works_on_their_request(tmp_path: Path, database_url: str) -> None:
    assert run_until_quiet(tmp_path, database_url, crash_point="", kills_while_posting=PROBABILITY) > 0
