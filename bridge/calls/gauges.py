"""What one bridge process tells of itself beside its calls: how it keeps up, and what went wrong so far."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from bridge.session import CallSummary, EndedBy

# Calls whose first audio the percentile is of.
REMEMBERED_CALLS: Final = 100
SLOW_SHARE: Final = 0.95


class Gauges:
    """Counts since the process began, and how long callers waited for the agent."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()
        self._first_audio_ms: deque[int] = deque(maxlen=REMEMBERED_CALLS)

    def ended(self, summary: CallSummary) -> None:
        """Add up what a call's counters say."""
        if summary.counters.first_audio_ms is not None:
            self._first_audio_ms.append(summary.counters.first_audio_ms)
        self.count("calls")
        self.count("agent_failures", int(summary.ended_by is EndedBy.AGENT_FAILED))
        self.count("dropped_audio_ms", round(summary.counters.dropped_ms))
        self.count("bad_messages", summary.counters.bad_messages)

    def count(self, name: str, times: int = 1) -> None:
        """Add to a total."""
        self._totals[name] += times

    @property
    def first_audio_ms(self) -> int:
        """How long 95 of 100 callers waited for the agent at most, ms from the answer; 0 before the first."""
        waits = sorted(self._first_audio_ms)
        return waits[min(len(waits) - 1, int(len(waits) * SLOW_SHARE))] if waits else 0

    @property
    def totals(self) -> dict[str, int]:
        """Every count so far, by name."""
        return dict(self._totals)
