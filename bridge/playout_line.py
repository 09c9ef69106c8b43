"""The way from us to the customer's ear: when what is sent is heard, estimated, and set right by the vendor's word.

A piece sent at `t` is heard from `max(t + link, end of what was sent before)` on. Where the vendor says how far it is,
everything since the line last ran dry moves by the error, and the link that later estimates begin with is learned from
it.

Pure, in ms of one clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# A vendor that plays later than this is not believed: its clock, not the line, is wrong.
MAX_LINK_MS: Final = 2_000
# The weight of one observation in the learned link (an exponentially weighted mean).
LINK_LEARNING_SHARE: Final = 0.25


@dataclass(slots=True)
class _Run:
    """Audio sent without a gap: when its first piece left, and from when on that is heard.

    It cannot be heard before `floor_ms`: it had not left yet, or the audio before it still played.
    """

    sent_ms: float
    start_ms: float
    floor_ms: float

    @property
    def link_ms(self) -> float:
        return self.start_ms - self.sent_ms


class PlayoutLine:
    """The line of one call."""

    def __init__(self, link_ms: float) -> None:
        """`link_ms` is the first estimate of how long after its sending audio is heard."""
        self._link_ms = float(link_ms)
        self._end_ms = float("-inf")
        self._run = _Run(sent_ms=0.0, start_ms=self._link_ms, floor_ms=0.0)

    @property
    def end_ms(self) -> float:
        """When everything that was sent will have been heard; minus infinity before anything was."""
        return self._end_ms

    @property
    def run_start_ms(self) -> float:
        """Since when audio is heard without a gap."""
        return self._run.start_ms

    def lead_ms(self, now_ms: float) -> float:
        """How much audio the vendor has that it cannot have played yet; never negative."""
        return max(0.0, self._end_ms - self._run.link_ms - now_ms)

    def lead_below_at_ms(self, lead_ms: float, now_ms: float) -> float:
        """When the lead will have fallen to `lead_ms`, not before `now_ms`."""
        return max(now_ms, self._end_ms - self._run.link_ms - lead_ms)

    def add(self, length_ms: float, now_ms: float) -> float:
        """Send audio of this length; from when on it is heard."""
        start_ms = self._end_ms
        if now_ms + self._run.link_ms > start_ms:
            start_ms = max(now_ms + self._link_ms, start_ms)
            self._run = _Run(now_ms, start_ms, floor_ms=max(now_ms, self._end_ms))
        self._end_ms = start_ms + length_ms
        return start_ms

    def drop(self, now_ms: float) -> None:
        """The vendor was told to drop what it has not played."""
        self._end_ms = now_ms

    def move(self, by_ms: float) -> float:
        """All since the line last ran dry is heard this much later, or earlier; by how much that can be believed."""
        run = self._run
        by_ms = min(max(by_ms, run.floor_ms - run.start_ms), run.sent_ms + MAX_LINK_MS - run.start_ms)
        run.start_ms += by_ms
        self._end_ms += by_ms
        self._link_ms += LINK_LEARNING_SHARE * (run.link_ms - self._link_ms)
        return by_ms
