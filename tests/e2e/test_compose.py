"""docker-compose.yml is kept honest: every service's own command runs as a process with the service's environment.

No Docker engine is needed: the images' servers are real ones of this machine, and only host names, ports and the
data directory are replaced.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
import yaml

from config.embedded_broker import free_port
from tests.e2e.harness import REPOSITORY, Process, environment, eventually
from tests.servers import BrokerServer, start_postgres

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
SERVICES = ("postgres", "redis", "migrate", "web", "bridge", "dialer", "worker", "beat", "simulator", "ai")
OURS = ("web", "bridge", "dialer", "worker", "beat", "simulator", "ai")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    broker = BrokerServer(tmp_path_factory.mktemp("broker"))
    broker.start()
    with start_postgres() as url:
        yield {"postgres": url, "redis": broker.url}
    broker.kill()


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {"8000": free_port(), "8001": free_port(), "9100": free_port(), "50051": free_port()}


def service_environment(
    compose: dict[str, Any], name: str, servers: dict[str, str], ports: dict[str, int], directory: Path
) -> dict[str, str]:
    """The service's environment with the compose network's names turned into this machine's."""
    wanted = {
        key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value))
        for key, value in compose["services"][name]["environment"].items()
    }
    base = environment(directory)
    del base["DATA_DIR"]
    base.pop("DATABASE_URL", None)
    assert wanted["DATABASE_URL"].startswith("postgres://")
    assert wanted["REDIS_URL"].startswith("redis://redis")
    return (
        base
        | wanted
        | {
            "DATABASE_URL": servers["postgres"],
            "REDIS_URL": servers["redis"],
            "DATA_DIR": str(directory / "data"),
            "PUBLIC_WS_URL": wanted["PUBLIC_WS_URL"].replace("bridge:8001", f"127.0.0.1:{ports['8001']}"),
        }
    )


def service_command(compose: dict[str, Any], name: str, ports: dict[str, int], directory: Path) -> list[str]:
    """The service's command with this interpreter, these ports and this data directory."""
    command = [
        str(ports.get(word, word)).replace("/data/", f"{directory}/") for word in compose["services"][name]["command"]
    ]
    command = ["127.0.0.1" if word == "0.0.0.0" else word.replace("%h", "here") for word in command]
    if command[0] == "python":
        return [sys.executable, *command[1:]]
    return [sys.executable, "-m", *command]


def test_compose_names_every_service(compose: dict[str, Any]) -> None:
    assert tuple(compose["services"]) == SERVICES


def test_compose_waits_for_the_migration(compose: dict[str, Any]) -> None:
    for name in OURS:
        waits = compose["services"][name]["depends_on"]["migrate"]["condition"]
        assert waits == "service_completed_successfully", name


def test_the_image_copies_every_room(compose: dict[str, Any]) -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    for room in ("config", "telephony", "campaigns", "bridge", "templates", "static"):
        assert f"COPY {room} {room}" in dockerfile


def test_every_service_runs(
    compose: dict[str, Any], servers: dict[str, str], ports: dict[str, int], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    env = {name: service_environment(compose, name, servers, ports, tmp_path) for name in ("migrate", *OURS)}
    migrate = subprocess.run(
        service_command(compose, "migrate", ports, tmp_path),
        env=env["migrate"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert migrate.returncode == 0, migrate.stderr
    running = {name: Process(service_command(compose, name, ports, tmp_path), env[name]) for name in OURS}
    try:
        eventually("the pages answer", lambda: answers(ports["8000"], "/health/live"), 60)
        eventually("the bridge answers", lambda: answers(ports["8001"], "/health/live"), 60)
        eventually("the simulator answers", lambda: answers(ports["9100"], "/sim/health"), 60)
        eventually("the AI service answers", lambda: is_healthy(compose, "ai", env["ai"], ports), 60)
        with redis.Redis.from_url(servers["redis"]) as broker:
            eventually("both workers consume", lambda: workers(broker) >= 2, 60)
        eventually("the bridge says what it can take", lambda: nodes(servers["postgres"]) == 1, 60)
        eventually("every part is ready", lambda: answers(ports["8000"], "/health/ready"), 60)
        assert {
            name: process.lines[-5:] for name, process in running.items() if process._child.poll() is not None
        } == {}
    finally:
        codes = {name: process.stop() for name, process in reversed(running.items())}
    assert {name for name, code in codes.items() if code not in (0, -15)} == set()


def answers(port: int, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def is_healthy(compose: dict[str, Any], name: str, env: dict[str, str], ports: dict[str, int]) -> bool:
    """Whether the service's own health check passes."""
    _, _, *words = compose["services"][name]["healthcheck"]["test"]
    command = [re.sub(r":(\d+)$", lambda found: f":{ports[found[1]]}", word) for word in words]
    check = [sys.executable, *command]
    return subprocess.run(check, env=env, cwd=REPOSITORY, capture_output=True, timeout=30, check=False).returncode == 0


def workers(broker: redis.Redis) -> int:
    return len(broker.smembers("_kombu.binding.celery.pidbox"))


def nodes(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM campaigns_bridgenode").fetchone()
        return row[0] if row else 0
