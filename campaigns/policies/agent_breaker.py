"""When an agent fails so often that nobody should be called to hear it, and how it is tried again.

Derived from the ends of its calls, each time anew: closed while it works; open after a failure that no retry can help,
or once a share of the calls within five minutes failed; then one call a minute is let through, and the first call begun
since that does not fail closes it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

# Source: reliability U12.
WINDOW: Final = timedelta(minutes=5)
MIN_CALLS: Final = 10
FAILED_SHARE: Final = 0.3
TRIAL_EVERY: Final = timedelta(minutes=1)


class AgentResult(Enum):
    """What a call says of its agent."""

    WORKED = auto()
    FAILED = auto()
    BROKEN = auto()
    """It failed in a way that trying again cannot help: refused credentials, a used-up quota, a wrong setup."""


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One call of an agent that is over."""

    started_at: datetime
    ended_at: datetime
    result: AgentResult


@dataclass(frozen=True, slots=True)
class AgentOutage:
    """An agent that is not to be used; `reason` is a sentence for people."""

    since: datetime
    reason: str


def outage(ends: Iterable[AgentCall]) -> AgentOutage | None:
    """The outage after these ends, given in the order of time; None while the agent is trusted."""
    found: AgentOutage | None = None
    recent: deque[AgentCall] = deque()
    for end in ends:
        # A conversation that was open before says nothing of those that cannot be opened since.
        if found is not None and end.result is AgentResult.WORKED and end.started_at >= found.since:
            found = None
            recent.clear()
        recent.append(end)
        while recent[0].ended_at <= end.ended_at - WINDOW:
            recent.popleft()
        if found is None:
            found = _opened(recent)
    return found


def trial_at(last_dialed_at: datetime | None, now: datetime) -> datetime:
    """When an agent that is out may be tried with one call; `now` or earlier: at once."""
    return now if last_dialed_at is None else last_dialed_at + TRIAL_EVERY


def _opened(recent: deque[AgentCall]) -> AgentOutage | None:
    last = recent[-1]
    if last.result is AgentResult.BROKEN:
        return AgentOutage(last.ended_at, "It failed in a way that trying again cannot help.")
    failed = sum(call.result is not AgentResult.WORKED for call in recent)
    if last.result is AgentResult.WORKED or len(recent) < MIN_CALLS or failed / len(recent) < FAILED_SHARE:
        return None
    return AgentOutage(last.ended_at, f"{failed} of its {len(recent)} calls within five minutes failed.")
