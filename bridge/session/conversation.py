"""One conversation with an agent: feeds it what the customer says, and does what it says and asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from bridge.agents.base import (
    Agent,
    AgentEvent,
    AgentSession,
    AgentUnavailable,
    Audio,
    AudioDone,
    BargeIn,
    Brief,
    EndCall,
    Expiring,
    Failed,
    ListeningSession,
    PromptSession,
    Speaker,
    StopSpeaking,
    ToolCall,
    Transcript,
    UserSpeech,
)
from bridge.agents.base import Transfer as AgentTransfer
from bridge.audio.resample import Resampler
from bridge.session.inbox import CustomerAudio, Interrupted, KeyPressed, PlayedOut, ToolAnswered
from bridge.session.requests import AgentRequests
from bridge.session.state import LiveCall, barge_in
from bridge.session.voice_pump import speak_at_once
from telephony.protocols.events import PCM16_SAMPLE_BYTES

# The shares of the connection's time that the first and the second try get.
CONNECT_SHARES: Final = (0.6, 0.4)
UNANSWERED: Final = "it asks for more than it takes answers to"


@dataclass(frozen=True, slots=True)
class Opened:
    """The agent is connected and waits for its turn."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """The first audio of the conversation came."""


@dataclass(frozen=True, slots=True)
class ExpiresSoon:
    """Another conversation must take over within `in_s`."""

    in_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent has nothing more to say, ever."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The conversation broke or never began; `is_retryable` says whether another may do better."""

    reason: str
    is_retryable: bool


News: TypeAlias = Opened | Spoke | ExpiresSoon | Ended | Lost


class Conversation:
    """Opened, held and closed in one task, `run`; `tell` hears how it goes, with `Ended` or `Lost` as the last word.

    `owes_words` says whether the agent is to speak as soon as it is its turn, `broke_off` whether it ended within an
    utterance.
    Items of a later conversation get a prefix: an agent that counts them anew must not take up those of the one before.
    """

    def __init__(
        self,
        call: LiveCall,
        agent: Agent,
        brief: Brief,
        number: int,
        tell: Callable[[Conversation, News], None],
    ) -> None:
        self.is_open = False
        self.owes_words = False
        self.barge_in = BargeIn.BRIDGE
        self.broke_off = False
        self.number = number
        self._call = call
        self._agent = agent
        self._brief = brief
        self._tell = tell
        self._prefix = f"{number}:" if number > 1 else ""
        self._turn = asyncio.Event()
        self._requests = AgentRequests(call, self._reply)
        self._is_over = False

    def begin(self) -> None:
        """It is this conversation's turn now."""
        self._turn.set()

    async def run(self) -> None:
        """Connect, at the second try if need be, wait for `begin`, and converse to the end."""
        lost = Lost("", is_retryable=False)
        for share in CONNECT_SHARES:
            try:
                async with (
                    asyncio.timeout(self._call.limits.agent_connect_s * share) as deadline,
                    self._agent.connect(self._brief) as session,
                ):
                    deadline.reschedule(None)
                    self._finish(await self._hold(session))
            except TimeoutError:
                if self.is_open:
                    raise
                lost = Lost("it did not connect in time", is_retryable=True)
            except AgentUnavailable as error:
                lost = Lost(str(error), error.retryable)
            else:
                return
            if self.is_open or not lost.is_retryable:
                break
        self._finish(lost)

    def _finish(self, end: Ended | Lost) -> None:
        if not self._is_over:
            self._is_over = True
            self._tell(self, end)

    async def _hold(self, session: AgentSession) -> Ended | Lost:
        self.is_open, self.barge_in = True, session.barge_in
        self._call.is_listening = isinstance(session, ListeningSession)
        self.owes_words = session.speaks_first and self._brief.is_agents_turn
        self._tell(self, Opened())
        await self._turn.wait()
        async with asyncio.TaskGroup() as group:
            obeying = group.create_task(self._obey(session))
            feeding = group.create_task(self._feed(session))
            await asyncio.wait((obeying, feeding), return_when=asyncio.FIRST_COMPLETED)
            end = obeying.result() if obeying.done() else feeding.result()
            obeying.cancel()
            feeding.cancel()
        return end

    async def _feed(self, session: AgentSession) -> Lost:
        """Hand the agent what waits for it, in order."""
        call = self._call
        customer = _CustomerVoice(call, session)
        if self.number == 1:
            call.counters.resample_delay_ms += customer.delay_ms
        call.inbox.give_pieces(session.piece_ms)
        try:
            while True:
                match await call.inbox.get(customer.send_now):
                    case CustomerAudio() as audio:
                        await customer.send(audio)
                    case KeyPressed(digit=digit):
                        await session.send_dtmf(digit)
                    case Interrupted(item_id=item_id, heard_ms=heard_ms) if item_id.startswith(self._prefix):
                        await session.interrupt(item_id.removeprefix(self._prefix), heard_ms)
                    case PlayedOut(item_id=item_id) if item_id.startswith(self._prefix):
                        await session.played(item_id.removeprefix(self._prefix))
                    case ToolAnswered(conversation=number, tool_call_id=tool_call_id, result=result):
                        if number == self.number:
                            await session.tool_result(tool_call_id, result)
        except AgentUnavailable as error:
            return Lost(str(error), error.retryable)

    async def _obey(self, session: AgentSession) -> Ended | Lost:
        """Do what the agent asks for until it ends its stream of events or fails."""
        voice = _Voice(self._call, session.output_rate_hz)
        if self.number == 1:
            self._call.counters.resample_delay_ms += voice.delay_ms
        has_spoken = False
        try:
            async for event in session:
                if isinstance(event, Audio):
                    if not has_spoken:
                        has_spoken = True
                        self._tell(self, Spoke())
                    await voice.say(self._prefix + event.item_id, event.pcm)
                elif isinstance(event, AudioDone):
                    voice.finish(self._prefix + event.item_id)
                elif isinstance(event, Failed):
                    return Lost(event.reason, event.retryable)
                else:
                    self._note(event)
        except AgentUnavailable as error:
            return Lost(str(error), error.retryable)
        finally:
            self.broke_off = voice.is_speaking
            voice.close()
        return Ended()

    def _note(self, event: AgentEvent) -> None:
        call = self._call
        match event:
            case Transcript(speaker=Speaker.AGENT) if not call.is_listening:
                call.turns.agent_said(event, self._prefix)
            case Transcript():
                call.turns.customer_said(event, call.agent_offset_ms, call.now_ms(), self._prefix)
            case StopSpeaking():
                barge_in(call)
            case UserSpeech(is_speaking=True) if self._hears_for_bridge():
                barge_in(call)
            case ToolCall():
                self._requests.use_tool(event)
            case EndCall():
                self._requests.end_call(event)
            case AgentTransfer():
                self._requests.transfer(event)
            case Expiring(in_s=in_s):
                self._tell(self, ExpiresSoon(in_s))
            case _:
                return

    def _hears_for_bridge(self) -> bool:
        return self.barge_in is BargeIn.AGENT or (self.barge_in is BargeIn.BRIDGE and self._call.ear is None)

    def _reply(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        if not self._is_over and not self._call.inbox.put(ToolAnswered(self.number, tool_call_id, result)):
            self._finish(Lost(UNANSWERED, is_retryable=False))


class _CustomerVoice:
    """The customer's audio on its way to the agent, through one filter; and the other person's, where it hears both."""

    def __init__(self, call: LiveCall, session: AgentSession) -> None:
        self._call = call
        self._session = session
        self._resampler = self._filter()
        # Looked up once: looking at a protocol is slow.
        self._prompt = session if isinstance(session, PromptSession) else None
        self._listening = session if isinstance(session, ListeningSession) else None
        self._of_other = self._filter() if self._listening else None
        self._fed_ms = 0.0

    @property
    def delay_ms(self) -> float:
        """What the filter adds to every word."""
        return self._resampler.delay_ms

    async def send(self, audio: CustomerAudio) -> None:
        """Give it to the agent."""
        pcm = self._prepare(audio)
        if self._listening is None or self._of_other is None:
            await self._session.send_audio(pcm)
        else:
            await self._listening.send_both(pcm, self._of_other.process(audio.other))

    def send_now(self, audio: CustomerAudio) -> bool:
        """Give it to the agent, unless that has to wait; whether it was given."""
        if self._prompt is None or not self._prompt.takes_audio_now:
            return False
        self._prompt.send_audio_now(self._prepare(audio))
        return True

    def _prepare(self, audio: CustomerAudio) -> bytes:
        self._fed_ms += len(audio.pcm) * 1000 / (PCM16_SAMPLE_BYTES * self._resampler.from_hz)
        self._call.agent_offset_ms = audio.ended_ms - self._fed_ms
        return self._resampler.process(audio.pcm)

    def _filter(self) -> Resampler:
        return Resampler(self._call.codec.capabilities.in_rate_hz, self._session.input_rate_hz, self._call.resampler)


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

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance was begun and not ended."""
        return bool(self._item_id)

    async def say(self, item_id: str, pcm: bytes) -> None:
        """Queue audio; waits while half a minute is queued already, so that a runaway agent is slowed to real time."""
        if item_id != self._item_id:
            self.close()
            self._item_id = item_id
        self._call.playout.enqueue(item_id, self._resampler.process(pcm))
        speak_at_once(self._call)
        while not self._call.playout.has_room:
            self._call.room.clear()
            await self._call.room.wait()

    def finish(self, item_id: str) -> None:
        """Queue the tail inside the filter and end the utterance."""
        if item_id == self._item_id:
            self._call.playout.enqueue(item_id, self._resampler.flush())
            self._item_id = ""
        self._call.playout.finish(item_id)
        self._call.wake.set()

    def close(self) -> None:
        """End the utterance under way, if there is one."""
        if self._item_id:
            self.finish(self._item_id)
