"""The scripted agent: an ear (voice detector, recogniser), a voice (recorded prompts), and a script between them.

Its only clock is the customer's audio: silence is waited for in ms of audio heard, so a call in a test takes no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from bridge.agents.base import (
    AgentEvent,
    AgentUnavailable,
    Audio,
    AudioDone,
    BargeIn,
    Brief,
    EndCall,
    Speaker,
    ToolCall,
    Transcript,
    Transfer,
)
from bridge.agents.prompt_library import PromptLibrary, PromptMissing
from bridge.agents.scripted import conversation as talk
from bridge.agents.scripted.listening import EAR_HZ, Listener, Utterance
from bridge.agents.scripted.recogniser import Recogniser, shared_recogniser
from bridge.agents.scripted.script import Question, Script, script_of
from bridge.audio.resample import Resampler
from telephony.protocols.events import TransferTarget

VOICE_HZ: Final = 16_000
MAX_WAITING_EVENTS: Final = 1_000
UNCLEAR_TEXT: Final = "[unclear]"


class ScriptedAgent:
    """Follows one script. Raises ScriptError where the configuration holds none that can be used."""

    def __init__(self, config: Mapping[str, Any], recogniser: Recogniser | None = None) -> None:
        self._script = script_of(config)
        self._recogniser = recogniser

    @property
    def transfer_targets(self) -> tuple[TransferTarget, ...]:
        """To whom the script hands customers over."""
        return tuple(TransferTarget(extension) for extension in self._script.extensions())

    @asynccontextmanager
    async def connect(self, brief: Brief) -> AsyncIterator[ScriptedSession]:
        """Open a conversation.

        Raises:
            AgentUnavailable: a prompt of the script has no recording.
        """
        library = PromptLibrary(self._script.name, brief.prompts)
        missing = sorted(self._script.prompts() - library.names())
        if missing:
            raise AgentUnavailable(f"no recording for the prompts {', '.join(missing)}", retryable=False)
        yield ScriptedSession(self._script, library, self._recogniser or shared_recogniser())


class ScriptedSession:
    """One conversation of a scripted agent (see `AgentSession`)."""

    input_rate_hz = EAR_HZ
    output_rate_hz = VOICE_HZ
    piece_ms = 0
    speaks_first = True
    barge_in = BargeIn.BRIDGE

    def __init__(self, script: Script, library: PromptLibrary, recogniser: Recogniser) -> None:
        self._script = script
        self._library = library
        self._recogniser = recogniser
        self._events: asyncio.Queue[AgentEvent | None] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._ear = Listener()
        self._unheard: list[str] = []
        self._quiet_since_ms = 0
        self._was_interrupted = False
        self._said = 0
        self._state, effects = talk.begin(script)
        self._perform(effects)

    async def send_audio(self, pcm: bytes) -> None:
        """See `AgentSession`; waits for the recogniser at the end of an utterance."""
        for heard in self._ear.feed(pcm):
            if isinstance(heard, Utterance):
                await self._utterance_ended(heard)
        self._watch_for_machine()
        self._watch_for_silence()

    async def send_dtmf(self, digit: str) -> None:
        """See `AgentSession`; a key is an answer of its own and needs no end of the prompt."""
        self._emit(Transcript(Speaker.CUSTOMER, self._next_item("key"), f"[key {digit}]"))
        self._react(talk.Key(digit))

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        """See `AgentSession`: the rest of the prompt is not needed, the utterance will be taken as the answer."""
        del heard_ms
        self._was_interrupted = True
        self._forget(item_id)

    async def played(self, item_id: str) -> None:
        """See `AgentSession`."""
        self._forget(item_id)

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        """See `AgentSession`: this agent goes on without waiting for any."""
        del tool_call_id, result

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    def _forget(self, item_id: str) -> None:
        if item_id in self._unheard:
            self._unheard.remove(item_id)
            self._quiet_since_ms = self._ear.fed_ms

    async def _utterance_ended(self, utterance: Utterance) -> None:
        self._quiet_since_ms = self._ear.fed_ms
        node = self._question()
        is_speaking_over = bool(self._unheard) and not self._was_interrupted
        if node is None or is_speaking_over or utterance.is_click:
            return
        has_interrupted, self._was_interrupted = self._was_interrupted, False
        hearing = await self._recogniser.recognise(utterance.pcm, EAR_HZ, self._script.phrases_of(node))
        self._emit(
            Transcript(
                Speaker.CUSTOMER,
                self._next_item("heard"),
                hearing.phrase or UNCLEAR_TEXT,
                start_ms=utterance.started_ms,
                end_ms=utterance.ended_ms,
                confidence=hearing.confidence,
            )
        )
        self._react(talk.Unclear(has_interrupted) if hearing.phrase is None else talk.Understood(hearing.phrase))

    def _watch_for_machine(self) -> None:
        is_first_answer = self._state.node == self._script.start
        if is_first_answer and self._ear.talking_ms > self._script.voicemail_after_s * 1000:
            self._react(talk.Machine())

    def _watch_for_silence(self) -> None:
        if self._unheard or self._ear.is_speaking:
            return
        if self._ear.fed_ms - self._quiet_since_ms >= self._script.no_input_after_s * 1000:
            self._quiet_since_ms = self._ear.fed_ms
            self._react(talk.Silence())

    def _question(self) -> Question | None:
        node = self._script.nodes[self._state.node] if self._state.node is not None else None
        return node if isinstance(node, Question) else None

    def _react(self, stimulus: talk.Stimulus) -> None:
        self._state, effects = talk.advance(self._script, self._state, stimulus)
        self._perform(effects)

    def _perform(self, effects: tuple[talk.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case talk.Say(prompts=prompts):
                    for name in prompts:
                        self._say(name)
                case talk.Record(key=key, asked=asked, value=value):
                    question = " ".join(self._library.get(name).text for name in asked)
                    self._call_tool("record_answer", key=key, question=question, value=value)
                case talk.Dispose(disposition=disposition):
                    self._call_tool("set_disposition", disposition=disposition)
                case talk.NeverCall():
                    self._call_tool("add_to_dnc", reason="Asked for at a question of the script")
                case talk.HangUp():
                    self._emit(EndCall())
                    self._emit(None)
                case talk.TransferTo(extension=extension):
                    self._emit(Transfer((TransferTarget(extension),)))
                    self._emit(None)

    def _say(self, name: str) -> None:
        item_id = self._next_item(name)
        try:
            prompt = self._library.get(name)
        except PromptMissing as error:
            raise AgentUnavailable(str(error), retryable=False) from error
        resampler = Resampler(prompt.pcm.rate_hz, VOICE_HZ)
        self._unheard.append(item_id)
        if prompt.text:
            self._emit(Transcript(Speaker.AGENT, item_id, prompt.text))
        self._emit(Audio(item_id, resampler.process(prompt.pcm.samples) + resampler.flush()))
        self._emit(AudioDone(item_id))

    def _call_tool(self, tool: str, **arguments: str) -> None:
        self._said += 1
        self._emit(ToolCall(f"tool-{self._said}", tool, arguments))

    def _next_item(self, name: str) -> str:
        self._said += 1
        return f"{self._said}-{name}"

    def _emit(self, event: AgentEvent | None) -> None:
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull as error:
            raise AgentUnavailable("nobody takes what the script says", retryable=False) from error
