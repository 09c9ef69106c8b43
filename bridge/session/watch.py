"""The deadlines of a call: what is due now, and when to look again. Pure, in ms of the call's clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from bridge.session.contracts import EndedBy, Limits
from telephony.protocols.events import Hangup, Transfer, TransferTarget

NEVER_MS = float("inf")


class Due(Enum):
    """What a deadline asks for."""

    NO_FIRST_EVENT = auto()
    ASK_STILL_THERE = auto()
    MEDIA_LOST = auto()
    MAX_DURATION = auto()
    SAY_FAREWELL = auto()
    LEAVE = auto()


@dataclass(slots=True)
class Farewell:
    """The end that was decided: what to tell the vendor once the agent has been heard, at the latest at `latest_ms`.

    `others` are told one by one where the vendor cannot do the first. While it `is_prepared` not, nothing is told.
    """

    command: Hangup | Transfer
    ended_by: EndedBy
    latest_ms: float
    wait_ms: float
    earliest_ms: float = 0.0
    others: tuple[TransferTarget, ...] = ()
    is_prepared: bool = True
    said_at_ms: float | None = None

    def at_ms(self, drained_at_ms: float) -> float:
        """When to tell the vendor."""
        return max(self.earliest_ms, min(drained_at_ms, self.latest_ms)) if self.is_prepared else NEVER_MS


class Watch:
    """The clock hands of one call."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._has_begun = False
        self._media_at_ms = 0.0
        self._has_asked = False
        self.farewell: Farewell | None = None
        # Without a farewell nothing is due before this; what brings a deadline nearer sets it back.
        self._quiet_until_ms = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether the vendor's stream is open."""
        return self._has_begun

    def event(self, now_ms: float) -> None:
        """The vendor said something that belongs to the call."""
        if not self._has_begun:
            self._has_begun = True
            self._media_at_ms = now_ms
            self._quiet_until_ms = 0.0

    def media(self, now_ms: float) -> None:
        """Audio of the customer came, an event too."""
        if not self._has_begun:
            self.event(now_ms)
        self._media_at_ms = now_ms
        if self._has_asked:
            self._has_asked = False
            self._quiet_until_ms = 0.0

    def asked(self) -> None:
        """The customer was asked whether anyone is there; not again before audio comes."""
        self._has_asked = True

    def due(self, now_ms: float, drained_at_ms: float) -> Due | None:
        """The deadline that has passed; `drained_at_ms` is when all agent audio will have been heard."""
        if self.farewell is None and now_ms < self._quiet_until_ms:
            return None
        deadlines = self._deadlines(drained_at_ms)
        for at_ms, due in deadlines:
            if now_ms >= at_ms:
                return due
        if self.farewell is None:
            self._quiet_until_ms = min(at_ms for at_ms, _ in deadlines)
        return None

    def next_at_ms(self, drained_at_ms: float) -> float:
        """When to look again, if nothing happens: the next deadline, or a moment before it that was one."""
        if self.farewell is None and self._quiet_until_ms:
            return self._quiet_until_ms
        return min((at_ms for at_ms, _ in self._deadlines(drained_at_ms)), default=NEVER_MS)

    def _deadlines(self, drained_at_ms: float) -> list[tuple[float, Due]]:
        if self.farewell is not None:
            if self.farewell.said_at_ms is not None:
                return [(self.farewell.said_at_ms + self.farewell.wait_ms, Due.LEAVE)]
            return [(self.farewell.at_ms(drained_at_ms), Due.SAY_FAREWELL)]
        limits = self._limits
        deadlines = [(limits.max_call_s * 1000, Due.MAX_DURATION)]
        if not self._has_begun:
            deadlines.append((limits.first_event_s * 1000, Due.NO_FIRST_EVENT))
            return deadlines
        deadlines.append((self._media_at_ms + limits.media_end_s * 1000, Due.MEDIA_LOST))
        if not self._has_asked:
            deadlines.append((self._media_at_ms + limits.media_prompt_s * 1000, Due.ASK_STILL_THERE))
        return deadlines
