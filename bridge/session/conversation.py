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
from bridge.session.inbox import CustomerAudio, Interrupted, KeyPressed, PlayedOut, ToolAnswered
from bridge.session.requests import AgentRequests
from bridge.session.state import LiveCall, barge_in
from bridge.session.voices import AgentVoice, CustomerVoice

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
        customer = CustomerVoice(call, session)
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
        voice = AgentVoice(self._call, session, self._prefix)
        if self.number == 1:
            self._call.counters.resample_delay_ms += voice.delay_ms
        has_spoken = False
        try:
            async for event in session:
                if isinstance(event, Audio):
                    if not has_spoken:
                        has_spoken = True
                        self._tell(self, Spoke())
                        if isinstance(session, PromptSession):
                            session.give_audio_to(voice)
                    await voice.say(event)
                elif isinstance(event, AudioDone):
                    voice.finish(event.item_id)
                elif isinstance(event, Failed):
                    return Lost(event.reason, event.retryable)
                else:
                    if isinstance(event, EndCall | AgentTransfer):
                        voice.hold_nothing()
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
