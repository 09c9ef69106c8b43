"""Every vendor with every agent, all at once over real sockets: greeted, heard, ended and written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from django.utils import timezone

from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.service import Options, running
from bridge.agents.livecall_grpc.service.options import Script
from bridge.agents.prompt_library import PromptLibrary
from bridge.agents.scripted.recogniser import shared_recogniser
from campaigns.enums import ResultStep
from campaigns.models import Call
from campaigns.services.steps import run_step
from telephony.protocols.wav import read_wav_header
from tests.bridge.agents.speech import recording
from tests.bridge.lines.callee import Callee
from tests.bridge.lines.conftest import let_in
from tests.bridge.lines.ear import Samples, likeness
from tests.bridge.lines.vendors import VENDORS, Vendor
from tests.bridge.serving import Serving, rows
from tests.factories import make_agent
from tests.fake_realtime import KEY, FakeSession, fake_realtime

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 90.0
# What a telephone line, two resamplers and G.711 leave of a sound.
ALIKE = 0.8
NO_INPUT = {"say": "still_there", "after_s": 6, "tries": 2, "go": "nobody"}
SCRIPT = {
    "name": "customer_survey",
    "start": "solved",
    "no_input": NO_INPUT,
    "anywhere": [],
    "voicemail": {"after_s": 6, "disposition": "voicemail"},
    "not_understood": {"say": "not_understood", "tries": 3, "go": "nobody"},
    "nodes": {
        "solved": {
            "ask": ["q_solved"],
            "record_as": "solved",
            "branches": [
                {"hear": ["yes", "yes please"], "value": "yes", "go": "thanks"},
                {"hear": ["no", "no thanks"], "value": "no", "go": "nobody"},
            ],
        },
        "thanks": {"end": ["one_moment"], "disposition": "completed"},
        "nobody": {"end": ["one_moment"], "disposition": "no_answer"},
    },
}
TALKS_BACK = Script(greeting=("q_person",), answers=(), goodbye=("one_moment",))


@cache
def said_by(voice: str, phrase: str) -> Samples:
    """What a recorded person says, at 8 kHz."""
    wav = recording(voice, phrase).read_bytes()
    return np.frombuffer(read_wav_header(wav).samples_in(wav), "<i2")


@cache
def prompt(name: str) -> Samples:
    """The first second of a prompt's voice, as a line of 8 kHz carries it."""
    pcm = PromptLibrary().get(name).pcm
    line = soxr.resample(np.frombuffer(pcm.samples, "<i2").astype(np.float32), pcm.rate_hz, 8_000)
    begins = int(np.argmax(np.abs(line) > 1_000))
    return np.asarray(line[begins : begins + 8_000]).astype(np.int16)


async def converses(session: FakeSession) -> None:
    """A model that greets, hears one answer and says goodbye."""
    await session.asked()
    await session.say("hello", "Hello, is it solved?", 1_500)
    await session.finish()
    await session.until(lambda: np.abs(np.frombuffer(bytes(session.heard[-48_000:]), "<i2")).max(initial=0) > 4_000)
    await asyncio.sleep(1)
    await session.hear("u1", 2_000, 2_600)
    await session.transcribe("u1", "Yes please.")
    await session.begin()
    await session.say("bye", "Goodbye.", 500)
    await session.call("end_call", "{}", "call-1")
    await session.finish()


async def answers(callee: Callee) -> None:
    """Hears the agent out, says yes, and waits for the agent to hang up."""
    await callee.listen(at_least_ms=1_000)
    await callee.say(said_by("emma", "yes please").tobytes())
    await callee.is_gone.wait()


async def hears_itself(callee: Callee) -> None:
    """Speaks first, hears it, and hangs up; the line's noise comes back too, so it is never quiet."""
    await callee.say(said_by("emma", "yes please").tobytes())
    said_ms = callee.now_ms
    await callee.hear(said_ms)
    await callee.leave()


@dataclass(frozen=True)
class AgentCase:
    """An agent, what the customer does with it, and what must come of it."""

    config: dict[str, Any]
    customer: Callable[[Callee], Awaitable[None]]
    ended_by: str
    turns: tuple[tuple[str, str], ...]
    greeting: Callable[[], Samples]


AGENTS = {
    "scripted": AgentCase(
        {"script": SCRIPT},
        answers,
        "agent_hangup",
        (("agent", "q_solved"), ("customer", "yes please"), ("agent", "one_moment")),
        lambda: prompt("q_solved"),
    ),
    "echo": AgentCase(
        {"delay_ms": 200}, hears_itself, "customer_hangup", (), lambda: said_by("emma", "yes please")[:8_000]
    ),
    "openai_realtime": AgentCase(
        {"instructions": "Ask."},
        answers,
        "agent_hangup",
        (("agent", "Hello, is it solved?"), ("customer", "Yes please."), ("agent", "Goodbye.")),
        lambda: np.full(8_000, 4_096, np.int16),
    ),
    "livecall_grpc": AgentCase(
        {},
        answers,
        "agent_hangup",
        (("agent", "q_person"), ("customer", "s of speech)"), ("agent", "one_moment")),
        lambda: prompt("q_person"),
    ),
}


def words(of: str) -> str:
    """What is said, where `of` is a prompt's name."""
    return PromptLibrary().get(of).text if of in PromptLibrary().names() else of


def written(call_id: Any, data_dir: Path) -> tuple[Call, list[tuple[str, str]], dict[str, Any], dict[str, Any]]:
    """The call's row and turns, and its two files."""
    now = timezone.now()
    for step in (ResultStep.TRANSCRIPT_FILE, ResultStep.CALL_FILE):
        run_step(call_id=call_id, step=step, now=now)
    call = Call.objects.select_related("agent").get(pk=call_id)
    turns = list(call.turns.order_by("seq").values_list("speaker", "text"))
    (transcript,) = (data_dir / "transcripts").glob(f"call_{call_id}_*_transcript.json")
    (data,) = (data_dir / "calls").glob(f"call_{call_id}_*.json")
    return call, turns, json.loads(transcript.read_text()), json.loads(data.read_text())


def _let_all_in(targets: dict[type[Vendor], str]) -> dict[tuple[type[Vendor], str], str]:
    secrets = {}
    for kind, case in AGENTS.items():
        for make in VENDORS:
            config = {"target": targets[make]} if kind == "livecall_grpc" else case.config
            agent = make_agent(f"{kind} for {make.protocol}", kind=kind, config=config)
            secrets[make, kind] = let_in(make.protocol, agent)
    return secrets


def note_audio(heard: bytearray, request: pb.ClientRequest) -> None:
    """What the reference service hears, PCM16 at 8 kHz."""
    if request.WhichOneof("data") == "play_audio":
        assert request.play_audio.sample_rate == 8_000
        heard.extend(request.play_audio.audio_content)


async def test_every_vendor_speaks_with_every_agent(serving: Serving, settings, data_dir: Path):
    told = {make: bytearray() for make in VENDORS}
    targets: dict[type[Vendor], str] = {}
    # As the process does before it takes calls.
    await asyncio.to_thread(shared_recogniser().warm_up)
    async with AsyncExitStack() as stack:
        for make, heard in told.items():
            service = running(Options(port=0, script=TALKS_BACK), tap=partial(note_audio, heard))
            targets[make] = (await stack.enter_async_context(service)).target
        realtime = await stack.enter_async_context(fake_realtime(converses))
        settings.OPENAI_REALTIME_URL, settings.OPENAI_API_KEY = realtime.url, KEY
        bridge = await stack.enter_async_context(serving(capacity=20, deadline_s=DEADLINE_S))
        callees: dict[tuple[str, str], Callee] = {}

        async def call(vendor: Vendor, kind: str, secret: str) -> None:
            async with bridge.connect(vendor.path(secret)) as socket:
                callees[vendor.protocol, kind] = callee = Callee(vendor, socket)
                await callee.speak_and_hear(AGENTS[kind].customer)

        # Before the first call: SQLite's in-memory database is written by one at a time.
        secrets = await rows(_let_all_in, targets)
        async with asyncio.TaskGroup() as group:
            for (make, kind), secret in secrets.items():
                group.create_task(call(make(f"{make.protocol}-{kind}"), kind, secret))
        await bridge.settled()
        ends = [call_id for call_id, _ in bridge.desk.ends]
        assert len(set(ends)) == len(ends) == len(callees) == len(VENDORS) * len(AGENTS)
        for call_id in ends:
            row, turns, transcript, data = await rows(written, call_id, data_dir)
            case, pair = AGENTS[row.agent.kind], (row.protocol, row.agent.kind)
            callee = callees[pair]
            assert row.ended_by == case.ended_by, (pair, row.ended_by, row.metrics)
            assert [speaker for speaker, _ in turns] == [speaker for speaker, _ in case.turns], (pair, turns)
            assert all(words(text) in said for (_, text), (_, said) in zip(case.turns, turns, strict=True)), pair
            assert [entry["text"] for entry in transcript["conversation"]] == [text for _, text in turns], pair
            assert data["call_id"] == transcript["call_id"] == str(call_id)
            assert likeness(callee.ear.samples(callee.now_ms), case.greeting()) > ALIKE, pair
            assert row.metrics["bad_messages"] == 0, pair
            assert callee.is_told is (case.ended_by == "agent_hangup" and row.protocol != "twilio"), pair
    said = said_by("emma", "yes please")
    for make, heard in told.items():
        assert likeness(np.frombuffer(bytes(heard), "<i2"), said) > ALIKE, make
    assert len(realtime.sessions) == len(VENDORS)
    for session in realtime.sessions:
        at_line = soxr.resample(np.frombuffer(bytes(session.heard), "<i2").astype(np.float32), 24_000, 8_000)
        assert likeness(np.asarray(at_line).astype(np.int16), said) > ALIKE
        assert session.refused == []
