"""Whole calls between a scripted vendor and the reference service over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bridge.agents.base import Brief, Speaker
from bridge.agents.livecall_grpc.agent import LiveCallAgent
from bridge.agents.livecall_grpc.config import LiveCallServer
from bridge.agents.livecall_grpc.service import Fault, Options, running
from bridge.agents.livecall_grpc.service.options import Script
from bridge.session import CallSummary, EndedBy, Limits, bridge_call
from telephony.protocols.events import Capabilities, Transfer, TransferTarget, VendorCommand
from telephony.protocols.wav import build_wav
from tests.bridge.session.fakes import MemorySink, ScriptedLeg, WordCodec

LIMITS = Limits(min_call_s=0, drain_s=1.5, closed_wait_s=0.5, transfer_wait_s=0.5)
TARGETS = (TransferTarget("102", "Lan"), TransferTarget("101"))
LENGTH_MS = 300


class ListCodec(WordCodec):
    """A vendor that takes the whole list of whom to try."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities: Capabilities = replace(self.capabilities, takes_target_list=True)

    def send(self, command: VendorCommand) -> list[str | bytes]:
        if isinstance(command, Transfer):
            return [f"transfer {' '.join(target.number for target in command.targets)}"]
        return super().send(command)


@dataclass
class Heard:
    """A call that was held."""

    summary: CallSummary
    leg: ScriptedLeg
    sink: MemorySink


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> Options:
    folder = tmp_path_factory.mktemp("prompts")
    prompts: dict[str, Path] = {}
    for number, name in enumerate(("hello", "bye", "wait"), start=1):
        prompts[name] = folder / f"{name}.wav"
        samples = np.full(24 * LENGTH_MS, 1_000 * number, "<i2")
        prompts[name].write_bytes(build_wav(samples.tobytes(), 24_000))
    script = Script(greeting=("hello",), answers=(), goodbye=("bye",), transfer=("wait",))
    return Options(port=0, script=script, own_prompts=prompts)


async def held(
    options: Options, vendor: Callable[[ScriptedLeg], Awaitable[None]], codec: WordCodec | None = None, **config
) -> Heard:
    leg, sink = ScriptedLeg(vendor), MemorySink()
    brief = Brief("call-1", transfer_targets=TARGETS)
    async with asyncio.timeout(20), running(options, grace_s=0) as service, asyncio.TaskGroup() as group:
        playing = group.create_task(leg.play())
        agent = LiveCallAgent(config, LiveCallServer(service.target))
        clock = asyncio.get_running_loop().time
        summary = await bridge_call(leg, codec or WordCodec(), agent, brief, LIMITS, clock, sink)
        playing.cancel()
    return Heard(summary, leg, sink)


def presses(key: str) -> Callable[[ScriptedLeg], Awaitable[None]]:
    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        leg.answer("hangup", "bye")
        await leg.silence(0.2)
        leg.say(f"key {key}")
        await leg.silence(60)

    return vendor


def levels(leg: ScriptedLeg) -> set[int]:
    """The levels of the tones that were sent, to the nearest thousand."""
    audio = b"".join(message for _, message in leg.sent if isinstance(message, bytes))
    return {int(round(level, -3)) for level in np.frombuffer(audio, "<i2")[80::160].tolist()} - {0}


async def test_greeting_and_farewell_are_heard_before_the_hangup(options):
    call = await held(options, presses("9"))
    assert (call.summary.ended_by, call.leg.words) == (EndedBy.AGENT_HANGUP, ["hangup"])
    assert levels(call.leg) == {1_000, 2_000}
    assert call.leg.audio_ms == pytest.approx(2 * LENGTH_MS, abs=60)
    assert isinstance(call.leg.sent[-1][1], str)


async def test_a_legacy_service_is_heard_as_well(options):
    legacy = replace(options, has_extensions=False, says_width_in_bits=True, leaves_out_status=True, rate_hz=16_000)

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(1.2)
        leg.say("bye")

    call = await held(legacy, vendor, protocol_version=0)
    assert call.summary.ended_by is EndedBy.CUSTOMER_HANGUP
    assert levels(call.leg) == {1_000}


async def test_the_transfer_list_reaches_the_vendor_in_order(options):
    call = await held(options, presses("0"), ListCodec())
    assert (call.summary.ended_by, call.summary.transferred_to) == (EndedBy.TRANSFER, "102")
    assert call.leg.words[0] == "transfer 102 101"
    assert levels(call.leg) == {1_000, 3_000}


async def test_a_refusing_service_ends_the_call_with_an_apology(options):
    call = await held(replace(options, fault=Fault.ERROR), presses("5"))
    assert call.summary.ended_by is EndedBy.AGENT_FAILED
    assert [turn.item_id[:16] for turn in call.sink.turns if turn.speaker is Speaker.AGENT] == ["bridge-apology-1"]
