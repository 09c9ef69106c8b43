"""A person on the phone: an ear that hears where a prompt begins and ends, and a mind that follows its persona.

Both are pure: they are given frames of what the person hears, and count time in them. The ear goes by loudness alone,
so it works with any bot in any language.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from telephony.simulator.audio import TICK_MS, Samples
from telephony.simulator.behaviours import Persona

# Well above the line's hiss (sigma 80), well below speech.
SPEECH_RMS = 260
# Shorter sounds are clicks, not prompts.
MIN_PROMPT_MS = 240
HELLO = "hello"
# A person who is asked again after the last reply gives it again, this often.
MAX_REPEATS = 3


class Sound(StrEnum):
    """What the ear notices."""

    PROMPT_BEGAN = "prompt_began"
    PROMPT_ENDED = "prompt_ended"


@dataclass(frozen=True, slots=True)
class Say:
    """Say a recording."""

    phrase: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Put the phone down."""

    reason: str


Act: TypeAlias = Say | HangUp


class Ear:
    """Finds prompts in what is heard, by loudness."""

    def __init__(self, pause_ms: int) -> None:
        self._pause_ms = pause_ms
        self._loud_ms = 0
        self._quiet_ms = 0
        self.is_in_prompt = False

    def hear(self, frame: Samples) -> Sound | None:
        """What changed with this frame of `TICK_MS`; None where nothing did."""
        if _rms(frame) >= SPEECH_RMS:
            self._loud_ms += TICK_MS
            self._quiet_ms = 0
            if not self.is_in_prompt and self._loud_ms >= MIN_PROMPT_MS:
                self.is_in_prompt = True
                return Sound.PROMPT_BEGAN
            return None
        self._quiet_ms += TICK_MS
        if self._quiet_ms < self._pause_ms:
            return None
        self._loud_ms = 0
        if not self.is_in_prompt:
            return None
        self.is_in_prompt = False
        return Sound.PROMPT_ENDED


class Callee:
    """A person following a persona. Call `tick` once per frame heard, and do what it says."""

    def __init__(self, persona: Persona) -> None:
        self._persona = persona
        self._ear = Ear(persona.pause_ms)
        self._replies = deque(persona.replies + persona.replies[-1:] * MAX_REPEATS)
        self._scripted_replies = len(persona.replies)
        self._replies_given = 0
        self._now_ms = 0
        self._prompts = 0
        self._prompt_ms = 0
        self._answered_prompt = 0
        self._reply_at_ms: int | None = None
        self._quiet_since_ms = 0
        self._has_asked = False
        self._has_opened = False
        self._has_left = False

    @property
    def prompts_heard(self) -> int:
        """How many prompts have begun."""
        return self._prompts

    def tick(self, frame: Samples, *, is_speaking: bool) -> list[Act]:
        """What the person does now, having heard `frame`. Nothing comes after a `HangUp`."""
        if self._has_left:
            return []
        acts: list[Act] = [] if self._has_opened else [Say(name) for name in self._persona.opening]
        self._has_opened = True
        self._now_ms += TICK_MS
        self._listen(frame)
        if is_speaking or acts or self._ear.is_in_prompt:
            self._quiet_since_ms = self._now_ms
        reason = self._why_leave()
        if reason:
            self._has_left = True
            return [HangUp(reason)]
        if self._is_time_to_reply():
            acts.append(self._reply())
        elif self._is_time_to_ask(is_speaking=is_speaking):
            self._has_asked = True
            acts.append(Say(HELLO))
        return acts

    def _listen(self, frame: Samples) -> None:
        sound = self._ear.hear(frame)
        if sound is Sound.PROMPT_BEGAN:
            self._prompts += 1
            # It began before it was long enough to be noticed.
            self._prompt_ms = MIN_PROMPT_MS - TICK_MS
            self._reply_at_ms = None
        elif sound is Sound.PROMPT_ENDED and self._answered_prompt < self._prompts:
            self._reply_at_ms = self._now_ms + self._persona.reaction_ms
        if self._ear.is_in_prompt:
            self._prompt_ms += TICK_MS

    def _why_leave(self) -> str:
        persona = self._persona
        quiet_ms = self._now_ms - self._quiet_since_ms
        is_leaving_prompt = self._ear.is_in_prompt and self._prompts == persona.leaves_during
        has_finished = 0 < self._scripted_replies <= self._replies_given
        reasons = {
            "had enough": persona.hangs_up_after_ms is not None and self._now_ms >= persona.hangs_up_after_ms,
            "left in mid-prompt": is_leaving_prompt and self._prompt_ms >= persona.leave_ms,
            "nothing more to say": has_finished and quiet_ms >= persona.linger_ms,
            "heard nothing": quiet_ms >= persona.gives_up_after_ms,
        }
        return next((reason for reason, is_true in reasons.items() if is_true), "")

    def _is_time_to_reply(self) -> bool:
        if not self._replies or self._answered_prompt >= self._prompts:
            return False
        if self._ear.is_in_prompt:
            return self._prompts == self._persona.barges_into and self._prompt_ms >= self._persona.barge_ms
        return self._reply_at_ms is not None and self._now_ms >= self._reply_at_ms

    def _reply(self) -> Say:
        self._answered_prompt = self._prompts
        self._reply_at_ms = None
        self._quiet_since_ms = self._now_ms
        self._replies_given += 1
        return Say(self._replies.popleft())

    def _is_time_to_ask(self, *, is_speaking: bool) -> bool:
        after_ms = self._persona.asks_after_ms
        if after_ms is None or self._has_asked or is_speaking or self._replies_given >= self._scripted_replies:
            return False
        return self._now_ms - self._quiet_since_ms >= after_ms


def _rms(frame: Samples) -> float:
    wide = frame.astype(np.float32)
    return float(np.sqrt(np.mean(wide * wide)))
