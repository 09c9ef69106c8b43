"""What an attempt's end means: does it count, what becomes of the contact, and what a missed deadline stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.enums import AttemptState, ContactState, Outcome
from campaigns.policies.cadence import Cadence, release_wait_s

DO_NOT_CALL = "do_not_call"
CALLBACK = "callback"
# What a conversation turned out to be may correct "answered": nobody was reached.
DISPOSITION_OUTCOMES: Mapping[str, Outcome] = {"voicemail": Outcome.MACHINE}

UNCOUNTED_OUTCOMES = frozenset({Outcome.RELEASED, Outcome.BLOCKED, Outcome.CANCELED})
# A socket that arrives after the deadline had guessed one of these proves it wrong.
CORRECTABLE_OUTCOMES = frozenset({Outcome.UNCONFIRMED, Outcome.NO_ANSWER})
FINAL_STATES: Mapping[Outcome, ContactState] = {
    Outcome.ANSWERED: ContactState.DONE,
    Outcome.BLOCKED: ContactState.BLOCKED,
    Outcome.CANCELED: ContactState.CANCELED,
    Outcome.INVALID_NUMBER: ContactState.EXHAUSTED,
}
# The person's phone has, or may have, rung: not again for a while, whatever the cadence says.
DISTURBING_OUTCOMES = frozenset({Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.REJECTED, Outcome.MACHINE})


@dataclass(frozen=True, slots=True)
class MissedDeadline:
    """What the reaper does with an attempt whose deadline has passed; `outcome` is None where it does not end."""

    to: AttemptState
    outcome: Outcome | None
    reason: str


MISSED_DEADLINES: Mapping[AttemptState, MissedDeadline] = {
    AttemptState.CLAIMED: MissedDeadline(AttemptState.ENDED, Outcome.RELEASED, "claim_lease"),
    AttemptState.DISPATCHING: MissedDeadline(AttemptState.UNKNOWN, None, "dispatch_lease"),
    AttemptState.UNKNOWN: MissedDeadline(AttemptState.ENDED, Outcome.UNCONFIRMED, "no_proof"),
    # PSR tells no cause: busy, no answer and failure look the same from here.
    AttemptState.PLACED: MissedDeadline(AttemptState.ENDED, Outcome.NO_ANSWER, "no_connect"),
    AttemptState.IN_CALL: MissedDeadline(AttemptState.ENDED, Outcome.ANSWERED, "call_deadline"),
}


@dataclass(frozen=True, slots=True)
class RedialRules:
    """A campaign's rules of trying again, with the installation's floors."""

    cadence: Cadence
    max_attempts: int
    redial_min_s: float
    unconfirmed_redial_min_s: float

    def floor_s(self, outcome: Outcome, *, has_talked: bool) -> float:
        """The shortest wait after an attempt that may have disturbed the person."""
        if outcome is Outcome.UNCONFIRMED or (has_talked and outcome is Outcome.FAILED):
            return self.unconfirmed_redial_min_s
        return self.redial_min_s if outcome in DISTURBING_OUTCOMES else 0.0


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How one attempt ended.

    `retry_at` is set where the rule that refused it knows when it opens, `callback_at` where the customer asked to be
    called again.
    """

    outcome: Outcome
    at: datetime
    reason: str = ""
    disposition: str = ""
    has_talked: bool = False
    retry_at: datetime | None = None
    callback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the contact stands with this attempt counted in.

    `ended` counts its counted attempts by outcome; `is_callback` says that the attempt was asked for by the customer.
    """

    attempts_made: int
    releases: int
    ended: Mapping[str, int]
    is_campaign_canceled: bool = False
    is_callback: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of the contact. `next_attempt_at` is set exactly when it waits again."""

    state: ContactState
    reason: str
    releases: int = 0
    next_attempt_at: datetime | None = None


def is_counted(outcome: Outcome) -> bool:
    """Whether an attempt that ended so counts against attempts and caps: everything that may have been sent does."""
    return outcome not in UNCOUNTED_OUTCOMES


def outcome_of(outcome: Outcome, disposition: str) -> Outcome:
    """The outcome, corrected by what the conversation turned out to be."""
    return DISPOSITION_OUTCOMES.get(disposition, outcome) if outcome is Outcome.ANSWERED else outcome


def settle(end: AttemptEnd, progress: Progress, rules: RedialRules) -> Settlement:
    """The contact's next state after an attempt: always a time to try again, or a final state with its reason."""
    if end.disposition == DO_NOT_CALL:
        return Settlement(ContactState.BLOCKED, DO_NOT_CALL)
    if end.callback_at is not None and not progress.is_campaign_canceled:
        rested_at = end.at + timedelta(seconds=rules.floor_s(end.outcome, has_talked=end.has_talked))
        return Settlement(ContactState.PENDING, CALLBACK, 0, max(end.callback_at, rested_at))
    if end.outcome in FINAL_STATES:
        return Settlement(FINAL_STATES[end.outcome], end.reason or end.outcome.value)
    if progress.ended.get(Outcome.ANSWERED) and not progress.is_callback:
        # An earlier attempt was answered after its deadline, while this one was under way.
        return Settlement(ContactState.DONE, "answered_before")
    if progress.is_campaign_canceled:
        return Settlement(ContactState.CANCELED, "campaign_canceled")
    if end.outcome is Outcome.RELEASED:
        return _settle_release(end, progress)
    if progress.attempts_made >= rules.max_attempts:
        return Settlement(ContactState.EXHAUSTED, "max_attempts")
    wait_s = rules.cadence.next_wait_s(end.outcome, progress.ended)
    if wait_s is None:
        return Settlement(ContactState.EXHAUSTED, "cadence_over")
    wait_s = max(wait_s, rules.floor_s(end.outcome, has_talked=end.has_talked))
    return Settlement(ContactState.PENDING, end.outcome.value, 0, end.at + timedelta(seconds=wait_s))


def _settle_release(end: AttemptEnd, progress: Progress) -> Settlement:
    if end.retry_at is not None:
        # A rule that knows when it opens is no failure: the back-off starts anew.
        return Settlement(ContactState.PENDING, end.reason, 0, max(end.retry_at, end.at))
    wait = timedelta(seconds=release_wait_s(progress.releases))
    return Settlement(ContactState.PENDING, end.reason, progress.releases + 1, end.at + wait)
