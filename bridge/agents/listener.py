"""The listener: hears two people talk, says nothing, and writes down who spoke when.

It is for calls that ring an extension first (`app=dial`): the customer is on one leg, a person of ours on the other.
Words are understood only where a closed set of phrases is given, by the recogniser that comes with the product.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from bridge.agents.base import AgentEvent, BargeIn, Brief, Speaker, Transcript
from bridge.agents.scripted.agent import UNCLEAR_TEXT
from bridge.agents.scripted.listening import EAR_HZ, Listener, Utterance
from bridge.agents.scripted.recogniser import Recogniser, shared_recogniser
from bridge.agents.scripted.script import MAX_PHRASES, PHRASE
from bridge.audio.vad import SpeechStarted

logger = logging.getLogger(__name__)

# What stands in the transcript where somebody spoke and nobody knows which words.
SPEECH_TEXT: Final = "[speech]"
# Speech is told once it has lasted for so long, and again while it goes on: what is told outlives the call's end.
FIRST_TOLD_MS: Final = 200
TOLD_EVERY_MS: Final = 1_000
# Nobody says one of a few phrases for longer, and hearing takes time.
MAX_PHRASE_MS: Final = 5_000
# What nobody has fetched yet: some minutes of two people. Beyond it the end of an utterance stays as it was last told.
MAX_WAITING: Final = 200


class ListenerAgent:
    """Listens. Its configuration may name `phrases` worth hearing: lower-case English, on either leg."""

    def __init__(self, config: Mapping[str, Any], recogniser: Recogniser | None = None) -> None:
        self._phrases = _phrases_of(config)
        self._recogniser = recogniser

    @asynccontextmanager
    async def connect(self, brief: Brief) -> AsyncIterator[ListenerSession]:
        """Begin to listen; the brief does not matter."""
        del brief
        yield ListenerSession(self._phrases, self._recogniser or shared_recogniser())


@dataclass(frozen=True, slots=True)
class _Overheard:
    """A turn as far as it is known; with the audio where it is over and may be one of the phrases."""

    words: Transcript
    pcm: bytes = b""


class _Leg:
    """One side of the conversation: its ear, and the utterance that is under way."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._ear = Listener()
        self._spoken = 0
        self._started_ms = 0
        self._tell_at_ms = FIRST_TOLD_MS

    def feed(self, pcm: bytes) -> list[_Overheard]:
        """What was overheard within this audio."""
        overheard = []
        for heard in self._ear.feed(pcm):
            if isinstance(heard, SpeechStarted):
                self._spoken += 1
                self._started_ms, self._tell_at_ms = heard.at_ms, FIRST_TOLD_MS
            elif not heard.is_click:
                overheard.append(self._whole(heard))
        if self._ear.speaking_ms >= self._tell_at_ms:
            self._tell_at_ms = self._ear.speaking_ms + TOLD_EVERY_MS
            overheard.append(_Overheard(self._turn(self._started_ms, self._started_ms + self._ear.speaking_ms)))
        return overheard

    def key(self, digit: str) -> _Overheard:
        """A key, as an utterance of its own between the others."""
        return _Overheard(Transcript(self._speaker, "", f"[key {digit}]"))

    def _whole(self, utterance: Utterance) -> _Overheard:
        is_short = utterance.ended_ms - utterance.started_ms <= MAX_PHRASE_MS
        return _Overheard(self._turn(utterance.started_ms, utterance.ended_ms), utterance.pcm if is_short else b"")

    def _turn(self, start_ms: int, end_ms: int) -> Transcript:
        item_id = f"{self._speaker}-{self._spoken}"
        return Transcript(self._speaker, item_id, SPEECH_TEXT, start_ms=start_ms, end_ms=end_ms)


class ListenerSession:
    """One conversation that is listened to (see `ListeningSession`). It lasts until the call ends."""

    input_rate_hz = EAR_HZ
    output_rate_hz = EAR_HZ
    piece_ms = 0
    speaks_first = False
    barge_in = BargeIn.OFF

    def __init__(self, phrases: tuple[str, ...], recogniser: Recogniser) -> None:
        self._phrases = phrases
        self._recogniser = recogniser
        self._customer = _Leg(Speaker.CUSTOMER)
        self._other = _Leg(Speaker.AGENT)
        self._waiting: asyncio.Queue[_Overheard] = asyncio.Queue(MAX_WAITING)

    async def send_both(self, customer: bytes, other: bytes) -> None:
        """See `ListeningSession`."""
        for overheard in (*self._customer.feed(customer), *self._other.feed(other)):
            self._tell(overheard)

    async def send_audio(self, pcm: bytes) -> None:
        """See `AgentSession`: the customer alone."""
        await self.send_both(pcm, b"")

    async def send_dtmf(self, digit: str) -> None:
        """See `AgentSession`."""
        self._tell(self._customer.key(digit))

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        """See `AgentSession`: nothing was said."""

    async def played(self, item_id: str) -> None:
        """See `AgentSession`: nothing was said."""

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        """See `AgentSession`: nothing was asked for."""

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        while True:
            overheard = await self._waiting.get()
            yield overheard.words
            if overheard.pcm and self._phrases:
                # On threads of its own, and here, so that hearing never waits for understanding.
                hearing = await self._recogniser.recognise(overheard.pcm, EAR_HZ, self._phrases)
                yield replace(overheard.words, text=hearing.phrase or UNCLEAR_TEXT, confidence=hearing.confidence)

    def _tell(self, overheard: _Overheard) -> None:
        try:
            self._waiting.put_nowait(overheard)
        except asyncio.QueueFull:
            logger.warning("overheard more than was fetched")


def _phrases_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    if unknown := sorted(config.keys() - {"phrases"}):
        raise ValueError(f"{unknown[0]}: a listener has no such setting; it takes phrases alone")
    phrases = config.get("phrases", [])
    if not isinstance(phrases, list) or len(phrases) > MAX_PHRASES:
        raise ValueError(f"phrases: must be a list of at most {MAX_PHRASES} phrases")
    for phrase in phrases:
        if not isinstance(phrase, str) or not PHRASE.fullmatch(phrase):
            raise ValueError("phrases: each must be lower-case words with single spaces, such as “call me back”")
    return tuple(dict.fromkeys(phrases))
