"""A call over PSR with MP3 chunks, on virtual time: what a switch decodes of what the agent said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bridge.agents.base import AgentEvent, Audio, AudioDone, EndCall
from telephony.protocols.psr import ChunkAction, PsrClientCodec, PsrServerCodec
from telephony.protocols.psr_chunks import ChunkCodec
from telephony.simulator.mp3 import Mp3Decoder
from telephony.simulator.playout import Hypothesis
from tests.bridge.session.fakes import ScriptedAgent, ScriptedLeg, play_call
from tests.bridge.virtual_time import run

SAID = (8000 * np.sin(np.arange(12_000) / 5)).astype("<i2")


async def speaks(agent: ScriptedAgent) -> AsyncIterator[AgentEvent]:
    for start in range(0, len(SAID), 800):
        yield Audio("a", SAID[start : start + 800].tobytes())
    yield AudioDone("a")
    yield EndCall()
    await asyncio.sleep(600)


async def listens(leg: ScriptedLeg) -> None:
    peer = PsrClientCodec("c")
    leg.say(peer.connected(0))
    for _ in range(500):
        await asyncio.sleep(0.02)
        leg.say(peer.media(0, bytes(320)))


@pytest.mark.parametrize(
    ("chunk_codec", "hypothesis", "late_samples"),
    [(ChunkCodec.MP3_INDEPENDENT, Hypothesis.FILES, 0), (ChunkCodec.MP3_STREAM, Hypothesis.STREAM, 1105)],
)
def test_all_that_was_said_is_decoded(chunk_codec, hypothesis, late_samples):
    call = run(play_call(listens, speaks, codec=PsrServerCodec(chunk_codec=chunk_codec)))

    decoder, heard = Mp3Decoder(hypothesis), b""
    for message in call.leg.words:
        action = PsrClientCodec("c").receive(message)
        if isinstance(action, ChunkAction):
            heard += decoder.decode(action.audio)
    samples = np.frombuffer(heard, "<i2")[late_samples:]
    assert len(samples) >= len(SAID)
    assert np.corrcoef(samples[: len(SAID)], SAID)[0, 1] > 0.97
