"""The sound of one answered call, frame by frame: who says what, who hears what, and which leg PSR streams.

With `app=bot` the A leg is the called person and the B leg the bot. With `app=dial` the A leg is our extension and the
B leg the called person, who hears the extension and whatever a bot plays. Source: vendor-docs/psr-3-create-stream
(`channel`); protocols A.3 for the legs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

import numpy as np

from telephony.protocols.events import Channel
from telephony.simulator.audio import (
    SAMPLES_PER_MS,
    TICK_MS,
    TICK_SAMPLES,
    ComfortNoise,
    Samples,
    Speech,
    mixed,
    silence,
)
from telephony.simulator.behaviours import Persona
from telephony.simulator.callee import Callee, HangUp, Say
from telephony.simulator.playout import Playout

EXTENSION_GREETING = "extension_hello"
PERSON_GREETING = "person_hello"


class App(StrEnum):
    """How the call is set up (Source: vendor-docs/psr-3-create-stream; the default is `dial`)."""

    BOT = "bot"
    DIAL = "dial"


@dataclass(frozen=True, slots=True)
class Legs:
    """One frame of both legs: what each of the two ends says."""

    a: Samples
    b: Samples

    def streamed(self, channel: Channel) -> Samples:
        """The frame as PSR streams it; stereo is interleaved, the A leg on the left."""
        if channel is Channel.MONO_A:
            return self.a
        if channel is Channel.MONO_B:
            return self.b
        return np.column_stack((self.a, self.b)).reshape(-1)


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something the callee began to say, ms since the stream began.

    `bot_heard_ms` is how much bot audio, all told, the callee had heard by then.
    """

    phrase: str
    from_ms: int
    duration_ms: int
    bot_heard_ms: int


class Line:
    """One answered call. Time is counted in frames of `TICK_MS` since the stream began."""

    def __init__(self, app: App, persona: Persona, speaker: str, playout: Playout, random: Random) -> None:
        self.playout = playout
        self._app = app
        self._callee = Callee(persona)
        self._voice = Speech(speaker)
        self._extension = Speech("")
        self._noise_a = ComfortNoise(random)
        self._noise_b = ComfortNoise(random)
        self.now_ms = 0
        self.said: list[Utterance] = []
        self.left_because = ""
        if app is App.DIAL:
            self._extension.say(EXTENSION_GREETING)

    @property
    def prompts_heard(self) -> int:
        """How many prompts the callee's ear has found."""
        return self._callee.prompts_heard

    def tick(self) -> Legs:
        """The next frame. `left_because` is set once the callee has hung up; `said` grows when they speak."""
        bot = self.playout.take(TICK_SAMPLES)
        extension = self._extension.take(TICK_SAMPLES)
        heard = mixed(bot, extension, self._noise_b.take(TICK_SAMPLES))
        for act in self._callee.tick(heard, is_speaking=self._voice.is_speaking):
            match act:
                case Say(phrase=phrase):
                    bot_heard_ms = self.playout.heard_samples // SAMPLES_PER_MS
                    self.said.append(Utterance(phrase, self.now_ms, self._voice.say(phrase), bot_heard_ms))
                case HangUp(reason=reason):
                    self.left_because = reason
        spoken = mixed(self._voice.take(TICK_SAMPLES), self._noise_a.take(TICK_SAMPLES))
        self.now_ms += TICK_MS
        if self._app is App.BOT:
            return Legs(a=spoken, b=heard)
        return Legs(a=mixed(extension, self._noise_b.take(TICK_SAMPLES)), b=spoken)

    def person_joins(self) -> None:
        """The call was transferred: a person at the extension speaks from now on."""
        self.playout.stop()
        self._extension.say(PERSON_GREETING)


class Packets:
    """Cuts the streamed channel into packets of the wanted length, which need not be whole frames."""

    def __init__(self, packet_ms: int, channel: Channel) -> None:
        channels = 2 if channel is Channel.STEREO else 1
        self._channel = channel
        self._packet_samples = packet_ms * SAMPLES_PER_MS * channels
        self._pending = silence(0)

    def add(self, legs: Legs) -> list[bytes]:
        """The packets that are full now, PCM16 little-endian."""
        self._pending = np.concatenate((self._pending, legs.streamed(self._channel)))
        packets = []
        while len(self._pending) >= self._packet_samples:
            packets.append(self._pending[: self._packet_samples].astype("<i2").tobytes())
            self._pending = self._pending[self._packet_samples :]
        return packets
