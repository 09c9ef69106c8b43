"""`manage.py serve` as a process: it says what is wrong, stops cleanly and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.e2e.harness import descendants, environment, eventually, is_alive, manage, start_platform

pytestmark = [pytest.mark.e2e]


def test_serve_refuses_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = manage("serve", "--port", str(port), env=environment(tmp_path))
        assert process.wait(60) == 1
    assert f"Port {port} on 127.0.0.1 is taken" in "\n".join(process.lines)


def test_serve_refuses_a_missing_secret_key(tmp_path: Path) -> None:
    env = environment(tmp_path)
    del env["SECRET_KEY"]
    process = manage("serve", env=env)
    assert process.wait(60) == 1
    assert "SECRET_KEY" in "\n".join(process.lines)


def test_serve_stops_every_part_on_sigterm(tmp_path: Path) -> None:
    platform = start_platform(tmp_path)
    parts = descendants(platform.process.pid)
    assert len(parts) >= 5
    assert httpx.get(f"{platform.url}/health/ready", timeout=5).status_code == 200
    assert platform.stop() == 0
    assert [line for pid, line in parts.items() if is_alive(pid)] == []


def test_serve_leaves_no_process_behind_when_killed(tmp_path: Path) -> None:
    platform = start_platform(tmp_path)
    parts = descendants(platform.process.pid)
    os.kill(platform.process.pid, signal.SIGKILL)
    assert platform.stop() == -signal.SIGKILL
    eventually("every part is gone", lambda: not any(is_alive(pid) for pid in parts), 60)
