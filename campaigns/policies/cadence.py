"""When a contact is tried again: a table outcome → ladder of waits.

Stored on the campaign as JSON: `{"waits_s": {"busy": [300, 1800], "default": [1800, 7200, 86400]}}`. The nth attempt
that ended with an outcome takes the nth wait of its ladder; past the ladder's end the contact is given up. Outcomes
without a ladder of their own share the one named `default`, and share its count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.enums import Outcome

HALF_HOUR_S = 1800
TWO_HOURS_S = 7200
DAY_S = 86_400

DEFAULT_LADDER = "default"
# Outcomes after which there can be another try at all; the others end the contact by themselves.
RETRYABLE_OUTCOMES = (
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.REJECTED,
    Outcome.CONGESTION,
    Outcome.MACHINE,
    Outcome.FAILED,
    Outcome.UNCONFIRMED,
)
LADDER_NAMES = (DEFAULT_LADDER, *(outcome.value for outcome in RETRYABLE_OUTCOMES))
LADDER_MAX_STEPS = 20
WAIT_MAX_S = 90 * DAY_S

# An attempt that was provably never sent comes back soon: 5 s, doubled each time, at most 5 min. Source: D10.
RELEASE_WAIT_S = 5.0
RELEASE_WAIT_MAX_S = 300.0
_DOUBLINGS_MAX = 10


@dataclass(frozen=True, slots=True)
class Cadence:
    """A validated table of ladders, in seconds."""

    waits_s: Mapping[str, tuple[float, ...]]

    def ladder_name(self, outcome: str) -> str:
        """The ladder an outcome climbs: its own, or the shared one."""
        return str(outcome) if outcome in self.waits_s else DEFAULT_LADDER

    def next_wait_s(self, outcome: str, ended: Mapping[str, int]) -> float | None:
        """Seconds until the next try after `outcome`, or None to give up.

        `ended` counts the contact's attempts by outcome, the one just ended included.
        """
        name = self.ladder_name(outcome)
        step = sum(count for other, count in ended.items() if self.ladder_name(other) == name)
        ladder = self.waits_s.get(name, ())
        return ladder[step - 1] if 0 < step <= len(ladder) else None


def default_cadence() -> dict[str, Any]:
    """Half an hour, two hours, a day; a busy line sooner."""
    return {"waits_s": {"busy": [600, HALF_HOUR_S, TWO_HOURS_S], "default": [HALF_HOUR_S, TWO_HOURS_S, DAY_S]}}


def parse_cadence(raw: Any) -> Cadence:
    """The cadence a campaign's JSON describes. An empty object never redials.

    Raises:
        ValueError: the text says which part is wrong and what is expected.
    """
    if not isinstance(raw, Mapping) or not set(raw) <= {"waits_s"}:
        raise ValueError('A cadence is an object with one key, "waits_s".')
    ladders = raw.get("waits_s", {})
    if not (isinstance(ladders, Mapping) and set(ladders) <= set(LADDER_NAMES)):
        raise ValueError(f'"waits_s" must be an object whose keys are among {", ".join(LADDER_NAMES)}.')
    return Cadence({str(name): _parse_ladder(str(name), waits) for name, waits in ladders.items()})


def release_wait_s(releases: int) -> float:
    """Seconds until an attempt that was never sent is tried again, after `releases` releases in a row before it."""
    return min(RELEASE_WAIT_S * float(2 ** min(releases, _DOUBLINGS_MAX)), RELEASE_WAIT_MAX_S)


def _parse_ladder(name: str, waits: Any) -> tuple[float, ...]:
    if not isinstance(waits, list) or len(waits) > LADDER_MAX_STEPS:
        raise ValueError(f"The ladder {name!r} must be a list of at most {LADDER_MAX_STEPS} waits in seconds.")
    if not all(isinstance(wait, int | float) and not isinstance(wait, bool) for wait in waits):
        raise ValueError(f"The waits of {name!r} must be numbers of seconds.")
    if not all(0 <= wait <= WAIT_MAX_S for wait in waits):
        raise ValueError(f"The waits of {name!r} must lie between 0 and {WAIT_MAX_S} seconds.")
    return tuple(float(wait) for wait in waits)
