"""`manage.py live_call_service`, as a process and asked in place."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bridge.agents.livecall_grpc.channel import check_health, open_channel
from bridge.agents.livecall_grpc.config import LiveCallServer
from bridge.management.commands import live_call_service

REPOSITORY = Path(__file__).resolve().parents[3]
DEADLINE_S = 30


async def ask(target: str) -> None:
    channel = open_channel(LiveCallServer(target))
    try:
        await check_health(channel, DEADLINE_S)
    finally:
        await channel.close(None)


def test_it_says_when_it_is_ready_and_stops_at_sigterm(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "live_call_service", "--port", "0", "--legacy", "--base64-text"],
        cwd=REPOSITORY,
        env={**os.environ, "DATA_DIR": str(tmp_path), "SECRET_KEY": "k" * 50},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, target = process.stdout.readline().split()
        assert word == "ready"
        asyncio.run(ask(target))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_S) == 0
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--script", "none.json"), "none.json cannot be read as JSON"),
        (("--check", "unix:/run/ai.sock"), "write host:port"),
        (("--check", "127.0.0.1:1"), "cannot be reached"),
    ],
)
def test_what_cannot_be_done_is_told(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str], reason: str) -> None:
    monkeypatch.setattr(live_call_service, "CHECK_TIMEOUT_S", 0.3)
    with pytest.raises(CommandError, match=reason):
        call_command("live_call_service", *arguments)
