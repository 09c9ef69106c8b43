"""Whose call starts next on a trunk that several campaigns share.

Starts are planned one by one, each in the trunk's next free moment. It goes to a campaign that has somebody due, a free
line and its own pace behind it: first to one that has waited for too long, then by priority, then to the one that has
had the smallest part of its share. A campaign that has nothing to dial takes nothing, so the trunk stays full.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from campaigns.policies.pacing import TokenBucket

# A campaign that was passed over for so long has the next start, whatever the priority of the others.
STARVING_S: Final = 60.0
# Who had nothing to dial for a while gets back no more of what it missed than this, in starts of weight 1. At least one
# start, or a heavy campaign would lose its lead over a light one between claims.
CATCH_UP: Final = 2.0

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Lane(Generic[Key]):
    """One campaign on the trunk, as of the claim.

    `calls` is how many may start: contacts due, free lines and whatever else limits it. `share_used` counts the starts
    it has had, each divided by its weight. `waited_s` is how long ago it last had one.
    """

    key: Key
    calls: int
    bucket: TokenBucket
    rate_per_s: float
    priority: int = 0
    weight: int = 1
    share_used: float = 0.0
    waited_s: float = 0.0

    @property
    def free_in_s(self) -> float:
        return self.bucket.wait_s(self.rate_per_s)

    @property
    def is_starving(self) -> bool:
        return self.waited_s >= STARVING_S

    def after_start(self, delay_s: float) -> Lane[Key]:
        """The lane once a call of it is planned."""
        return replace(
            self,
            calls=self.calls - 1,
            bucket=self.bucket.after_start(delay_s, self.rate_per_s),
            share_used=self.share_used + 1 / self.weight,
            waited_s=0.0,
        )


@dataclass(frozen=True, slots=True)
class Start(Generic[Key]):
    """One call to be started `delay_s` from now."""

    key: Key
    delay_s: float


@dataclass(frozen=True, slots=True)
class Plan(Generic[Key]):
    """The starts in their order, and trunk and lanes as they are once these are made."""

    starts: Sequence[Start[Key]]
    trunk: TokenBucket
    lanes: Sequence[Lane[Key]]


def plan_starts(
    lanes: Sequence[Lane[Key]], trunk: TokenBucket, *, rate_per_s: float, limit: int, horizon_s: float
) -> Plan[Key]:
    """At most `limit` starts within the horizon, none of them faster than the trunk's or its campaign's rate."""
    waiting = {lane.key: lane for lane in with_shares_caught_up(lanes)}
    starts: list[Start[Key]] = []
    at_s = trunk.wait_s(rate_per_s)
    while len(starts) < limit:
        open_lanes = [lane for lane in waiting.values() if lane.calls > 0]
        if not open_lanes:
            break
        at_s = max(at_s, min(lane.free_in_s for lane in open_lanes))
        if at_s >= horizon_s:
            break
        lane = min((lane for lane in open_lanes if lane.free_in_s <= at_s), key=_turn)
        waiting[lane.key] = lane.after_start(at_s)
        starts.append(Start(lane.key, at_s))
        trunk = trunk.after_start(at_s, rate_per_s)
        at_s = trunk.wait_s(rate_per_s)
    return Plan(starts, trunk, list(waiting.values()))


def with_shares_caught_up(lanes: Sequence[Lane[Key]]) -> list[Lane[Key]]:
    """The lanes, none of them further behind the first than a few starts."""
    most = max((lane.share_used for lane in lanes), default=0.0)
    return [replace(lane, share_used=max(lane.share_used, most - CATCH_UP)) for lane in lanes]


def _turn(lane: Lane[Key]) -> tuple[bool, int, float, float]:
    """Sorts the lane whose turn it is to the front."""
    if lane.is_starving:
        return (False, 0, -lane.waited_s, 0.0)
    return (True, -lane.priority, lane.share_used, -lane.waited_s)
