"""Both voices between a call and its agent: the customer's on its way there, the agent's on its way back."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.agents.base import AgentSession, Audio, ListeningSession, PromptSession
from bridge.audio.resample import Resampler
from bridge.session.alarm import EXACT_S, TICK_S
from bridge.session.inbox import CustomerAudio
from bridge.session.state import LiveCall
from bridge.session.voice_pump import speak_at_once
from telephony.protocols.events import PCM16_SAMPLE_BYTES

# Longer than the time between two pieces of an agent that speaks in real time.
MAX_HELD_S: Final = 0.05


class CustomerVoice:
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


class AgentVoice:
    """The agent's audio on its way into the playout, one utterance at a time through one filter (see `AudioTaker`).

    What is shorter than a piece waits for what follows, as each piece costs a message, but not for long: where nothing
    follows, the customer hears it late.
    """

    def __init__(self, call: LiveCall, session: AgentSession, prefix: str) -> None:
        """`prefix` makes an item's name in the call of the agent's."""
        self._call = call
        self._prefix = prefix
        self._resampler = Resampler(session.output_rate_hz, call.codec.capabilities.out_rate_hz, call.resampler)
        self._piece_bytes = session.piece_ms * session.output_rate_hz // 1000 * PCM16_SAMPLE_BYTES
        self._agents_item_id = ""
        self._item_id = ""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._held_since_s = 0.0
        self._loop = asyncio.get_running_loop()
        # It outlives what it was set for: one timer now and then, and not one for every piece.
        self._timer: asyncio.TimerHandle | None = None

    @property
    def delay_ms(self) -> float:
        """What the filter adds to every word."""
        return self._resampler.delay_ms

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance was begun and not ended."""
        return bool(self._item_id)

    @property
    def takes_now(self) -> bool:
        """See `AudioTaker`."""
        return self._call.playout.has_room

    def take(self, audio: Audio) -> None:
        """See `AudioTaker`."""
        if audio.item_id != self._agents_item_id or not self._item_id:
            self._end()
            self._agents_item_id, self._item_id = audio.item_id, self._prefix + audio.item_id
        self._held.append(audio.pcm)
        self._held_bytes += len(audio.pcm)
        if self._held_bytes >= self._piece_bytes:
            self._pass_on()
            speak_at_once(self._call)
            return
        if len(self._held) == 1:
            self._held_since_s = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(MAX_HELD_S, self._look)

    async def say(self, audio: Audio) -> None:
        """Queue audio; waits while half a minute is queued already, so that a runaway agent is slowed to real time."""
        self.take(audio)
        while not self._call.playout.has_room:
            self._call.room.clear()
            await self._call.room.wait()

    def hold_nothing(self) -> None:
        """Queue what is held: it was said before what follows."""
        if self._held:
            self._pass_on()
            self._call.wake.set()

    def finish(self, agents_item_id: str) -> None:
        """Queue the tail inside the filter and end the utterance."""
        item_id = self._prefix + agents_item_id
        if item_id == self._item_id:
            self._end()
        else:
            self._call.playout.finish(item_id)
            self._call.wake.set()

    def close(self) -> None:
        """End the utterance under way, if there is one."""
        self._end()
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        if not self._item_id:
            return
        item_id, self._item_id = self._item_id, ""
        self._call.playout.enqueue(item_id, self._resampler.process(self._let_go()) + self._resampler.flush())
        self._call.playout.finish(item_id)
        self._call.wake.set()

    def _pass_on(self) -> None:
        self._call.playout.enqueue(self._item_id, self._resampler.process(self._let_go()))

    def _let_go(self) -> bytes:
        held = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        return held

    def _look(self) -> None:
        """Nothing is held for longer than it should be."""
        self._timer = None
        if not self._held:
            return
        left_s = self._held_since_s + MAX_HELD_S - self._loop.time()
        if left_s <= EXACT_S:
            self.hold_nothing()
        else:
            self._timer = self._loop.call_later(max(left_s, TICK_S), self._look)
