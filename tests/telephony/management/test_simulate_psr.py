"""`manage.py simulate_psr` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.core.management import BaseCommand, CommandError, call_command, load_command_class

from telephony.simulator.behaviour_table import TABLE

REPOSITORY = Path(__file__).resolve().parents[3]
DEADLINE_S = 30


@contextmanager
def simulator(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running command and the URL that it says it is ready at."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "simulate_psr", "--port", "0", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "DATA_DIR": str(folder), "SECRET_KEY": "k" * 50, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().split()
        assert ready[0] == "ready"
        yield process, ready[1]
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_S)


def place(url: str, token: str = "T") -> httpx.Response:
    form = {"url": "ws://127.0.0.1:9/psr/x", "destination": "0901234555", "app": "bot", "is_silence": "true"}
    return httpx.post(
        f"{url}/psr/v1/call/stream",
        files={name: (None, text) for name, text in form.items()},
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )


def test_it_says_when_it_is_ready_and_stops_at_sigterm(tmp_path: Path) -> None:
    with simulator(tmp_path, "--token", "T") as (process, url):
        assert place(url).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE_S) == 0


def test_the_ledger_survives_a_kill(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with simulator(tmp_path, "--ledger", str(ledger), SIMULATOR_TOKEN="T") as (process, url):
        assert place(url, token="another").status_code == 401
        call_id = place(url).json()["data"]["call_id"]
        process.kill()
        process.wait(timeout=DEADLINE_S)
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [(line["event"], line.get("call_id")) for line in lines][:3] == [
        ("refused", None),
        ("placed", call_id),
        ("replied", call_id),
    ]


def test_it_prints_what_each_number_does(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("simulate_psr", "--behaviours")
    assert len(capsys.readouterr().out.splitlines()) == len(TABLE)


def test_the_reference_page_names_every_option() -> None:
    page = (REPOSITORY / "docs/reference/simulator.md").read_text("utf-8")
    parser = load_command_class("telephony", "simulate_psr").create_parser("manage.py", "simulate_psr")
    django = BaseCommand().create_parser("manage.py", "base")
    names = {action.option_strings[-1] for action in parser._actions} - {
        action.option_strings[-1] for action in django._actions
    }
    assert {name for name in names if f"`{name}" not in page and f" {name}" not in page} == set()


@pytest.mark.parametrize("arguments", [("--ring-min", "3", "--ring-max", "1"), ("--host", "192.0.2.1", "--port", "0")])
def test_what_cannot_be_done_is_said_plainly(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("simulate_psr", *arguments)
