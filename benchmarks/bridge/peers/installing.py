"""The peers: how each is installed and run. Everything goes into a directory that is removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.bridge.load import Server, StartFailed, compiled, free_port, started

HERE: Final = Path(__file__).parent
WS: Final = "8.23.0"
BUFFERUTIL: Final = "4.1.0"
PIPECAT: Final = "1.14.0"
UVICORN: Final = "0.54.0"
NPM_PACKAGES: Final = (f"ws@{WS}", f"bufferutil@{BUFFERUTIL}")
PIP_PACKAGES: Final = (f"pipecat-ai[websocket]=={PIPECAT}", f"uvicorn[standard]=={UVICORN}")
INSTALL_S: Final = 300
MAX_REASON_CHARS: Final = 200


class NotMeasured(Exception):
    """This machine cannot run a peer; the text says why."""


@dataclass(frozen=True)
class Peer:
    """Another bridge. `install` is given an empty directory and answers with a name and a command.

    The name says what versions they are; the command lacks its last argument, the port of the AI service.
    """

    name: str
    installs: str
    install: Callable[[Path], tuple[str, Sequence[str]]]


def _limit(_directory: Path) -> tuple[str, Sequence[str]]:
    return "C, one epoll", [compiled(HERE / "limit.c")]


def _gateway(directory: Path) -> tuple[str, Sequence[str]]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotMeasured("no node" if node is None else "no npm")
    # Packages are looked up from where the module stands.
    module = Path(shutil.copy(HERE / "gateway.mjs", directory))
    directory.joinpath("package.json").write_text('{"private": true}\n', encoding="utf-8")
    _run([npm, "install", "--prefix", str(directory), "--ignore-scripts", "--no-audit", "--no-fund", *NPM_PACKAGES])
    return f"Node {_run([node, '--version']).strip()}, ws {WS}", [node, str(module)]


def _pipecat(directory: Path) -> tuple[str, Sequence[str]]:
    _run([sys.executable, "-m", "venv", str(directory)])
    python = str(directory / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check", *PIP_PACKAGES])
    return f"pipecat {PIPECAT}", [python, str(HERE / "pipecat_bot.py")]


PEERS: Final = (
    Peer("limit", "nothing (compiles limit.c)", _limit),
    Peer("gateway", f"{', '.join(NPM_PACKAGES)} by npm, 1 MB", _gateway),
    Peer("pipecat", f"{', '.join(PIP_PACKAGES)} by pip, 140 MB to fetch and 540 MB on disk", _pipecat),
)


@contextmanager
def serving(peer: Peer, directory: Path) -> Iterator[tuple[str, Server]]:
    """A peer at work, and what to call it.

    Raises:
        NotMeasured: it cannot be installed or does not start.
    """
    directory.mkdir()
    name, command = peer.install(directory)
    agent_port = free_port()
    try:
        with started([*command, str(agent_port)], os.environ, directory / "server.log") as (pid, port, _):
            yield name, Server(pid, port, agent_port, lambda _protocol: "/psr")
    except StartFailed as error:
        raise NotMeasured(str(error).strip().splitlines()[-1][:MAX_REASON_CHARS]) from error


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).splitlines()
        # An installer says what is wrong first and what it makes of that afterwards.
        wrong = next((line for line in lines if "error" in line.lower()), f"{command[0]} failed")
        raise NotMeasured(wrong[:MAX_REASON_CHARS]) from error
    except subprocess.TimeoutExpired as error:
        raise NotMeasured(f"not installed within {INSTALL_S} s") from error
    return done.stdout
