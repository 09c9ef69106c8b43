"""When a contact is tried again: a table of rules, each a ladder of waits after an outcome and a disposition.

Stored on the campaign as JSON:

    {"rules": [
        {"outcome": "busy", "waits": [600, 1800, 7200]},
        {"outcome": "answered", "disposition": "not_now", "waits": ["next_day"], "max_tries": 3},
        {"waits": [1800, "other_part", 86400]}
    ]}

A wait is a number of seconds or a `Moment`. The nth attempt that falls under a rule takes the nth wait of its ladder;
past the ladder's end the contact is given up. With `max_tries` the last wait is repeated until that many attempts fell
under the rule. The rule that names most decides: outcome and disposition, then the disposition, then the outcome, then
the rule that names neither. An answered call is tried again only by a rule that names its disposition.

`{"waits_s": {"busy": [600], "default": [1800]}}` is the short form, without dispositions: a ladder by outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from campaigns.enums import Outcome

HALF_HOUR_S = 1800
TWO_HOURS_S = 7200
DAY_S = 86_400

DO_NOT_CALL = "do_not_call"
DEFAULT_LADDER = "default"
# Outcomes after which there can be another try; an answered call only for its disposition. The others end the contact.
RETRYABLE_OUTCOMES = (
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.REJECTED,
    Outcome.CONGESTION,
    Outcome.MACHINE,
    Outcome.FAILED,
    Outcome.UNCONFIRMED,
)
RULE_OUTCOMES = (Outcome.ANSWERED, *RETRYABLE_OUTCOMES)
LADDER_NAMES = (DEFAULT_LADDER, *(outcome.value for outcome in RETRYABLE_OUTCOMES))
RULES_MAX = 40
LADDER_MAX_STEPS = 20
TRIES_MAX = 20
WAIT_MAX_S = 90 * DAY_S
# As long as a contact's disposition can be.
DISPOSITION_MAX_CHARS = 40

# An attempt that was provably never sent comes back soon: 5 s, doubled each time, at most 5 min. Source: D10.
RELEASE_WAIT_S = 5.0
RELEASE_WAIT_MAX_S = 300.0
_DOUBLINGS_MAX = 10

_FORMS = 'A cadence is an object with one key, "rules", or "waits_s" in the short form.'
_RULE_KEYS = frozenset({"outcome", "disposition", "waits", "max_tries"})


class Moment(StrEnum):
    """A wait that is no length of time; next_try.py finds the instant."""

    NEXT_DAY = "next_day"
    OTHER_PART = "other_part"


Wait = float | Moment


@dataclass(frozen=True, slots=True)
class Try:
    """One counted attempt of a contact: how it ended, what was said, when it was dialed.

    `answered_at` is None where nobody was connected.
    """

    outcome: str
    disposition: str = ""
    dialed_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `outcome` None and an empty `disposition` stand for all that no other row names."""

    outcome: Outcome | None
    disposition: str
    waits: tuple[Wait, ...]
    max_tries: int | None = None

    def wait_after(self, tries: int) -> Wait | None:
        """The wait after the nth attempt that fell under this rule; None to give up."""
        if self.max_tries is None:
            return self.waits[tries - 1] if tries <= len(self.waits) else None
        return self.waits[min(tries, len(self.waits)) - 1] if self.waits and tries < self.max_tries else None


@dataclass(frozen=True, slots=True)
class Cadence:
    """A validated table."""

    rules: tuple[Rule, ...] = ()

    def rule_for(self, outcome: str, disposition: str = "") -> Rule | None:
        """The row an attempt falls under; None where no row is about it."""
        names: tuple[tuple[str | None, str], ...] = ()
        if disposition:
            names = ((outcome, disposition), (None, disposition))
        if outcome != Outcome.ANSWERED:
            names += ((outcome, ""), (None, ""))
        rows = {(rule.outcome, rule.disposition): rule for rule in self.rules}
        return next((rows[name] for name in names if name in rows), None)

    def goes_on_after(self, outcome: str, disposition: str) -> bool:
        """Whether there may be another try after such an attempt at all."""
        rule = self.rule_for(outcome, disposition)
        return rule is not None and bool(rule.waits)

    def next_wait(self, last: Try, tries: Sequence[Try]) -> Wait | None:
        """What to wait for after the contact's last attempt; None to give up.

        `tries` are all its counted attempts, the last one included.
        """
        rule = self.rule_for(last.outcome, last.disposition)
        if rule is None:
            return None
        fallen = sum(self.rule_for(each.outcome, each.disposition) is rule for each in tries)
        return rule.wait_after(max(fallen, 1))


def default_cadence() -> dict[str, Any]:
    """Half an hour, two hours, a day; a busy line sooner."""
    return {
        "rules": [
            {"outcome": "busy", "waits": [600, HALF_HOUR_S, TWO_HOURS_S]},
            {"waits": [HALF_HOUR_S, TWO_HOURS_S, DAY_S]},
        ]
    }


def parse_cadence(raw: Any) -> Cadence:
    """The cadence a campaign's JSON describes. An empty object never redials.

    Raises:
        ValueError: the text says which part is wrong and what is expected.
    """
    if not isinstance(raw, Mapping) or not (set(raw) <= {"rules"} or set(raw) <= {"waits_s"}):
        raise ValueError(_FORMS)
    rows = _rows_of_short_form(raw["waits_s"]) if "waits_s" in raw else raw.get("rules", [])
    if not isinstance(rows, list) or len(rows) > RULES_MAX:
        raise ValueError(f'"rules" must be a list of at most {RULES_MAX} objects.')
    rules = tuple(_parse_rule(row) for row in rows)
    names = [rule_name(rule) for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"There are several rules for {name}; write one.")
    return Cadence(rules)


def rule_name(rule: Rule) -> str:
    """What a rule is about, as stored: `busy`, `answered and not_now`, `everything else`."""
    return " and ".join(part for part in (rule.outcome, rule.disposition) if part) or "everything else"


def stored_rule(rule: Rule) -> dict[str, Any]:
    """A rule as it stands in the JSON."""
    return (
        ({"outcome": rule.outcome.value} if rule.outcome else {})
        | ({"disposition": rule.disposition} if rule.disposition else {})
        | {"waits": [wait.value if isinstance(wait, Moment) else wait for wait in rule.waits]}
        | ({"max_tries": rule.max_tries} if rule.max_tries is not None else {})
    )


def release_wait_s(releases: int) -> float:
    """Seconds until an attempt that was never sent is tried again, after `releases` releases in a row before it."""
    return min(RELEASE_WAIT_S * float(2 ** min(releases, _DOUBLINGS_MAX)), RELEASE_WAIT_MAX_S)


def _rows_of_short_form(ladders: Any) -> list[dict[str, Any]]:
    if not (isinstance(ladders, Mapping) and set(ladders) <= set(LADDER_NAMES)):
        raise ValueError(f'"waits_s" must be an object whose keys are among {", ".join(LADDER_NAMES)}.')
    return [({} if name == DEFAULT_LADDER else {"outcome": name}) | {"waits": waits} for name, waits in ladders.items()]


def _parse_rule(row: Any) -> Rule:
    if not isinstance(row, Mapping) or not set(row) <= _RULE_KEYS:
        raise ValueError(f"Each rule is an object with keys among {', '.join(sorted(_RULE_KEYS))}.")
    name = row.get("outcome") or None
    if name is not None and name not in RULE_OUTCOMES:
        raise ValueError(f"There is no try after {name!r}; an outcome is one of {', '.join(RULE_OUTCOMES)}.")
    rule = Rule(
        Outcome(name) if name else None,
        _parse_disposition(row.get("disposition", "")),
        (),
        _parse_tries(row.get("max_tries")),
    )
    if rule.outcome is Outcome.ANSWERED and not rule.disposition:
        raise ValueError("An answered call is tried again only for a disposition; name it.")
    return Rule(rule.outcome, rule.disposition, _parse_ladder(rule_name(rule), row.get("waits", [])), rule.max_tries)


def _parse_disposition(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > DISPOSITION_MAX_CHARS or raw != raw.strip():
        raise ValueError(f"A disposition is a text of at most {DISPOSITION_MAX_CHARS} characters.")
    if raw == DO_NOT_CALL:
        raise ValueError("Who asked never to be called again is not tried again.")
    return raw


def _parse_tries(raw: Any) -> int | None:
    if raw is None:
        return None
    if type(raw) is not int or not 1 <= raw <= TRIES_MAX:
        raise ValueError(f'"max_tries" must be a whole number from 1 to {TRIES_MAX}.')
    return raw


def _parse_ladder(name: str, waits: Any) -> tuple[Wait, ...]:
    if not isinstance(waits, list) or len(waits) > LADDER_MAX_STEPS:
        raise ValueError(f"The waits after {name} must be a list of at most {LADDER_MAX_STEPS}.")
    return tuple(_parse_wait(name, wait) for wait in waits)


def _parse_wait(name: str, wait: Any) -> Wait:
    if isinstance(wait, str) and wait in tuple(Moment):
        return Moment(wait)
    if type(wait) not in (int, float):
        raise ValueError(f"The waits after {name} must be numbers of seconds, or among {', '.join(Moment)}.")
    if not 0 <= wait <= WAIT_MAX_S:
        raise ValueError(f"The waits after {name} must lie between 0 and {WAIT_MAX_S} seconds.")
    return float(wait)
