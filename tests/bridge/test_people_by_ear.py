"""Everybody in the simulator's table who talks, with the agent's real ear and PSR's own words; only time is virtual.

The sound of both sides is the simulator's own: its line, its noise, its playout and its people.
"""

from __future__ import annotations

import asyncio

import pytest

from bridge.agents.base import Brief
from bridge.agents.scripted import ScriptedAgent
from bridge.agents.scripted.recogniser import SphinxRecogniser
from bridge.session import CallSummary, Hear, Limits, bridge_call, listen_by
from telephony.protocols.events import Channel, TransferTarget
from telephony.protocols.psr import ChunkAction, HangupAction, PsrClientCodec, PsrServerCodec, TransferAction
from telephony.simulator.behaviour_table import behaviour_for
from telephony.simulator.calls import throw_dice
from telephony.simulator.line import App, Line, Packets
from telephony.simulator.options import Options
from telephony.simulator.playout import Playout
from tests.bridge.session.fakes import MemorySink
from tests.bridge.virtual_time import run

LONGEST_CALL_S = 180
# What each behaviour achieves, with the answers where it takes the survey.
ACHIEVED = {
    "all_yes": ("completed", ["yes", "yes", "yes"]),
    "mixed_answers": ("completed", ["yes", "no", "maybe"]),
    "all_no": ("completed", ["no", "no", "no"]),
    "no_time": ("declined", []),
    "slow_talker": ("completed", ["yes", "yes", "maybe"]),
    "mumbles": ("completed", ["yes", "no", "maybe"]),
    "asks_who": ("completed", ["yes", "no", "yes"]),
    "call_back": ("callback_requested", []),
    "not_interested": ("declined", []),
    "stop_calling": ("do_not_call", []),
    "remove_me": ("do_not_call", []),
    "wants_person": ("transferred", ["no", "no", "maybe"]),
    "asks_for_person": ("transferred", []),
    "barges_in": ("completed", ["yes", "no", "yes"]),
    "greets_first": ("completed", ["yes", "yes", "yes"]),
    "hangs_up_mid_question": ("", []),
}
PEOPLE = [f"+8490123{code:04}" for code in (*range(51), 54)]


class SimulatedLeg:
    """PSR's socket with a simulated person behind it, on the loop's own clock."""

    def __init__(self, destination: str) -> None:
        options = Options()
        dice = throw_dice(options, destination)
        persona = behaviour_for(destination).persona
        self.close_code: int | None = None
        self.line = Line(App.BOT, persona, dice.speaker, Playout(options.playout), options.random_for(destination))
        self._packets = Packets(dice.packet_ms, Channel.MONO_A)
        self._codec = PsrClientCodec("call-1", Channel.MONO_A)
        self._incoming: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._is_over = False

    async def talk(self) -> None:
        """Real time, until somebody ends the call."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._incoming.put_nowait(self._codec.connected(0))
        while not self._is_over and not self.line.left_because:
            for packet in self._packets.add(self.line.tick()):
                self._incoming.put_nowait(self._codec.media(0, packet))
            await asyncio.sleep(began + self.line.now_ms / 1000 - loop.time())
            assert self.line.now_ms < LONGEST_CALL_S * 1000
        self._incoming.put_nowait(self._codec.closed(0))

    async def receive(self) -> str | bytes | None:
        return await self._incoming.get()

    async def listen(self, hear: Hear) -> None:
        await listen_by(self.receive, hear)

    def send_now(self, message: str | bytes) -> bool:
        return False

    async def send(self, message: str | bytes) -> None:
        match self._codec.receive(message):
            case ChunkAction(audio=audio):
                assert self.line.playout.receive_chunk(audio)
            case HangupAction() | TransferAction():
                self._is_over = True

    async def close(self, code: int) -> None:
        self.close_code = code


async def talk(destination: str, recogniser: SphinxRecogniser) -> tuple[CallSummary, MemorySink, SimulatedLeg]:
    leg, sink = SimulatedLeg(destination), MemorySink()
    clock = asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as group:
        person = group.create_task(leg.talk())
        brief = Brief("c", transfer_targets=(TransferTarget("101"),))
        summary = await bridge_call(leg, PsrServerCodec(), ScriptedAgent({}, recogniser), brief, Limits(), clock, sink)
        person.cancel()
    return summary, sink, leg


@pytest.fixture(scope="module")
def recogniser() -> SphinxRecogniser:
    ears = SphinxRecogniser()
    ears.warm_up()
    return ears


@pytest.mark.parametrize("destination", PEOPLE)
def test_call_achieves_what_the_person_wants(destination: str, recogniser: SphinxRecogniser) -> None:
    summary, sink, leg = run(talk(destination, recogniser))
    achieved = (summary.disposition, [answer.value for answer in summary.answers])
    transcript = [(turn.start_ms, turn.speaker.value, turn.text[:40]) for turn in sink.turns]
    said = [(each.from_ms, each.phrase) for each in leg.line.said]
    assert achieved == ACHIEVED[behaviour_for(destination).name], (throw_dice(Options(), destination), transcript, said)
