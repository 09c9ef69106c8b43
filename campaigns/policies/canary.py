"""Whether the first calls of a campaign go well enough for it to go on by itself."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.enums import CanaryState


@dataclass(frozen=True, slots=True)
class CanaryLimits:
    """How many first calls are looked at, and the shares, 0 to 1, that at least must answer and at most may fail."""

    calls: int
    answered_min: float
    failed_max: float


@dataclass(frozen=True, slots=True)
class CanaryCount:
    """The first calls so far: begun, not decided yet (being dialed or ringing), answered, failed."""

    begun: int
    undecided: int
    answered: int
    failed: int

    @property
    def decided(self) -> int:
        return self.begun - self.undecided


def calls_left(count: CanaryCount, limits: CanaryLimits) -> int:
    """How many more calls may begin before the first ones are judged."""
    return max(0, limits.calls - count.begun)


def judge(count: CanaryCount, limits: CanaryLimits) -> CanaryState:
    """Passed or failed as soon as no further call could change it, else running.

    Shares are of the calls that are looked at, so one early failure of many decides nothing.
    """
    open_calls = max(0, limits.calls - count.decided)
    if count.failed > limits.failed_max * max(limits.calls, count.decided):
        return CanaryState.FAILED
    if count.answered + open_calls < limits.answered_min * max(limits.calls, count.decided):
        return CanaryState.FAILED
    return CanaryState.RUNNING if open_calls else CanaryState.PASSED


def in_words(count: CanaryCount, limits: CanaryLimits) -> str:
    """The numbers as a clause for people."""
    return (
        f"of the first {limits.calls} calls {count.decided} are decided, {count.answered} were answered "
        f"(at least {limits.answered_min:.0%} must be) and {count.failed} failed (at most {limits.failed_max:.0%} may)"
    )
