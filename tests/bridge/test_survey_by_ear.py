"""The whole survey with recorded callers, the real ear and PSR's own words; only time is virtual."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from bridge.agents.base import Brief
from bridge.agents.scripted import ScriptedAgent
from bridge.agents.scripted.recogniser import SphinxRecogniser
from bridge.audio.wav import read_wav
from bridge.session import EndedBy, Limits, bridge_call
from telephony.protocols.events import TransferTarget
from telephony.protocols.psr import PsrClientCodec, PsrServerCodec
from tests.bridge.agents.speech import SPEECH_DIR, recording
from tests.bridge.session.fakes import MemorySink, ScriptedLeg
from tests.bridge.virtual_time import run

LINE_NOISE = 60.0
FRAME_SAMPLES = 160


class PsrCaller:
    """Speaks recorded phrases over a noisy line, each a moment after the agent fell silent."""

    def __init__(self, *audio: bytes) -> None:
        self._codec = PsrClientCodec("psr-1")
        self._lines = list(audio)
        self._noise = np.random.default_rng(11)

    async def call(self, leg: ScriptedLeg) -> None:
        leg.say(self._codec.connected(0))
        for audio in self._lines:
            await self._listen(leg)
            await self._say(leg, audio)
        await self._say(leg, bytes(16_000 * 60))

    async def _listen(self, leg: ScriptedLeg) -> None:
        """Until the agent has said nothing new for a second, after it said something."""
        before, quiet = self._heard(leg), 0
        while quiet < 50 or self._heard(leg) == before:
            count = self._heard(leg)
            await self._say(leg, bytes(FRAME_SAMPLES * 2))
            quiet = quiet + 1 if self._heard(leg) == count else 0

    def _heard(self, leg: ScriptedLeg) -> int:
        return len(leg.sent)

    async def _say(self, leg: ScriptedLeg, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_SAMPLES * 2):
            await asyncio.sleep(0.02)
            frame = np.frombuffer(pcm[at : at + FRAME_SAMPLES * 2], "<i2")
            noisy = frame + self._noise.normal(0, LINE_NOISE, len(frame))
            leg.say(self._codec.media(0, np.clip(noisy, -32768, 32767).astype("<i2").tobytes()))


async def survey(caller: PsrCaller):
    leg, sink = ScriptedLeg(caller.call), MemorySink()
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(leg.play())
        summary = await bridge_call(
            leg,
            PsrServerCodec(),
            ScriptedAgent({}, SphinxRecogniser()),
            Brief("c", transfer_targets=(TransferTarget("101"),)),
            Limits(),
            asyncio.get_running_loop().time,
            sink,
        )
        playing.cancel()
    last = json.loads(next(message for _, message in reversed(leg.sent) if isinstance(message, str)))
    return summary, sink, last


def voice(name: str, *phrases: str) -> PsrCaller:
    return PsrCaller(*(read_wav(recording(name, phrase)).samples for phrase in phrases))


@pytest.mark.parametrize("name", ["anna", "bruno", "emma"])
def test_recorded_caller_gets_through_the_survey(name):
    summary, sink, last = run(survey(voice(name, "yes", "yes", "maybe", "no", "no")))
    assert summary.disposition == "completed", [turn.text for turn in sink.turns]
    assert [(answer.key, answer.value) for answer in summary.answers] == [
        ("solved", "yes"),
        ("recommend", "maybe"),
        ("price", "no"),
    ]
    assert summary.ended_by is EndedBy.AGENT_HANGUP
    assert last == {"event": "hangup"}


def test_recorded_caller_asks_never_to_be_called_again():
    summary, _, _ = run(survey(voice("dave", "stop calling me")))
    assert summary.disposition == "do_not_call"


def test_recorded_caller_is_transferred():
    summary, _, last = run(survey(voice("henry", "yes", "no", "no", "no", "yes")))
    assert (summary.ended_by, summary.transferred_to) == (EndedBy.TRANSFER, "101")
    assert last == {"event": "transfer", "data": {"extension": "101"}}


def test_answering_machine_is_left():
    announcement = read_wav(SPEECH_DIR / "voicemail_greeting.wav").samples

    class Machine(PsrCaller):
        async def call(self, leg: ScriptedLeg) -> None:
            leg.say(self._codec.connected(0))
            await self._say(leg, announcement + bytes(16_000 * 60))

    summary, _, _ = run(survey(Machine()))
    assert summary.disposition == "voicemail"
