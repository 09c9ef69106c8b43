"""Builds and runs the load generator (`load.c`), and reads the server's side of a run from /proc."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

SERVER_CORE = 0
LOAD_CORE = 1
START_S = 180
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Until every call is in an utterance that began after the last one was opened: what is late once is so to its end.
WARM_UP_S = 3.0
# A server that has just ended a run still writes down its calls.
SETTLE_S = 20.0


class StartFailed(RuntimeError):
    """A server ended before it was ready; the end of its log is in the text."""


class Kind(StrEnum):
    """How frames reach the call."""

    DIRECT = "direct"
    """As the product runs: uvicorn, and frames straight to the call."""
    ASGI = "asgi"
    """Uvicorn with its own WebSocket protocol: each frame an ASGI message."""
    DAPHNE = "daphne"
    """As `runserver` does it."""


@dataclass(frozen=True, slots=True)
class Latency:
    """From the sending of a piece of audio to its coming out of the other end, in ms."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    def __str__(self) -> str:
        return f"{self.p50_ms:.1f} / {self.p99_ms:.1f}"


@dataclass(frozen=True, slots=True)
class Knocks:
    """Handshakes with bad tokens, from so many addresses."""

    per_s: int
    addresses: int


NO_KNOCKS = Knocks(0, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `calls` at once.

    `down` is empty for an echo; `late_ms` is how late the generator itself was (p99), `others_share` what other
    processes and other machines took of the server's core. Of the handshakes with bad tokens so many were answered a
    second, and so many of these by a 429.
    """

    calls: int
    up: Latency
    down: Latency
    late_ms: float
    faults: int
    cpu_ms_per_call_s: float
    cpu_share: float
    others_share: float
    rss_bytes: int
    answered_per_s: float
    blocked_per_s: float


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `path_of` gives the path of a new call by its protocol."""

    pid: int
    port: int
    agent_port: int
    path_of: Callable[[str], str]

    def play(self, protocol: str, delta_ms: int, calls: int, seconds: float, knocks: Knocks = NO_KNOCKS) -> Run:
        """Play so many calls for so long, while somebody knocks with bad tokens.

        Raises:
            RuntimeError: the generator gave up; its words are in the text.
        """
        paths = [self.path_of(protocol) for _ in range(calls)]
        numbers = (self.port, self.agent_port, protocol, delta_ms, WARM_UP_S, seconds)
        command = [generator(), *map(str, (*numbers, knocks.per_s, knocks.addresses))]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write("".join(f"{path}\n" for path in paths))
            process.stdin.close()
            if process.stdout.readline().strip() != "start":
                self._settle()
                raise RuntimeError(process.stderr.read().strip())
            began_s, cpu_s, core_s = time.monotonic(), cpu_time_s(self.pid), core_time_s(SERVER_CORE)
            process.stdout.readline()
            busy_s, elapsed_s = cpu_time_s(self.pid) - cpu_s, time.monotonic() - began_s
            others_s = core_time_s(SERVER_CORE) - core_s - busy_s
            rss = rss_bytes(self.pid)
            words = process.stdout.readline()
            self._settle()
            if not words:
                raise RuntimeError(process.stderr.read().strip())
        result: dict[str, Any] = json.loads(words)
        return Run(
            calls=calls,
            up=_latency(result["up"]),
            down=_latency(result["down"]),
            late_ms=result["lateness"]["p99"] / 1000,
            faults=result["stalls"] + result["lost"],
            cpu_ms_per_call_s=busy_s * 1000 / elapsed_s / calls,
            cpu_share=busy_s / elapsed_s,
            others_share=others_s / elapsed_s,
            rss_bytes=rss,
            answered_per_s=result["answered"] / seconds,
            blocked_per_s=result["blocked"] / seconds,
        )

    def _settle(self) -> None:
        deadline_s = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline_s:
            cpu_s = cpu_time_s(self.pid)
            time.sleep(0.5)
            if cpu_time_s(self.pid) - cpu_s < 0.05:
                return


@dataclass(slots=True)
class _Waiting:
    """The paths by which our own server can be called: one for each PSR call, and those of the streams."""

    psr: list[str]
    ucid: str
    livecall: str
    numbers: Iterator[int] = field(default_factory=count)

    def path_of(self, protocol: str) -> str:
        match protocol:
            case "echo":
                return "/echo"
            case "ucid":
                return self.ucid
            case "livecall":
                return self.livecall.replace("CALL", f"bench-{next(self.numbers)}")
            case _:
                return self.psr.pop()


@contextmanager
def serving(kind: Kind, calls: int) -> Iterator[Server]:
    """A server of this kind with a database of its own, and so many calls that wait for their sockets."""
    agent_port = free_port()
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as directory:
        command = [sys.executable, "-m", "benchmarks.bridge.serving", kind.value, str(calls)]
        log_path = Path(directory, "server.log")
        try:
            with started(command, _environment(directory, agent_port), log_path) as (pid, port, (*psr, ucid, livecall)):
                yield Server(pid, port, agent_port, _Waiting(psr, ucid, livecall).path_of)
        finally:
            if log_path.stat().st_size:
                print("\n".join(log_path.read_text().splitlines()[:5]), file=sys.stderr)


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], log_path: Path
) -> Iterator[tuple[int, int, list[str]]]:
    """A process on the server's core: its id, its port, and what it printed before `ready URL`, line by line.

    Raises:
        StartFailed: it ended without.
    """
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )
    assert process.stdout is not None
    try:
        lines = []
        while (line := process.stdout.readline().strip()) and not line.startswith("ready "):
            lines.append(line)
        if not line:
            raise StartFailed(f"the server did not start: {log_path.read_text()[-2000:]}")
        yield process.pid, int(line.rsplit(":", 1)[1]), lines
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _environment(directory: str, agent_port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return kept | {
        "DATA_DIR": directory,
        "DEBUG": "0",
        "ENV_FILE": str(Path(directory, "no.env")),
        "LOG_LEVEL": "WARNING",
        "MAX_CALLS_PER_PROCESS": "2000",
        "OPENAI_API_KEY": "benchmark",
        "OPENAI_REALTIME_URL": f"ws://127.0.0.1:{agent_port}/v1/realtime",
        "RECORD_CALLS": "1",
        # A call whose socket is lost ends at once, and not in the next run.
        "RESUME_GRACE_S": "0",
        "SECRET_KEY": "benchmark-" + "0123456789abcdef" * 3,
    }


def compiler() -> str | None:
    """The C compiler of this machine, None where there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def generator() -> str:
    """The compiled generator.

    Raises:
        RuntimeError: there is no C compiler.
    """
    return compiled(Path(__file__).with_name("load.c"))


@lru_cache
def compiled(source: Path) -> str:
    """The program of a C file, in a directory that is removed when this process ends.

    Raises:
        RuntimeError: there is no C compiler.
    """
    command = compiler()
    if command is None:
        raise RuntimeError(f"{source.name} needs a C compiler (cc, gcc or clang)")
    directory = tempfile.mkdtemp(prefix="trunkline-load-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    target = Path(directory, source.stem)
    subprocess.run([command, "-O3", "-o", str(target), str(source), "-lm"], check=True)
    return str(target)


def cpu_time_s(pid: int) -> float:
    """User and system time of a process so far (Source: proc(5), /proc/pid/stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S


def core_time_s(core: int) -> float:
    """What a core was busy so far, also with other machines' work (Source: proc(5), /proc/stat, all but idle)."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    fields = next(line.split()[1:9] for line in lines if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / CLOCK_TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident memory of a process (Source: proc(5), /proc/pid/statm, field 2)."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def _latency(histogram: dict[str, int]) -> Latency:
    return Latency(histogram["count"], histogram["p50"] / 1000, histogram["p99"] / 1000, histogram["max"] / 1000)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
