"""The echo through the real session."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bridge.agents.base import Brief
from bridge.agents.echo import EchoAgent
from bridge.session import Limits, bridge_call
from tests.bridge.session.fakes import MemorySink, ScriptedLeg, WordCodec
from tests.bridge.virtual_time import run


def test_echo_says_what_it_heard_a_moment_later():
    audio = np.arange(8 * 7_000, dtype="<i2").tobytes()

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.stream(audio)
        leg.say("bye")

    async def scenario():
        leg = ScriptedLeg(vendor)
        async with asyncio.TaskGroup() as group:
            group.create_task(leg.play())
            await bridge_call(
                leg,
                WordCodec(),
                EchoAgent({"delay_ms": 500}),
                Brief("c"),
                Limits(),
                asyncio.get_running_loop().time,
                MemorySink(),
            )
        return leg

    leg = run(scenario())
    echoed = b"".join(message for _, message in leg.sent if isinstance(message, bytes))
    assert audio.startswith(echoed)
    assert len(echoed) / 16 == pytest.approx(6_500, abs=120)
    assert leg.sent[0][0] == pytest.approx(0.52, abs=0.01)


@pytest.mark.parametrize("delay_ms", [-1, 5_001, "400", True, 0.5])
def test_echo_refuses_a_delay_it_cannot_keep(delay_ms):
    with pytest.raises(ValueError, match="delay_ms"):
        EchoAgent({"delay_ms": delay_ms})


async def test_echo_keeps_no_more_than_ten_seconds_that_nobody_fetches():
    async with EchoAgent({"delay_ms": 0}).connect(Brief("c")) as session:
        for number in range(100):
            await session.send_audio(bytes([number]) * 16_000)
        assert session._waiting_bytes == sum(map(len, session._waiting)) == 160_000
        assert session._waiting[-1][:1] == bytes([99])
