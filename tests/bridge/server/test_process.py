"""The bridge as a process: real sockets, a real database file, PSR's own words from its client codec."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from telephony.protocols.events import Channel
from telephony.protocols.psr import PsrClientCodec
from tests.e2e.harness import eventually

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[3]
START_S = 60
NOW_MS = 1_763_700_000_000

# Makes attempts that wait for their sockets, in the bridge's own database, and prints the tokens PSR was given.
MAKE_ATTEMPTS = """
import os, sys, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
from datetime import timedelta
from django.utils import timezone
from campaigns.policies import call_tokens
from campaigns.services.attempts import token_keys
from tests.factories import make_agent, make_attempt, make_campaign, make_contact
now = timezone.now()
agent = make_agent(name=str(now), kind="echo", config={"delay_ms": 100})
campaign = make_campaign(name=str(now), agent=agent)
for _ in range(int(sys.argv[1])):
    attempt = make_attempt(make_contact(campaign), at=now - timedelta(seconds=5),
                           deadline_at=now + timedelta(minutes=2))
    claims = call_tokens.CallTokenClaims(attempt.id, attempt.contact_id, attempt.number, now + timedelta(minutes=5))
    token = call_tokens.mint(claims, keys=token_keys())
    attempt.token_digest = call_tokens.digest(token)
    attempt.save()
    print(token)
"""

STOP_AND_HANG_UP = """
INSERT INTO campaigns_dialingstop (at, reason, kind, hangs_up)
VALUES (datetime('now'), 'The agent says wrong things', 'operator', 1)
"""


@dataclass
class Bridge:
    """A running bridge and where its data lies."""

    process: subprocess.Popen
    port: int
    data_dir: Path
    environment: dict[str, str]

    def url(self, token: str, query: str = "call_id=psr-1&tenant=acme") -> str:
        return f"ws://127.0.0.1:{self.port}/psr/{token}?{query}"

    def token(self) -> str:
        return self.tokens(1)[0]

    def tokens(self, count: int) -> list[str]:
        """Tokens for this many calls; at most once a bridge."""
        return run_python(self.environment, "-c", MAKE_ATTEMPTS, str(count)).split()[-count:]

    def rows(self, sql: str) -> list[tuple]:
        with sqlite3.connect(self.data_dir / "trunkline.sqlite3") as database:
            rows = database.execute(sql).fetchall()
        database.close()
        return rows


def run_python(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    environment = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "DATA_DIR": str(tmp_path),
        "DEBUG": "1",
        "DRAIN_TIMEOUT_S": "2",
        "SECRET_KEY": "only-for-this-test-" + "x" * 40,
        "PYTHONPATH": str(ROOT),
    }
    run_python(environment, "manage.py", "migrate", "--verbosity", "0")
    log = (tmp_path / "bridge.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runbridge", "--port", "0"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    log.close()
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready.startswith("ready http://127.0.0.1:"), (tmp_path / "bridge.log").read_text()
    yield Bridge(process, int(ready.rsplit(":", 1)[1]), tmp_path, environment)
    if process.poll() is None:
        process.kill()
    process.wait(timeout=10)
    process.stdout.close()


async def talk(url: str, seconds: float) -> float:
    """Speak a tone for a while, then hang up as PSR does; how much audio came back, in ms."""
    codec, echoed_ms = PsrClientCodec("psr-1", Channel.MONO_A), 0.0
    async with connect(url) as ws:
        await ws.send(codec.connected(NOW_MS))
        for _ in range(round(seconds / 0.02)):
            await ws.send(codec.media(NOW_MS, b"\x10\x01" * 160))
            try:
                async with asyncio.timeout(0.02):
                    message = json.loads(await ws.recv())
                    echoed_ms += len(message["media"]["payload"]) * 3 / 4 / 16
            except TimeoutError:
                pass
        await ws.send(codec.closed(NOW_MS))
        await ws.wait_closed()
    return echoed_ms


def test_bridge_carries_a_call_from_socket_to_database(bridge):
    token = bridge.token()
    echoed_ms = asyncio.run(talk(bridge.url(token), 2.0))
    assert 1_000 < echoed_ms < 2_600

    async def again() -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(bridge.url(token)):
                pass
        return refused.value.response.status_code

    assert asyncio.run(again()) in (409, 410)
    bridge.process.send_signal(signal.SIGTERM)
    assert bridge.process.wait(timeout=20) == 0
    ((ended_by, recording),) = bridge.rows("SELECT ended_by, recording_path FROM campaigns_call")
    assert ended_by == "customer_hangup"
    with wave.open(str(bridge.data_dir / recording)) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() / 8_000 == pytest.approx(2.0, abs=0.8)


@pytest.mark.parametrize(
    ("token", "query", "headers", "status"),
    [
        ("forged-token-of-some-length.abcdef", "call_id=1", {}, 403),
        ("forged-token-of-some-length.abcdef", "", {}, 400),
        ("forged-token-of-some-length.abcdef", "call_id=1", {"Origin": "https://x.example"}, 403),
    ],
)
def test_bridge_refuses_before_accepting(bridge, token, query, headers, status):
    async def attempt() -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(bridge.url(token, query), additional_headers=headers):
                pass
        return refused.value.response.status_code

    assert asyncio.run(attempt()) == status


def test_an_operators_stop_hangs_up_what_was_placed(bridge):
    tokens = bridge.tokens(2)

    async def talk(token: str, number: int, talking: asyncio.Barrier) -> float:
        """Seconds from the stop to the hang-up."""
        codec, stopped_s = PsrClientCodec(f"psr-{number}", Channel.MONO_A), 0.0
        async with connect(bridge.url(token, f"call_id=psr-{number}&tenant=acme")) as ws:
            await ws.send(codec.connected(NOW_MS))
            if await talking.wait() == 0:
                bridge.rows(STOP_AND_HANG_UP)
            stopped_s = asyncio.get_running_loop().time()
            async with asyncio.timeout(10):
                while json.loads(await ws.recv())["event"] != "hangup":
                    pass
            return asyncio.get_running_loop().time() - stopped_s

    async def scenario() -> list[float]:
        talking = asyncio.Barrier(2)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(talk(token, n, talking)) for n, token in enumerate(tokens)]
        return [call.result() for call in calls]

    assert max(asyncio.run(scenario())) < 2
    is_settled = "SELECT count(*) = 0 FROM campaigns_call WHERE ended_by = ''"
    eventually("both calls are ended", lambda: bridge.rows(is_settled) == [(1,)], deadline_s=5, every_s=0.05)
    assert bridge.rows("SELECT ended_by FROM campaigns_call") == [("stopped_by_operator",)] * 2


def test_bridge_says_goodbye_when_it_must_leave(bridge):
    token = bridge.token()

    async def scenario() -> list[str]:
        codec, events = PsrClientCodec("psr-1", Channel.MONO_A), []
        async with connect(bridge.url(token)) as ws:
            await ws.send(codec.connected(NOW_MS))
            bridge.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(15):
                    while "hangup" not in events:
                        events.append(json.loads(await ws.recv())["event"])
            except ConnectionClosed:
                pass
        return events

    events = asyncio.run(scenario())
    assert events[-1] == "hangup"
    assert "chunk" in events
    assert bridge.process.wait(timeout=20) == 0
    assert bridge.rows("SELECT ended_by FROM campaigns_call") == [("drain",)]
    assert bridge.rows("SELECT count(*) FROM campaigns_bridgenode") == [(0,)]
