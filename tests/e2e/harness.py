"""Starting the platform and the simulator as real processes, and talking to them from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from psycopg.sql import SQL, Identifier

from config.embedded_broker import free_port

REPOSITORY = Path(__file__).resolve().parent.parent.parent
READY_DEADLINE_S = 90.0
PSR_TOKEN = "the-simulator-takes-this-one"
ADMIN_PASSWORD = "only-for-this-test-run"
T = TypeVar("T")


def environment(data_dir: Path, **extra: str) -> dict[str, str]:
    """A platform's environment: nothing of the caller's but the way to Python and the servers under test."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    if url := os.environ.get("DATABASE_URL", ""):
        kept["DATABASE_URL"] = database_of(data_dir, url)
    if url := os.environ.get("TEST_REDIS_URL", ""):
        kept["REDIS_URL"] = url
    return {
        **kept,
        "HOME": str(data_dir),
        "ENV_FILE": str(data_dir / "no.env"),
        "SECRET_KEY": "only-for-tests-0123456789abcdef0123456789abcdef",
        "DATA_DIR": str(data_dir / "var"),
        "ADMIN_PASSWORD": ADMIN_PASSWORD,
        "PYTHONUNBUFFERED": "1",
        # What fails here fails on purpose, and all at once.
        "BREAKER_FAILED_SHARE": "0",
        **extra,
    }


def database_of(data_dir: Path, server_url: str) -> str:
    """The URL of this platform's own database on the server, made at the first call."""
    name = f"e2e_{sha256(str(data_dir).encode()).hexdigest()[:16]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return f"{server_url.rpartition('/')[0]}/{name}"


def eventually(what: str, probe: Callable[[], T | None], deadline_s: float, every_s: float = 0.25) -> T:
    """The first truthy answer of `probe`; fails with `what` after the deadline."""
    end_s = time.monotonic() + deadline_s
    answer: T | None = None
    while time.monotonic() < end_s:
        answer = probe()
        if answer:
            return answer
        threading.Event().wait(every_s)
    raise AssertionError(f"{what}: not within {deadline_s:.0f} s (last answer: {answer!r})")


@dataclass
class Process:
    """A child whose output is read as it comes."""

    argv: list[str]
    environment: dict[str, str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._child = subprocess.Popen(
            self.argv,
            env=self.environment,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def _read(self) -> None:
        assert self._child.stdout
        with self._child.stdout as stream:
            self.lines.extend(line.rstrip("\n") for line in iter(stream.readline, ""))

    def wait_for_line(self, start: str, deadline_s: float = READY_DEADLINE_S) -> str:
        """The first line that starts so; fails with the output when the process ends before it."""

        def probe() -> str | None:
            for line in list(self.lines):
                if line.startswith(start):
                    return line
            if self._child.poll() is not None:
                raise AssertionError(f"ended with {self._child.returncode}:\n" + "\n".join(self.lines[-40:]))
            return None

        return eventually(f"a line starting {start!r}", probe, deadline_s, 0.05)

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, deadline_s: float) -> int:
        code = self._child.wait(timeout=deadline_s)
        self._reader.join(timeout=5)
        return code

    def stop(self, deadline_s: float = 60) -> int:
        if self._child.poll() is None:
            self._child.terminate()
            try:
                return self.wait(deadline_s)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait()
                raise
        self._reader.join(timeout=5)
        return int(self._child.returncode)


def manage(*arguments: str, env: dict[str, str]) -> Process:
    return Process([sys.executable, "manage.py", *arguments], env)


def manage_output(*arguments: str, env: dict[str, str]) -> str:
    """Run a command to its end and give what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=env,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def descendants(pid: int) -> dict[int, str]:
    """The living processes below `pid`, with their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(entry.name)] = int(fields[1])
    found: dict[int, str] = {}
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier and child not in found}
        for child in frontier:
            try:
                found[child] = (Path("/proc") / str(child) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                found[child] = ""
    return found


def is_alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Simulator:
    """A PSR simulator in a process of its own, with the ledger it keeps."""

    process: Process
    url: str
    ledger_path: Path

    def ledger(self) -> list[dict[str, Any]]:
        """Every line of the ledger, oldest first."""
        if not self.ledger_path.exists():
            return []
        return [json.loads(line) for line in self.ledger_path.read_text().splitlines() if line.endswith("}")]


def start_simulator(directory: Path, *options: str) -> Simulator:
    port = free_port()
    ledger = directory / "ledger.jsonl"
    env = environment(directory, SIMULATOR_TOKEN=PSR_TOKEN)
    process = manage(
        "simulate_psr", "--port", str(port), "--token", PSR_TOKEN, "--ledger", str(ledger), *options, env=env
    )
    process.wait_for_line("ready ")
    return Simulator(process, f"http://127.0.0.1:{port}", ledger)


@dataclass
class Platform:
    """A running `manage.py serve`, used through its API."""

    process: Process
    url: str
    env: dict[str, str]
    api: httpx.Client

    def get(self, path: str, **params: Any) -> Any:
        answer = self.api.get(path, params=params)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def post(self, path: str, expected: int = 200, **kwargs: Any) -> Any:
        answer = self.api.post(path, **kwargs)
        assert answer.status_code == expected, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def every(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            answer = self.get(path, page=page, page_size=100, **params)
            found += answer["results"]
            if not answer["next"]:
                return found
            page += 1

    def part_pid(self, words: str) -> int:
        """The process id of the part whose command line contains the words."""
        matching = [pid for pid, line in descendants(self.process.pid).items() if words in line]
        assert matching, (words, descendants(self.process.pid))
        return min(matching)

    def stop(self) -> int:
        """Stop the platform; its exit code."""
        self.api.close()
        return self.process.stop()

    def logs(self) -> Iterator[tuple[str, str]]:
        for path in sorted((Path(self.env["DATA_DIR"]) / "logs").glob("*.log")):
            yield path.name, path.read_text(errors="replace")


def start_platform(directory: Path, *options: str, **extra: str) -> Platform:
    env = environment(directory, **extra)
    port = free_port()
    process = manage("serve", "--port", str(port), *options, env=env)
    url = process.wait_for_line("ready ").split()[1]
    token = manage_output("create_api_token", "tester", "--role", "manager", env=env).split()[-1]
    headers = {"Authorization": f"Bearer {token}"}
    return Platform(process, url, env, httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=20))


@contextmanager
def signed_in_pages(platform: Platform) -> Iterator[httpx.Client]:
    """The pages and the admin as a browser gets them, signed in as the first user."""
    with httpx.Client(base_url=platform.url, timeout=20, follow_redirects=True) as client:
        client.get("/sign-in/")
        answer = post_form(client, "/sign-in/", {"username": "admin", "password": ADMIN_PASSWORD})
        assert answer.url.path == "/", answer.text
        yield client


def post_form(client: httpx.Client, path: str, fields: dict[str, Any], **kwargs: Any) -> httpx.Response:
    """What a form leads to; one that was refused is shown again, with its errors."""
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    return client.post(path, data=fields | token, headers={"Referer": str(client.base_url)}, **kwargs)
