"""A person on the phone: an ear that hears where a prompt begins and ends, and a mind that follows its persona.

Both are pure: they are given frames of what the person hears, and count time in them. The ear goes by loudness alone,
so it works with any bot in any language.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from telephony.simulator.audio import TICK_MS, Samples
from telephony.simulator.behaviours import MUMBLE, Persona
from telephony.simulator.prompt_memory import is_asked_again, loudness

# Well above the line's hiss (sigma 80), well below speech.
SPEECH_RMS = 260
# Shorter sounds are clicks, not prompts.
MIN_PROMPT_MS = 240
# A shorter prompt that the person spoke over was cut off by that, and is not answered.
MIN_UNDERSTOOD_MS = 1500
# Who has interrupted a prompt takes this much quiet for its end: what follows is another one.
CUT_OFF_PAUSE_MS = 300
MAX_PROMPT_FRAMES = 60_000 // TICK_MS
HELLO = "hello"
# A person who is asked again gives the same reply again, this often.
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
        self._patience_ms = pause_ms
        self._pause_ms = pause_ms
        self._loud_ms = 0
        self._quiet_ms = 0
        self._sound: deque[float] = deque(maxlen=MAX_PROMPT_FRAMES)
        self.is_in_prompt = False

    @property
    def prompt(self) -> tuple[float, ...]:
        """The loudness of each frame of the prompt that runs or has just ended, to its last loud one."""
        quiet = self._quiet_ms // TICK_MS
        return tuple(self._sound)[: -quiet or None]

    def expect_the_end(self) -> None:
        """The running prompt was interrupted: a short silence ends it."""
        self._pause_ms = min(self._patience_ms, CUT_OFF_PAUSE_MS)

    def hear(self, frame: Samples) -> Sound | None:
        """What changed with this frame of `TICK_MS`; None where nothing did."""
        level = loudness(frame)
        if level >= SPEECH_RMS or self._loud_ms:
            self._sound.append(level)
        if level >= SPEECH_RMS:
            if not self._loud_ms:
                self._sound = deque([level], self._sound.maxlen)
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
        self._pause_ms = self._patience_ms
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
        self._question: tuple[float, ...] = ()
        self._is_asked_again = False
        self._has_talked_over = False
        self._last_reply = ""
        self._repeats = 0
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
        self._listen(frame, is_speaking=is_speaking)
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

    def _listen(self, frame: Samples, *, is_speaking: bool) -> None:
        sound = self._ear.hear(frame)
        if sound is Sound.PROMPT_BEGAN:
            self._prompts += 1
            # It began before it was long enough to be noticed.
            self._prompt_ms = MIN_PROMPT_MS - TICK_MS
            self._reply_at_ms = None
            self._has_talked_over = False
        elif sound is Sound.PROMPT_ENDED:
            self._take_in(self._ear.prompt)
        if self._ear.is_in_prompt:
            self._prompt_ms += TICK_MS
            self._has_talked_over |= is_speaking

    def _take_in(self, prompt: tuple[float, ...]) -> None:
        """A prompt has ended: decide whether it is to be answered, and whether it was asked before."""
        is_scrap = self._has_talked_over and len(prompt) * TICK_MS < MIN_UNDERSTOOD_MS
        if is_scrap:
            self._answered_prompt = self._prompts
            return
        self._is_asked_again = is_asked_again(self._question, prompt)
        self._question = prompt
        if self._answered_prompt < self._prompts:
            self._reply_at_ms = self._now_ms + self._persona.reaction_ms

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
        if self._ear.is_in_prompt:
            self._ear.expect_the_end()
        is_repeated = self._is_asked_again and self._last_reply not in ("", MUMBLE) and self._repeats < MAX_REPEATS
        self._is_asked_again = False
        if is_repeated:
            self._repeats += 1
            return Say(self._last_reply)
        self._repeats = 0
        self._replies_given += 1
        self._last_reply = self._replies.popleft()
        return Say(self._last_reply)

    def _is_time_to_ask(self, *, is_speaking: bool) -> bool:
        after_ms = self._persona.asks_after_ms
        if after_ms is None or self._has_asked or is_speaking or self._replies_given >= self._scripted_replies:
            return False
        return self._now_ms - self._quiet_since_ms >= after_ms
