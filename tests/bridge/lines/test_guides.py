"""Peers written from the vendors' own pages and nothing else: no codec of ours, however it ends."""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.consumers import carry
from bridge.session import Limits
from campaigns.enums import ResultStep
from campaigns.models import Agent
from campaigns.services.steps import run_step
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.test_matrix import SCRIPT
from tests.bridge.serving import Bridge, Serving, rows
from tests.factories import make_agent

pytestmark = pytest.mark.django_db(transaction=True)

# The watchdog of a call without audio, for people with less patience.
HASTY = partial(Limits, media_prompt_s=9, media_end_s=1, closed_wait_s=0.3)
GREETING_S = 1.0
CALL_ID, NUMBER = "call-123", "%2B84987654321"


@dataclass(frozen=True)
class Guide:
    """A page: where to connect, what to send, and where the agent's audio is in what comes."""

    protocol: str
    path: str
    start: dict[str, Any]
    media: Callable[[list[int]], dict[str, Any]]
    stop: dict[str, Any]
    frame_s: float
    frame_samples: int
    sound: Callable[[dict[str, Any]], list[int]]


def in_base64(samples: list[int]) -> str:
    return base64.b64encode(array("h", samples).tobytes()).decode()


def from_base64(payload: str) -> list[int]:
    return array("h", base64.b64decode(payload)).tolist()


# Source: vendor-docs/ucid-vendor-guide.md, sections 1 to 3.
UCID_GUIDE = Guide(
    "ucid",
    "ws?token={secret}",
    {"event": "start", "ucid": "CALL-2025-10-07-001", "type": "text"},
    lambda samples: {
        "event": "media",
        "type": "media",
        "ucid": "CALL-2025-10-07-001",
        "data": {
            "samples": samples,
            "bitsPerSample": 16,
            "sampleRate": 8000,
            "channelCount": 1,
            "numberOfFrames": 80,
            "type": "data",
        },
    },
    {"event": "stop", "ucid": "CALL-2025-10-07-001", "type": "text"},
    0.01,
    80,
    lambda message: message["data"]["samples"] if message.get("event") == "media" else [],
)
# Source: vendor-docs/livecall-gateway.md, "Message Format".
LIVECALL_GUIDE = Guide(
    "livecall",
    f"live-call/websocket/{CALL_ID}/{NUMBER}?token={{secret}}",
    {
        "initial_info": {
            "workspace_id": "workspace_001",
            "call_id": CALL_ID,
            "customer_phone_number": "+84987654321",
            "type_call": "inbound",
            "hotline": "+84987654321",
            "url_audio_file": "optional_url",
        }
    },
    lambda samples: {
        "play_audio": {
            "sample_rate": 16000,
            "sample_width": 16,
            "num_channels": 1,
            "duration": 0.02,
            "audio_content": in_base64(samples),
        }
    },
    {"disconnect": {}},
    0.02,
    320,
    lambda message: from_base64(message["audio_output"]["audio_content"]) if "audio_output" in message else [],
)
# Source: vendor-docs/psr-1-introduction.md and psr-2-actions.md, "Message Format".
PSR_CALL_ID = "aaaaaaaa-1111-2222-3333-eeeeeeee"
PSR_DATA = {"call_id": PSR_CALL_ID, "channel": "mono_a"}
PSR_GUIDE = Guide(
    "psr",
    f"psr/{{secret}}?call_id={PSR_CALL_ID}&tenant=acme&danh_xung=anh",
    {"timestamp": 1703825536716, "event": "connected", "data": PSR_DATA},
    lambda samples: {
        "timestamp": 1703825536736,
        "event": "media",
        "media": {"payload": in_base64(samples)},
        "data": PSR_DATA,
    },
    {"timestamp": 1703825539999, "event": "closed", "data": PSR_DATA},
    0.02,
    160,
    lambda message: from_base64(message["media"]["payload"]) if message.get("event") == "chunk" else [],
)


@dataclass(frozen=True)
class Peer:
    """One who has read the guide, with a call of its own."""

    guide: Guide
    socket: ClientConnection
    number: int

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(numbered(json.dumps(message), self.number))


def numbered(text: str, number: int) -> str:
    """The guide's text with this call's id for the one that PSR gives to a single call."""
    return text.replace(PSR_CALL_ID, f"{PSR_CALL_ID[:-1]}{number}")


async def as_documented(peer: Peer) -> None:
    await peer.send(peer.guide.stop)
    await peer.socket.wait_closed()


async def without_a_word(peer: Peer) -> None:
    peer.socket.transport.abort()


async def by_closing(peer: Peer) -> None:
    await peer.socket.close()


async def never(peer: Peer) -> None:
    with suppress(ConnectionClosed):
        while True:
            await peer.socket.recv()


ENDS = {
    as_documented: "customer_hangup",
    by_closing: "vendor_closed",
    without_a_word: "socket_lost",
    never: "media_lost",
}


async def greeted(peer: Peer) -> int:
    """Open the call and speak silence until so much of a greeting was heard; its loudest sample."""
    guide = peer.guide
    await peer.send(guide.start)
    heard: list[int] = []

    async def speak() -> None:
        while True:
            await peer.send(guide.media([0] * guide.frame_samples))
            await asyncio.sleep(guide.frame_s)

    async with asyncio.TaskGroup() as group:
        speaking = group.create_task(speak())
        while len(heard) < GREETING_S * 8_000:
            heard += guide.sound(json.loads(await peer.socket.recv()))
        speaking.cancel()
    return max(map(abs, heard))


async def call(bridge: Bridge, guide: Guide, number: int, secret: str, end: Callable[[Peer], Any]) -> None:
    async with bridge.connect(numbered(guide.path.format(secret=secret), number)) as socket:
        peer = Peer(guide, socket, number)
        assert await greeted(peer) > 1_000
        await end(peer)


def files_of(call_id: UUID, data_dir: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The transcript file and the call-data file of a call."""
    for step in (ResultStep.TRANSCRIPT_FILE, ResultStep.CALL_FILE):
        run_step(call_id=call_id, step=step, now=timezone.now())
    (transcript,) = (data_dir / "transcripts").glob(f"call_{call_id}_*_transcript.json")
    (data,) = (data_dir / "calls").glob(f"call_{call_id}_*.json")
    return json.loads(transcript.read_text()), json.loads(data.read_text())


def let_all_in(guide: Guide) -> list[str]:
    agent: Agent = make_agent(config={"script": SCRIPT})
    return [let_in(guide.protocol, agent, f"endpoint {number}") for number in range(len(ENDS))]


@pytest.mark.parametrize("guide", [UCID_GUIDE, LIVECALL_GUIDE, PSR_GUIDE], ids=lambda guide: guide.protocol)
async def test_peer_of_the_guide_is_greeted_and_its_call_is_written_down(
    guide: Guide, serving: Serving, data_dir: Path, monkeypatch
):
    monkeypatch.setattr(carry, "Limits", HASTY)
    secrets = await rows(let_all_in, guide)
    async with serving() as bridge:
        async with asyncio.TaskGroup() as group:
            for number, (end, secret) in enumerate(zip(ENDS, secrets, strict=True)):
                group.create_task(call(bridge, guide, number, secret, end))
        await bridge.settled()
        assert sorted(summary.ended_by for _, summary in bridge.desk.ends) == sorted(ENDS.values())
        for call_id, _ in bridge.desk.ends:
            transcript, data = await rows(files_of, call_id, data_dir)
            (said,) = transcript["conversation"]
            assert (said["speaker"], said["event_type"]) == ("assistant", "interrupted")
            # As far as it was heard, a second at least.
            assert said["text"].startswith("Was your")
            assert len(said["text"]) < len(said["full_text"])
            assert transcript["call_id"] == data["call_id"] == str(call_id)
