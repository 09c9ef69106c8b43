"""What would come of dialing a number: by the simulator's table of behaviours, or drawn from calls that were made.

A fate is all that the dialer ever learns of a call: what the switch answers, whether a socket comes, and how the
conversation ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Final

from campaigns.enums import EndedBy, Outcome
from campaigns.policies.cadence import DO_NOT_CALL
from campaigns.policies.launch_estimate import ASSUMED
from telephony.psr.answers import AnswerKind, PsrAnswer
from telephony.simulator.behaviour_table import BY_NAME, PEOPLE, behaviour_for
from telephony.simulator.behaviours import Arrival, Behaviour, Pickup, Reply

OK: Final = 200
TOO_MANY_REQUESTS: Final = 429
REFUSED_PREFIX: Final = "refused_"
REPLY_S: Final = 0.1
# How long a phone rings that is picked up, where nobody has counted: an assumption for a rough figure.
PICKUP_S: Final = (4.0, 20.0)
# Source: telephony/simulator/options.py, the defaults; a test compares them.
SIMULATED_PICKUP_S: Final = (0.5, 2.0)
SIMULATED_LATE_S: Final = 8.0
SIMULATED_THROTTLE_S: Final = 2.0
# Longer than any time-out of the dialer.
NEVER_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Talk:
    """How a conversation goes: its length, who ends it, and what it comes to."""

    talk_s: float
    ended_by: EndedBy = EndedBy.AGENT_HANGUP
    disposition: str = ""


# The sample survey with each of the simulator's people, as the platform recorded it.
TALKS: Final[Mapping[str, Talk]] = {
    "all_yes": Talk(37, disposition="completed"),
    "mixed_answers": Talk(37.5, disposition="completed"),
    "all_no": Talk(36.5, disposition="completed"),
    "no_time": Talk(15, disposition="declined"),
    "slow_talker": Talk(43, disposition="completed"),
    "mumbles": Talk(55.5, disposition="completed"),
    "asks_who": Talk(46.5, disposition="completed"),
    "call_back": Talk(14, disposition="callback_requested"),
    "not_interested": Talk(15, disposition="declined"),
    "stop_calling": Talk(15, disposition=DO_NOT_CALL),
    "remove_me": Talk(14, disposition=DO_NOT_CALL),
    "wants_person": Talk(38, EndedBy.TRANSFER, "transferred"),
    "asks_for_person": Talk(14.5, EndedBy.TRANSFER, "transferred"),
    "barges_in": Talk(29.5, disposition="completed"),
    "greets_first": Talk(37.5, disposition="completed"),
    "silent": Talk(34, disposition="no_answer_to_questions"),
    "hangs_up_early": Talk(2, EndedBy.CUSTOMER_HANGUP),
    "hangs_up_mid_question": Talk(12, EndedBy.CUSTOMER_HANGUP),
    "voicemail": Talk(6, disposition="voicemail"),
    "huge_message": Talk(2, EndedBy.SOCKET_LOST),
    "floods": Talk(4.5, EndedBy.PEER_VIOLATION),
    "goes_dead": Talk(48, EndedBy.MEDIA_LOST),
    "aborts": Talk(13, EndedBy.SOCKET_LOST),
    "closes_silently": Talk(11, EndedBy.CUSTOMER_HANGUP),
    "closes_twice": Talk(3, EndedBy.CUSTOMER_HANGUP),
}
_SURVEY: Final = TALKS["all_yes"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What comes of one request; seconds count from it.

    `status` is the answer's HTTP status, None where no whole answer comes within the dialer's time-out.
    `connects_after_s` is when the socket comes, None where it does not; `talk` is the conversation then.
    """

    name: str
    status: int | None = OK
    has_call_id: bool = True
    replies_after_s: float = REPLY_S
    connects_after_s: float | None = None
    talk: Talk = _SURVEY

    @property
    def is_answered(self) -> bool:
        """Whether somebody, or something, picks up."""
        return self.connects_after_s is not None

    def answer(self, call_id: str) -> PsrAnswer:
        """The switch's answer as the dialer reads it."""
        if self.status is None:
            return PsrAnswer(AnswerKind.INTERRUPTED)
        is_ok = self.status == OK
        return PsrAnswer(
            AnswerKind.ANSWERED,
            call_id=call_id if is_ok and self.has_call_id else "",
            status_code=self.status,
            code="OK" if is_ok else "",
            retry_after_s=SIMULATED_THROTTLE_S if self.status == TOO_MANY_REQUESTS else None,
        )


@dataclass(frozen=True, slots=True)
class PastCall:
    """A counted attempt that was made. `rang_s` is how long until it was answered, None where it was not."""

    outcome: str
    reason: str
    rang_s: float | None
    talk: Talk


@dataclass(frozen=True, slots=True)
class Odds:
    """Fates, each as likely as its weight. `pickup_s` is the range ringing is drawn from, None: as the fates say."""

    weights: Mapping[Fate, float]
    pickup_s: tuple[float, float] | None = None

    def draw(self, dice: Random) -> Fate:
        """One fate by chance."""
        (fate,) = dice.choices(tuple(self.weights), tuple(self.weights.values()))
        if fate.is_answered and self.pickup_s is not None:
            return replace(fate, connects_after_s=dice.uniform(*self.pickup_s))
        return fate

    @property
    def answer_rate(self) -> float:
        """The share of requests that come to a call."""
        return self._answered() / sum(self.weights.values())

    @property
    def talk_s(self) -> float:
        """The mean length of a call, in seconds; 0 where none is answered."""
        talked_s = sum(fate.talk.talk_s * weight for fate, weight in self.weights.items() if fate.is_answered)
        return talked_s / self._answered() if self._answered() else 0.0

    def line_s(self, unanswered_s: float) -> float:
        """How long one request occupies a line on average; `unanswered_s` is how long one that nobody answers does."""
        held_s = sum(self._held_s(fate, unanswered_s) * weight for fate, weight in self.weights.items())
        return held_s / sum(self.weights.values())

    def with_answer_rate(self, rate: float) -> Odds:
        """The same fates with this share of them answered, 0 to 1.

        Raises:
            ValueError: no fate among them is answered, or each is.
        """
        answered, total = self._answered(), sum(self.weights.values())
        if not 0 < answered < total:
            raise ValueError("Calls that are answered and calls that are not must both be among the shares.")
        return replace(
            self,
            weights={
                fate: weight * (rate / answered if fate.is_answered else (1 - rate) / (total - answered))
                for fate, weight in self.weights.items()
            },
        )

    def with_talk_s(self, mean_s: float) -> Odds:
        """The same fates with conversations that last so many seconds on average."""
        stretch = mean_s / self.talk_s if self.talk_s else 1.0
        return replace(
            self,
            weights={
                replace(fate, talk=replace(fate.talk, talk_s=fate.talk.talk_s * stretch)): weight
                for fate, weight in self.weights.items()
            },
        )

    def _held_s(self, fate: Fate, unanswered_s: float) -> float:
        if fate.connects_after_s is None:
            return unanswered_s
        rings_s = sum(self.pickup_s) / 2 if self.pickup_s else fate.connects_after_s
        return rings_s + fate.talk.talk_s

    def _answered(self) -> float:
        return sum(weight for fate, weight in self.weights.items() if fate.is_answered)


def assumed_odds() -> Odds:
    """The simulator's people, of whom as many answer and talk for as long as the forecast before a launch assumes."""
    people = Odds({_fate(row.behaviour): row.last - row.first + 1 for row in PEOPLE}, PICKUP_S)
    return people.with_answer_rate(ASSUMED.answer_rate).with_talk_s(ASSUMED.talk_s)


def odds_of_shares(shares: Mapping[str, float]) -> Odds:
    """The behaviours of the simulator's table that are named, each with its weight.

    Raises:
        ValueError: there is no such behaviour, or a weight is not positive.
    """
    if unknown := sorted(shares.keys() - BY_NAME.keys()):
        raise ValueError(f"There is no behaviour {unknown[0]!r} in the simulator's table.")
    if not all(0 < share < inf for share in shares.values()):
        raise ValueError("Each share must be a number greater than 0.")
    return Odds({_fate(BY_NAME[name].behaviour): share for name, share in shares.items()}, PICKUP_S)


def odds_of_past(calls: Iterable[PastCall]) -> Odds:
    """Calls that were made, each as likely to come again."""
    weights: dict[Fate, float] = {}
    for call in calls:
        fate = _fate_of_past(call)
        weights[fate] = weights.get(fate, 0) + 1
    return Odds(weights)


def fate_by_number(destination: str, nth: int, dice: Random) -> Fate:
    """What the simulator does with the nth request for a destination: its last two digits decide."""
    behaviour = behaviour_for(destination)
    if behaviour.placing.reply is Reply.THROTTLED_ONCE and nth == 1:
        return Fate(behaviour.name, TOO_MANY_REQUESTS)
    fate = _fate(behaviour)
    if fate.connects_after_s is None:
        return fate
    return replace(fate, connects_after_s=fate.connects_after_s + dice.uniform(*SIMULATED_PICKUP_S))


def _fate(behaviour: Behaviour) -> Fate:
    """The behaviour's fate; who answers does so at once."""
    placing, streaming = behaviour.placing, behaviour.streaming
    status = {Reply.RESET: None, Reply.NEVER: None}.get(placing.reply, placing.status)
    # The dialer refuses the socket of a call that was announced under another's id.
    picks_up = streaming.pickup is Pickup.ANSWERS and placing.is_placed and placing.reply is not Reply.REPEATED_CALL_ID
    return Fate(
        behaviour.name,
        None if placing.is_slow else status,
        has_call_id=placing.reply is not Reply.USELESS_BODY,
        replies_after_s=NEVER_S if placing.is_slow or placing.reply is Reply.NEVER else REPLY_S,
        connects_after_s=(SIMULATED_LATE_S if streaming.arrival is Arrival.LATE else 0.0) if picks_up else None,
        talk=TALKS.get(behaviour.name, _SURVEY),
    )


def _fate_of_past(call: PastCall) -> Fate:
    if call.rang_s is not None:
        return Fate(call.outcome, connects_after_s=call.rang_s, talk=call.talk)
    if call.outcome == Outcome.UNCONFIRMED:
        return Fate(call.outcome, None)
    if call.reason.startswith(REFUSED_PREFIX):
        status = call.reason.removeprefix(f"{REFUSED_PREFIX}http_")
        return Fate(call.outcome, int(status) if status.isdigit() else 400)
    return Fate(call.outcome)
