"""The parts of the platform on one machine: their commands, and how to tell that each is ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis
from celery import Celery

from config.embedded_broker import EmbeddedBroker
from config.supervisor import Part

PROBE_TIMEOUT_S = 1.0
WORKER_STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What decides the commands: where the platform listens, its broker, and how long live calls may drain."""

    base_dir: Path
    host: str
    port: int
    redis_url: str
    environment: Mapping[str, str]
    drain_s: float

    @property
    def url(self) -> str:
        shown = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{shown}:{self.port}"


def broker_part(broker: EmbeddedBroker, environment: Mapping[str, str]) -> Part:
    """The embedded broker."""
    return Part("broker", broker.argv, environment, is_ready=_answers_ping(broker.url), stop_s=10)


def simulator_part(layout: Layout, *, port: int, token: str, ledger: Path) -> Part:
    """The PSR simulator; its token travels in the environment, not on the command line."""
    argv = _manage("simulate_psr", "--host", "127.0.0.1", "--port", str(port), "--ledger", str(ledger))
    environment = {**layout.environment, "SIMULATOR_TOKEN": token}
    return Part("simulator", argv, environment, is_ready=answers(f"http://127.0.0.1:{port}/sim/health"))


def platform_parts(layout: Layout) -> list[Part]:
    """Web and bridge, the dial worker, the worker and beat, in the order to start them."""
    environment = layout.environment
    web = _manage("runbridge", "--host", layout.host, "--port", str(layout.port))
    return [
        Part(
            "web and bridge",
            web,
            environment,
            is_ready=answers(f"{layout.url}/health/live"),
            stop_s=layout.drain_s + 20,
        ),
        _worker("dial worker", layout, queues="dial", threads=24),
        _worker("worker", layout, queues="results,bulk", threads=6),
        Part(
            "beat",
            _celery("beat", "--schedule", str(layout.base_dir / "beat-schedule")),
            environment,
            # Readiness needs a recent tick, so it waits for what beat is there for.
            is_ready=answers(f"{layout.url}/health/ready"),
        ),
    ]


def answers(url: str) -> Callable[[], bool]:
    """A probe: whether the URL answers 200."""

    def probe() -> bool:
        try:
            return httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    return probe


def _worker(name: str, layout: Layout, *, queues: str, threads: int) -> Part:
    node = f"{name.replace(' ', '-')}@trunkline"
    argv = _celery("worker", "-n", node, "-Q", queues, "-P", "threads", "-c", str(threads), "--without-mingle")
    return Part(name, argv, layout.environment, is_ready=_consumes(layout.redis_url, node), stop_s=WORKER_STOP_S)


def _consumes(redis_url: str, node: str) -> Callable[[], bool]:
    """A probe: whether the worker answers a ping through the broker."""
    control = Celery("probe", broker=redis_url).control

    def probe() -> bool:
        return bool(control.ping(destination=[node], timeout=PROBE_TIMEOUT_S))

    return probe


def _answers_ping(url: str) -> Callable[[], bool]:
    def probe() -> bool:
        try:
            with redis.Redis.from_url(url, socket_connect_timeout=PROBE_TIMEOUT_S, socket_timeout=PROBE_TIMEOUT_S) as r:
                return bool(r.ping())
        except redis.RedisError:
            return False

    return probe


def _manage(*arguments: str) -> tuple[str, ...]:
    manage = Path(__file__).resolve().parent.parent / "manage.py"
    return (sys.executable, str(manage), *arguments)


def _celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", "config", "--quiet", *arguments, "--loglevel", "INFO")
