"""Runs the platform's parts as processes of one machine, restarts those that die, and leaves none behind.

Each part logs to a file of its own. A part that dies is started again with a growing pause; one that cannot even
become ready ends the whole with its last lines on the terminal. On Linux the kernel ends the parts when the
supervisor is killed (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_S = 0.2
# For all parts that start together, on a busy machine too.
READY_DEADLINE_S = 120.0
RESTART_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
STABLE_AFTER_S = 30.0
LOG_KEEP_BYTES = 20_000_000
TAIL_LINES = 25


class PartFailed(Exception):
    """A part did not become ready; the text ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process to keep running. `is_ready` is polled after the start; `stop_s` is what a graceful stop may take."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool] = lambda: True
    stop_s: float = 15.0


@dataclass(slots=True)
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    started_at_s: float
    restarts: int = 0
    restart_at_s: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts parts, watches them, and stops them in reverse order."""

    log_dir: Path
    say: Callable[[str], None]
    _running: dict[str, _Running] = field(default_factory=dict)

    def start(self, *parts: Part) -> None:
        """Start parts side by side and wait until all are ready.

        Raises:
            PartFailed: one ended, or was not ready in time.
        """
        for part in parts:
            self._running[part.name] = _Running(part, self._spawn(part), time.monotonic())
        deadline_s = time.monotonic() + READY_DEADLINE_S
        for part in parts:
            self._await_ready(part, deadline_s)

    def watch(self) -> None:
        """Look at every part once and start again what has died."""
        now_s = time.monotonic()
        for running in self._running.values():
            if running.restart_at_s is not None:
                if now_s >= running.restart_at_s:
                    running.process = self._spawn(running.part)
                    running.started_at_s, running.restart_at_s = now_s, None
                continue
            code = running.process.poll()
            if code is None:
                continue
            if now_s - running.started_at_s > STABLE_AFTER_S:
                running.restarts = 0
            pause_s = RESTART_PAUSES_S[min(running.restarts, len(RESTART_PAUSES_S) - 1)]
            running.restarts += 1
            running.restart_at_s = now_s + pause_s
            self.say(f"{running.part.name} ended (exit {code}); starting it again in {pause_s:g} s")

    def stop(self) -> None:
        """Stop every part in reverse order; each has its `stop_s`, then it is killed."""
        for running in reversed(list(self._running.values())):
            if running.process.poll() is not None:
                continue
            running.process.send_signal(signal.SIGTERM)
            try:
                running.process.wait(timeout=running.part.stop_s)
            except subprocess.TimeoutExpired:
                self.say(f"{running.part.name} did not stop within {running.part.stop_s:.0f} s; killing it")
                running.process.kill()
                running.process.wait()
        self._running.clear()

    def _await_ready(self, part: Part, deadline_s: float) -> None:
        while not part.is_ready():
            # Any part: the readiness of one may wait for another.
            for running in self._running.values():
                if (code := running.process.poll()) is not None:
                    raise PartFailed(
                        f"{running.part.name} ended at its start (exit {code}).\n{self._tail(running.part)}"
                    )
            if time.monotonic() > deadline_s:
                raise PartFailed(f"{part.name} was not ready within {READY_DEADLINE_S:.0f} s.\n{self._tail(part)}")
            time.sleep(POLL_S)

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        log = self._log_path(part)
        if log.exists() and log.stat().st_size > LOG_KEEP_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as file:
            return subprocess.Popen(
                part.argv,
                env=dict(part.environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def _log_path(self, part: Part) -> Path:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return self.log_dir / f"{part.name.replace(' ', '-')}.log"

    def _tail(self, part: Part) -> str:
        lines = self._log_path(part).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    # Runs in the child between fork and exec: only this one call, on a library loaded before the fork.
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
