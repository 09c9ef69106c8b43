"""What an attempt's end means: does it count, what becomes of the contact, and what a missed deadline stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.enums import AttemptState, ContactState, Outcome
from campaigns.policies.cadence import DO_NOT_CALL, Cadence, Moment, Try, release_wait_s

CALLBACK = "callback"
CALLBACK_EXPIRED = "callback_expired"
# A wish to be called that could not be met so long, in a paused campaign for example, puts nobody before others.
# Longer than any weekly calling window is closed.
CALLBACK_LASTS = timedelta(days=8)
LATE_CONNECT = "late_connect"
CAMPAIGN_CANCELED = "campaign_canceled"
LIST_REMOVED = "list_removed"
# Between outcome and disposition in the reason of a waiting contact.
REASON_SEPARATOR = ": "
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
    called again. `claimed_at` is when the attempt began, None where that does not matter.
    """

    outcome: Outcome
    at: datetime
    reason: str = ""
    disposition: str = ""
    has_talked: bool = False
    retry_at: datetime | None = None
    callback_at: datetime | None = None
    claimed_at: datetime | None = None

    @property
    def as_try(self) -> Try:
        """The attempt as its cadence sees it."""
        return Try(self.outcome, self.disposition)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the contact stands with this attempt counted in.

    `tries` are its counted attempts in the order they were dialed; `callback_at` is set where the customer had asked
    for the attempt.
    """

    attempts_made: int
    releases: int
    tries: Sequence[Try]
    is_campaign_over: bool = False
    callback_at: datetime | None = None
    is_list_removed: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of the contact. `next_attempt_at` is set exactly when it waits again: not before that, and where
    there is a `moment`, at that one."""

    state: ContactState
    reason: str
    releases: int = 0
    next_attempt_at: datetime | None = None
    moment: Moment | None = None


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
    if end.callback_at is not None and not progress.is_campaign_over:
        return Settlement(ContactState.PENDING, CALLBACK, 0, _rested(end, rules, end.callback_at))
    goes_on = rules.cadence.goes_on_after(end.outcome, end.disposition) and not progress.is_campaign_over
    if end.outcome in FINAL_STATES and not (end.outcome is Outcome.ANSWERED and goes_on):
        return Settlement(FINAL_STATES[end.outcome], end.reason or end.outcome.value)
    if progress.callback_at is None and _was_reached_meanwhile(end, progress, rules.cadence):
        return Settlement(ContactState.DONE, "answered_before")
    if progress.is_campaign_over:
        return Settlement(ContactState.CANCELED, CAMPAIGN_CANCELED)
    if progress.is_list_removed:
        return Settlement(ContactState.CANCELED, LIST_REMOVED)
    if progress.callback_at is not None and progress.callback_at > end.at:
        # Asked for in another call that was held meanwhile.
        return Settlement(ContactState.PENDING, CALLBACK, 0, _rested(end, rules, progress.callback_at))
    if end.outcome is Outcome.RELEASED:
        return _settle_release(end, progress)
    return _settle_try(end, progress, rules)


def waiting_reason(outcome: str, disposition: str) -> str:
    """Why a contact waits for another try, as it stands in `state_reason`."""
    return f"{outcome}{REASON_SEPARATOR}{disposition}" if disposition else outcome


def _settle_try(end: AttemptEnd, progress: Progress, rules: RedialRules) -> Settlement:
    if progress.attempts_made >= rules.max_attempts:
        return Settlement(ContactState.EXHAUSTED, "max_attempts")
    wait = rules.cadence.next_wait(end.as_try, progress.tries)
    if wait is None:
        return Settlement(ContactState.EXHAUSTED, "cadence_over")
    moment = wait if isinstance(wait, Moment) else None
    waited = end.at if isinstance(wait, Moment) else end.at + timedelta(seconds=wait)
    rule = rules.cadence.rule_for(end.outcome, end.disposition)
    reason = waiting_reason(end.outcome.value, rule.disposition if rule else "")
    return Settlement(ContactState.PENDING, reason, 0, _rested(end, rules, waited), moment)


def _rested(end: AttemptEnd, rules: RedialRules, at: datetime) -> datetime:
    """`at`, or when the person has rested from the attempt, whichever is later."""
    return max(at, end.at + timedelta(seconds=rules.floor_s(end.outcome, has_talked=end.has_talked)))


def _was_reached_meanwhile(end: AttemptEnd, progress: Progress, cadence: Cadence) -> bool:
    """Whether an earlier attempt was answered late, while this one was under way, and that was the last word."""
    return any(
        earlier.outcome == Outcome.ANSWERED
        and earlier.answered_at is not None
        and (end.claimed_at is None or earlier.answered_at >= end.claimed_at)
        and not cadence.goes_on_after(earlier.outcome, earlier.disposition)
        for earlier in progress.tries
    )


def _settle_release(end: AttemptEnd, progress: Progress) -> Settlement:
    if end.retry_at is not None:
        # A rule that knows when it opens is no failure: the back-off starts anew.
        return Settlement(ContactState.PENDING, end.reason, 0, max(end.retry_at, end.at))
    wait = timedelta(seconds=release_wait_s(progress.releases))
    return Settlement(ContactState.PENDING, end.reason, progress.releases + 1, end.at + wait)
