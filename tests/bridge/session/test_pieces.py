"""Calls in virtual time with an agent whose audio is exchanged in pieces: what is held together, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import Audio, AudioDone, Brief, EndCall, Transfer
from telephony.errors import LocalProtocolError
from telephony.protocols.events import PlayAudio, TransferTarget
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, WordCodec, play_call, vowel
from tests.bridge.virtual_time import run

PIECE_MS = 40
FRAME = b"\x10\x01" * 160  # 20 ms


async def listens(leg: ScriptedLeg) -> None:
    leg.say("open")
    leg.answer("hangup", "bye")
    leg.answer("transfer 101", "bye")
    await leg.silence(60)


def speaks(frames: int, *ends, pause_s: float = 0.5):
    """In real time, frame by frame; then it waits, and ends."""

    async def script(_: ScriptedAgent):
        await asyncio.sleep(0.1)
        for _frame in range(frames):
            yield Audio("a", FRAME)
            await asyncio.sleep(0.02)
        await asyncio.sleep(pause_s)
        for end in ends:
            yield end
        await asyncio.Event().wait()

    return script


def sent_by(script, **options) -> list[tuple[int, int]]:
    """When audio was sent, in ms since its first piece came, and how many ms of it."""
    call = run(play_call(listens, script, piece_ms=PIECE_MS, **options))
    audio = [(at, message) for at, message in call.leg.sent if isinstance(message, bytes)]
    return [(round(at * 1000) - 100, len(message) // 16) for at, message in audio]


def test_frames_of_a_speaking_agent_leave_two_by_two():
    assert sent_by(speaks(6, AudioDone("a"), EndCall()))[:3] == [(20, 40), (60, 40), (100, 40)]


def test_what_is_left_alone_leaves_after_a_moment():
    assert sent_by(speaks(3, AudioDone("a"), EndCall())) == [(20, 40), (90, 20)]


def test_what_the_vendor_cannot_be_told_breaks_the_call_also_when_it_was_held():
    class Particular(WordCodec):
        def send(self, command):
            if isinstance(command, PlayAudio) and len(command.pcm) < len(FRAME) * 2:
                raise LocalProtocolError("nothing that short")
            return super().send(command)

    with pytest.raises(ExceptionGroup) as caught:
        sent_by(speaks(3, AudioDone("a")), codec=Particular())
    assert caught.group_contains(LocalProtocolError, match="nothing that short")


def test_end_of_the_utterance_lets_go_of_what_is_left():
    assert sent_by(speaks(3, AudioDone("a"), pause_s=0.01))[:2] == [(20, 40), (70, 20)]


@pytest.mark.parametrize("end", [EndCall(), Transfer((TransferTarget("101"),))])
def test_what_is_left_is_heard_before_the_end_that_was_asked_for(end):
    assert sent_by(speaks(3, end, pause_s=0.0), brief=Brief("call-1", transfer_targets=(TransferTarget("101"),))) == [
        (20, 40),
        (60, 20),
    ]


def test_another_utterance_lets_go_of_what_is_left_of_the_one_before():
    async def script(_: ScriptedAgent):
        await asyncio.sleep(0.1)
        yield Audio("a", FRAME)
        yield Audio("b", FRAME * 2)
        await asyncio.sleep(1)
        yield EndCall()

    assert sum(length_ms for _, length_ms in sent_by(script)) == 60


def test_what_is_left_of_an_interrupted_utterance_is_not_said():
    async def interrupts(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(0.3)
        await leg.stream(vowel(600))
        leg.say("bye")

    async def script(agent: ScriptedAgent):
        while not agent.log:
            yield Audio("a", FRAME)
            await asyncio.sleep(0.02)
        yield Audio("a", FRAME)
        await asyncio.Event().wait()

    call = run(play_call(interrupts, script, piece_ms=PIECE_MS))
    kind, item_id, heard_ms = next(entry for entry in call.agent.log if entry[0] == "interrupt")
    assert (kind, item_id) == ("interrupt", "a")
    assert heard_ms == call.leg.audio_ms
