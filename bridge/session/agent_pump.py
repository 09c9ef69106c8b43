"""Between the call and its agent: connects it, feeds it what the customer says, and does what it asks for."""

from __future__ import annotations

import asyncio

from bridge.agents.base import (
    Agent,
    AgentEvent,
    AgentSession,
    AgentUnavailable,
    Audio,
    AudioDone,
    Brief,
    EndCall,
    Failed,
    Speaker,
    StopSpeaking,
    ToolCall,
    Transcript,
    UserSpeech,
)
from bridge.agents.base import Transfer as AgentTransfer
from bridge.audio.resample import Resampler
from bridge.session.contracts import EndedBy
from bridge.session.inbox import CustomerAudio, Interrupted, KeyPressed, PlayedOut
from bridge.session.state import LiveCall, barge_in, begin_farewell, fail_agent, remember_answer, set_disposition
from telephony.protocols.events import PCM16_SAMPLE_BYTES, Hangup, Transfer


async def converse(call: LiveCall, agent: Agent, brief: Brief) -> None:
    """Run the agent until it has nothing more to say or fails; either way the call then says goodbye."""
    is_connected = False
    try:
        async with asyncio.timeout(call.limits.agent_connect_s) as deadline, agent.connect(brief) as session:
            is_connected = True
            deadline.reschedule(None)
            async with asyncio.TaskGroup() as group:
                feeder = group.create_task(_feed(call, session))
                await _obey(call, session)
                feeder.cancel()
    except TimeoutError:
        if is_connected:
            raise
        fail_agent(call, "it did not connect in time")
    except AgentUnavailable as error:
        fail_agent(call, str(error))
    call.is_agent_gone = True
    begin_farewell(call, Hangup(), EndedBy.AGENT_HANGUP, call.limits.drain_s)


async def _feed(call: LiveCall, session: AgentSession) -> None:
    """Hand the agent what waits for it, in order."""
    resampler = Resampler(call.codec.capabilities.in_rate_hz, session.input_rate_hz, call.resampler)
    call.counters.resample_delay_ms += resampler.delay_ms
    fed_ms = 0.0
    try:
        while True:
            match await call.inbox.get():
                case CustomerAudio(pcm=pcm, ended_ms=ended_ms):
                    fed_ms += len(pcm) * 1000 / (PCM16_SAMPLE_BYTES * resampler.from_hz)
                    call.agent_offset_ms = ended_ms - fed_ms
                    await session.send_audio(resampler.process(pcm))
                case KeyPressed(digit=digit):
                    await session.send_dtmf(digit)
                case Interrupted(item_id=item_id, heard_ms=heard_ms):
                    await session.interrupt(item_id, heard_ms)
                case PlayedOut(item_id=item_id):
                    await session.played(item_id)
    except AgentUnavailable as error:
        fail_agent(call, str(error))


async def _obey(call: LiveCall, session: AgentSession) -> None:
    """Do what the agent asks for until it ends its stream of events or fails."""
    voice = _Voice(call, session.output_rate_hz)
    call.counters.resample_delay_ms += voice.delay_ms
    try:
        async for event in session:
            if isinstance(event, Audio):
                await voice.say(event)
            elif isinstance(event, AudioDone):
                voice.finish(event.item_id)
            elif isinstance(event, Failed):
                fail_agent(call, event.reason)
                return
            else:
                _note(call, event)
    except AgentUnavailable as error:
        fail_agent(call, str(error))


def _note(call: LiveCall, event: AgentEvent) -> None:
    match event:
        case Transcript(speaker=Speaker.AGENT):
            call.turns.agent_said(event)
        case Transcript():
            call.turns.customer_said(event, call.agent_offset_ms, call.now_ms())
        case StopSpeaking():
            barge_in(call)
        case UserSpeech(is_speaking=True) if call.ear is None:
            barge_in(call)
        case ToolCall():
            _use_tool(call, event)
        case EndCall():
            begin_farewell(call, Hangup(), EndedBy.AGENT_HANGUP, call.limits.drain_s)
        case AgentTransfer(targets=targets):
            begin_farewell(call, Transfer(targets), EndedBy.TRANSFER, call.limits.drain_s)
        case _:
            return


def _use_tool(call: LiveCall, tool_call: ToolCall) -> None:
    arguments = tool_call.arguments
    match tool_call.name:
        case "record_answer" if arguments.get("key"):
            remember_answer(
                call, str(arguments["key"]), str(arguments.get("question", "")), str(arguments.get("value", ""))
            )
        case "set_disposition" if arguments.get("disposition"):
            set_disposition(call, str(arguments["disposition"]))
        case _:
            call.counters.bad_agent_events += 1


class _Voice:
    """The agent's audio on its way into the playout, one utterance at a time through one filter."""

    def __init__(self, call: LiveCall, rate_hz: int) -> None:
        self._call = call
        self._resampler = Resampler(rate_hz, call.codec.capabilities.out_rate_hz, call.resampler)
        self._item_id = ""

    @property
    def delay_ms(self) -> float:
        """What the filter adds to every word."""
        return self._resampler.delay_ms

    async def say(self, audio: Audio) -> None:
        """Queue audio; waits while half a minute is queued already, so that a runaway agent is slowed to real time."""
        if audio.item_id != self._item_id:
            self.finish(self._item_id)
            self._item_id = audio.item_id
        self._call.playout.enqueue(audio.item_id, self._resampler.process(audio.pcm))
        self._call.wake.set()
        while not self._call.playout.has_room:
            self._call.room.clear()
            await self._call.room.wait()

    def finish(self, item_id: str) -> None:
        """Queue the tail inside the filter and end the utterance."""
        if not item_id:
            return
        if item_id == self._item_id:
            self._call.playout.enqueue(item_id, self._resampler.flush())
            self._item_id = ""
        self._call.playout.finish(item_id)
        self._call.wake.set()
