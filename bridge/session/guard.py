"""How much a peer may send, and how badly, before the call is ended for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.session.contracts import CloseCode, Limits

# Timers may fire this much early.
TIMER_SLACK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Violation:
    """The peer broke a bound: the code to close with, and why."""

    close_code: int
    reason: str


class InboundGuard:
    """Counts one peer's messages. Pure: `now_s` comes from the caller."""

    def __init__(self, limits: Limits, honest_per_s: int = 0) -> None:
        """`honest_per_s` is how many messages this vendor sends while all is well: twice that is always allowed."""
        self._limits = limits
        self._max_messages_per_s = max(limits.max_messages_per_s, 2 * honest_per_s)
        self._max_message_bytes = limits.max_message_bytes
        self._second = 0
        # A message before this is one of the running second of a peer that has done nothing wrong.
        self._plain_until_s = 0.0
        self._messages = 0
        self._bytes = 0
        self._flooded_s = 0
        self._bad_in_a_row = 0
        self._bad = 0

    def received(self, size_bytes: int, now_s: float) -> Violation | None:
        """Count a message; a violation where it is too big or the peer has flooded us for too long."""
        if size_bytes > self._max_message_bytes:
            return Violation(CloseCode.TOO_BIG, f"message of {size_bytes} bytes")
        flood = None if now_s < self._plain_until_s else self._flood(int(now_s))
        self._messages += 1
        self._bytes += size_bytes
        return flood

    @property
    def is_over_rate(self) -> bool:
        """Whether the peer has sent more than its share of this second."""
        return self._messages > self._max_messages_per_s or self._bytes > self._limits.max_bytes_per_s

    def pause_s(self, now_s: float) -> float:
        """How long until the next second has surely begun."""
        return max(0.0, self._second + 1 - now_s) + TIMER_SLACK_S

    def well_formed(self) -> None:
        """The last message could be read."""
        self._bad_in_a_row = 0

    def malformed(self) -> Violation | None:
        """The last message could not be read; a violation where that happened too often."""
        self._bad += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= self._limits.max_bad_in_a_row or self._bad >= self._limits.max_bad_messages:
            return Violation(CloseCode.BAD_MESSAGES, f"{self._bad} unreadable messages")
        return None

    def _flood(self, second: int) -> Violation | None:
        if second != self._second:
            self._next_second(second)
        if self._flooded_s < self._limits.flood_s:
            return None
        return Violation(CloseCode.FLOOD, f"flood for {self._flooded_s} s")

    def _next_second(self, second: int) -> None:
        is_next = second == self._second + 1
        self._flooded_s = self._flooded_s + 1 if self.is_over_rate and is_next else 0
        self._second, self._messages, self._bytes = second, 0, 0
        self._plain_until_s = second + 1 if self._flooded_s < self._limits.flood_s else 0.0
