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
    Brief,
    EndCall,
    Speaker,
    ToolCall,
    Transcript,
    Transfer,
)
from bridge.agents.prompt_library import PromptLibrary, PromptMissing
from bridge.agents.scripted import conversation as talk
from bridge.agents.scripted.recogniser import Recogniser, shared_recogniser
from bridge.agents.scripted.script import Question, Script, script_of
from bridge.audio.resample import Resampler
from bridge.audio.vad import FRAME_MS, SpeechDetector, SpeechStarted, SpeechStopped
from telephony.protocols.events import PCM16_SAMPLE_BYTES

EAR_HZ: Final = 8_000
VOICE_HZ: Final = 16_000
_EAR_BYTES_PER_MS: Final = EAR_HZ // 1000 * PCM16_SAMPLE_BYTES

# Kept from before the voice was noticed and after it ended, so that soft first and last sounds are not lost.
PRE_ROLL_MS: Final = 240
POST_ROLL_MS: Final = 250
MIN_UTTERANCE_MS: Final = 120
MAX_UTTERANCE_MS: Final = 15_000
HANG_OVER_MS: Final = 500
# A pause up to this long is still the same announcement of an answering machine.
ANNOUNCEMENT_PAUSE_MS: Final = 1_200
MAX_WAITING_EVENTS: Final = 1_000
UNCLEAR_TEXT: Final = "[unclear]"


class ScriptedAgent:
    """Follows one script. Raises ScriptError where the configuration holds none that can be used."""

    def __init__(self, config: Mapping[str, Any], recogniser: Recogniser | None = None) -> None:
        self._script = script_of(config)
        self._recogniser = recogniser

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

    def __init__(self, script: Script, library: PromptLibrary, recogniser: Recogniser) -> None:
        self._script = script
        self._library = library
        self._recogniser = recogniser
        self._events: asyncio.Queue[AgentEvent | None] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._ear = SpeechDetector(EAR_HZ, hang_over_ms=HANG_OVER_MS)
        self._memory = _AudioMemory()
        self._unheard: list[str] = []
        self._quiet_since_ms = 0
        self._was_interrupted = False
        self._announcement = _Announcement()
        self._said = 0
        self._state, effects = talk.begin(script)
        self._perform(effects)

    async def send_audio(self, pcm: bytes) -> None:
        """See `AgentSession`; waits for the recogniser at the end of an utterance."""
        self._memory.add(pcm)
        for change in self._ear.feed(pcm):
            if isinstance(change, SpeechStarted):
                self._announcement.began(change.at_ms)
            else:
                self._announcement.paused(change.at_ms)
                await self._utterance_ended(change)
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

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    def _forget(self, item_id: str) -> None:
        if item_id in self._unheard:
            self._unheard.remove(item_id)
            self._quiet_since_ms = self._ear.fed_ms

    async def _utterance_ended(self, stopped: SpeechStopped) -> None:
        self._quiet_since_ms = self._ear.fed_ms
        node = self._question()
        is_speaking_over = bool(self._unheard) and not self._was_interrupted
        if node is None or is_speaking_over or stopped.at_ms - stopped.started_ms < MIN_UTTERANCE_MS:
            return
        self._was_interrupted = False
        pcm = self._memory.between(stopped.started_ms - PRE_ROLL_MS, stopped.at_ms + POST_ROLL_MS)
        hearing = await self._recogniser.recognise(pcm, EAR_HZ, self._script.phrases_of(node))
        self._emit(
            Transcript(
                Speaker.CUSTOMER,
                self._next_item("heard"),
                hearing.phrase or UNCLEAR_TEXT,
                start_ms=stopped.started_ms,
                end_ms=stopped.at_ms,
                confidence=hearing.confidence,
            )
        )
        self._react(talk.Unclear() if hearing.phrase is None else talk.Understood(hearing.phrase))

    def _watch_for_machine(self) -> None:
        is_first_answer = self._state.node == self._script.start
        if is_first_answer and self._announcement.length_ms(self._ear) > self._script.voicemail_after_s * 1000:
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
                case talk.HangUp():
                    self._emit(EndCall())
                    self._emit(None)
                case talk.TransferTo(extension=extension):
                    self._emit(Transfer(extension))
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


class _AudioMemory:
    """The last seconds of the customer's audio, by position."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self._start_bytes = 0

    def add(self, pcm: bytes) -> None:
        self._audio += pcm
        surplus = len(self._audio) - MAX_UTTERANCE_MS * _EAR_BYTES_PER_MS
        # Cut in large steps: moving the rest for every frame would cost more than the memory is worth.
        if surplus > MAX_UTTERANCE_MS * _EAR_BYTES_PER_MS // 4:
            del self._audio[:surplus]
            self._start_bytes += surplus

    def between(self, start_ms: int, end_ms: int) -> bytes:
        start = max(0, start_ms * _EAR_BYTES_PER_MS - self._start_bytes)
        return bytes(self._audio[start : max(start, end_ms * _EAR_BYTES_PER_MS - self._start_bytes)])


class _Announcement:
    """How long someone has been talking, short pauses included."""

    def __init__(self) -> None:
        self._began_ms = 0
        self._paused_ms: int | None = None

    def began(self, at_ms: int) -> None:
        if self._paused_ms is None or at_ms - self._paused_ms > ANNOUNCEMENT_PAUSE_MS:
            self._began_ms = at_ms

    def paused(self, at_ms: int) -> None:
        self._paused_ms = at_ms

    def length_ms(self, ear: SpeechDetector) -> int:
        return ear.fed_ms - self._began_ms - FRAME_MS if ear.is_speaking else 0
