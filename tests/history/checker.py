"""What no history may contain. Pure: it reads a list of events and nothing else. Source: reliability E.15, I1–I11.

Orders in time are taken from what happened before what, wherever that can be told; only where a duration is promised
are clocks compared, and then with the slack that the run's own processes showed to be needed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from campaigns.enums import AttemptState
from campaigns.policies.outcomes import UNCOUNTED_OUTCOMES
from campaigns.states import ATTEMPT_RANK, ATTEMPT_STEPS, FINAL_CONTACT_STATES
from tests.history.record import Event

# What a machine under load may add to any duration, besides what it was seen to add.
SLACK_S = 0.5
LATE = "late_connect"
FINAL = frozenset(state.value for state in FINAL_CONTACT_STATES)


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach, with the events that show it."""

    rule: str
    text: str
    events: tuple[Event, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.rule}: {self.text}", *(f"    {event}" for event in self.events)])


@dataclass(frozen=True)
class History:
    """A run's events with the views that the rules share. The first of kind `rules` holds the run's numbers."""

    events: Sequence[Event]
    by_kind: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for event in self.events:
            self.by_kind[event.kind].append(event)

    @cached_property
    def rules(self) -> dict[str, Any]:
        return dict(self.by_kind["rules"][0].facts)

    @cached_property
    def slack_s(self) -> float:
        """What any measured duration may be longer than promised."""
        return SLACK_S + max((event["lag_s"] for event in self.by_kind["stall"]), default=0.0)

    @cached_property
    def skew_s(self) -> float:
        """How far two clocks of the run may be apart."""
        return float(abs(self.rules["skew_s"]))

    @cached_property
    def attempts(self) -> dict[str, Event]:
        return {event["attempt"]: event for event in self.by_kind["attempt"]}

    @cached_property
    def marks(self) -> dict[str, Event]:
        """The marker of each attempt that a worker went on to send."""
        return {event["attempt"]: event for event in self.by_kind["marked"]}

    @cached_property
    def calls(self) -> list[Event]:
        """The requests upon which the switch rang a phone."""
        return [post for post in self.by_kind["post"] if post["is_placed"]]

    def about(self, **facts: Any) -> tuple[Event, ...]:
        """Every event with these facts."""
        return tuple(
            event for event in self.events if all(event.facts.get(name) == value for name, value in facts.items())
        )

    def done(self, order: str, **facts: Any) -> list[Event]:
        """The orders of an operator that took effect, by their name."""
        return [
            event
            for event in self.by_kind["order"]
            if event["order"] == order and all(event[name] == value for name, value in facts.items())
        ]


def violations(events: Sequence[Event]) -> list[Violation]:
    """Everything in a history that should never have been."""
    history = History(events)
    return [found for rule in RULES for found in rule(history)]


def once(history: History) -> Iterator[Violation]:
    """I1, I2: one request and one ringing phone per attempt."""
    for rule, posts in (("I1", history.by_kind["post"]), ("I2", history.calls)):
        for attempt, times in Counter(post["attempt"] for post in posts).items():
            if times > 1:
                yield Violation(rule, f"{times} requests for one attempt", history.about(attempt=attempt))


def never_two_open(history: History) -> Iterator[Violation]:
    """I3: the next attempt of a contact, number or extension begins after the one before has ended, as the log says."""
    begun_ended: dict[str, tuple[int, float]] = {}
    for attempt, steps in _steps(history).items():
        ends = [step["step"] for step in steps if step["new"] == AttemptState.ENDED and step["old"] != step["new"]]
        begun_ended[attempt] = (steps[0]["step"], min(ends, default=float("inf")))
    for key in ("contact", "number", "extension"):
        groups = defaultdict(list)
        for attempt, row in history.attempts.items():
            if attempt in begun_ended and row[key]:
                groups[row[key]].append((*begun_ended[attempt], attempt))
        for name, spans in groups.items():
            for (_, ended, first), (begun, _, second) in pairwise(sorted(spans)):
                if begun < ended:
                    seen = history.about(attempt=first) + history.about(attempt=second)
                    yield Violation("I3", f"two attempts of {key} {name} were open at once", seen)


def counted(history: History) -> Iterator[Violation]:
    """I4: calls of a contact ≤ its counted attempts = what it says ≤ the most allowed."""
    calls = Counter(history.attempts[post["attempt"]]["contact"] for post in _known(history))
    tried = Counter(row["contact"] for row in history.attempts.values() if row["is_counted"])
    for contact in history.by_kind["contact"]:
        key, most = contact["contact"], history.rules["max_attempts"]
        if not calls[key] <= tried[key] == contact["attempts_made"] <= most:
            text = (
                f"{calls[key]} calls, {tried[key]} attempts counted, {contact['attempts_made']} noted, {most} allowed"
            )
            yield Violation("I4", text, history.about(contact=key))


def nobody_lost(history: History) -> Iterator[Violation]:
    """I5: in the end every contact is through or waits for a time to come, and no attempt is open."""
    (quiet,) = history.by_kind["quiet"] or (None,)
    if quiet is None:
        yield Violation("I5", "the run did not come to rest", tuple(history.events[-20:]))
        return
    for contact in history.by_kind["contact"]:
        closes_s = history.rules["window_closes_s"].get(str(contact["campaign"]), float("inf"))
        is_waiting = contact["next_attempt_at_s"] > quiet.at_s or closes_s < quiet.at_s or not contact["is_live"]
        waits = contact["state"] == "pending" and is_waiting
        if contact["state"] not in FINAL and not waits:
            yield Violation("I5", f"a contact is {contact['state']}", history.about(contact=contact["contact"]))
    for attempt, row in history.attempts.items():
        if row["state"] != AttemptState.ENDED:
            yield Violation("I5", f"an attempt is {row['state']}", history.about(attempt=attempt))


def owned_up_to(history: History) -> Iterator[Violation]:
    """I6: every ringing phone has an attempt that does not say it was never sent."""
    for post in history.calls:
        row = history.attempts.get(post["attempt"])
        if row is None or row["outcome"] in UNCOUNTED_OUTCOMES:
            outcome = "is gone" if row is None else f"says {row['outcome']}"
            yield Violation("I6", f"a phone rang for an attempt that {outcome}", history.about(attempt=post["attempt"]))


def legal_steps(history: History) -> Iterator[Violation]:
    """I7: the log of an attempt is a path through the table, and the attempt stands at its end."""
    for attempt, steps in _steps(history).items():
        state = ""
        for step in steps:
            new = AttemptState(step["new"])
            is_correction = state == new == AttemptState.ENDED and history.attempts[attempt]["reason"] != ""
            is_first = not state and new is AttemptState.CLAIMED
            if step["old"] != state:
                fault = f"stepped from {step['old']}, but was {state or 'new'}"
            elif is_first or is_correction:
                fault = ""
            elif not state or new not in ATTEMPT_STEPS[AttemptState(state)]:
                fault = f"went from {state} to {new}"
            else:
                fault = "fell" if ATTEMPT_RANK[new] < ATTEMPT_RANK[AttemptState(state)] else ""
            if fault:
                yield Violation("I7", f"an attempt {fault}", history.about(attempt=attempt))
            state = new.value
        if state != history.attempts[attempt]["state"]:
            yield Violation("I7", f"the log ends with {state}, the attempt does not", history.about(attempt=attempt))


def allowed(history: History) -> Iterator[Violation]:
    """I8: every request follows a marker, and every rule was open when the marker was written."""
    claims = {event["attempt"]: event for event in history.by_kind["claimed"]}
    for post in history.by_kind["post"]:
        mark = history.marks.get(post["attempt"])
        if mark is None or mark.at_s > post.at_s:
            yield Violation("I8", "a request went out before its marker", history.about(attempt=post["attempt"]))
            continue
        for fault, because in _closed_rules(history, post, mark, claims.get(post["attempt"])):
            yield Violation("I8", fault, (*because, *history.about(attempt=post["attempt"])))


def rested(history: History) -> Iterator[Violation]:
    """I9: a phone that rang is left in peace for a while, and not rung too often in a day, in whichever campaign."""
    by_number = defaultdict(list)
    for post in _known(history):
        if post["attempt"] in history.marks:
            by_number[post["number"]].append(history.marks[post["attempt"]])
    for number, marks in by_number.items():
        if len(marks) > (history.rules["number_cap"] or float("inf")):
            yield Violation("I9", f"a number rang {len(marks)} times in a day", history.about(number=number))
        for first, second in pairwise(sorted(marks, key=lambda mark: mark.at_s)):
            gap_s = second.at_s - _began_s(first)
            if gap_s < history.rules["redial_min_s"] - 2 * history.skew_s:
                yield Violation("I9", f"a number rang again after {gap_s:.2f} s", history.about(number=number))


def sent_at_once(history: History) -> Iterator[Violation]:
    """I10: a request goes out soon after its marker or not at all, so that a pause or a refusal takes effect soon."""
    promised_s = history.rules["pause_budget_s"] + history.rules["dial_total_s"]
    for post in history.by_kind["post"]:
        mark = history.marks.get(post["attempt"])
        if mark is not None and post.at_s - _began_s(mark) > promised_s + history.slack_s:
            late_s = post.at_s - _began_s(mark)
            yield Violation("I10", f"sent {late_s:.2f} s after its marker", history.about(attempt=post["attempt"]))


def within_capacity(history: History) -> Iterator[Violation]:
    """I11, D26: no more phones at once than the trunk and the campaign have lines, and one per number and extension."""
    spans = [(post.at_s, _line_ends_s(history, post), post) for post in _known(history)]
    groups: dict[tuple[str, Any], list[tuple[float, float, Event]]] = defaultdict(list)
    for span in spans:
        row = history.attempts[span[2]["attempt"]]
        groups["trunk", 0].append(span)
        groups["campaign", row["campaign"]].append(span)
        groups["number", row["number"]].append(span)
        if span[2]["extension"]:
            groups["extension", span[2]["extension"]].append(span)
    for (kind, name), members in groups.items():
        most = 1 if kind in ("number", "extension") else history.rules[f"{kind}_lines"][str(name)]
        for at_s, _, _ in members:
            open_now = [other for begun_s, ended_s, other in members if begun_s <= at_s < ended_s]
            if len(open_now) > most:
                yield Violation(
                    "I11", f"{len(open_now)} calls at once on {kind} {name}, {most} allowed", tuple(open_now)
                )
                break


def lowered(history: History) -> Iterator[Violation]:
    """D33: once a campaign's lines have been lowered, nobody is claimed while that many phones ring or talk."""
    spans = [(post.at_s, _line_ends_s(history, post), post) for post in _known(history)]
    for order in history.done("lower_cap"):
        for claim in history.by_kind["claimed"]:
            if claim["campaign"] != order["campaign"] or _began_s(claim) < order.at_s:
                continue
            busy = [
                post
                for begun_s, ended_s, post in spans
                if begun_s < _began_s(claim) and claim.at_s < ended_s
                if history.attempts[post["attempt"]]["campaign"] == order["campaign"]
            ]
            if len(busy) >= order["lines"]:
                yield Violation(
                    "D33", f"claimed with {len(busy)} calls on {order['lines']} lines", (order, claim, *busy)
                )


def recorded(history: History) -> Iterator[Violation]:
    """D4: whoever was let in is the attempt's call."""
    for arrival in history.by_kind["connected"]:
        row = history.attempts[arrival["attempt"]]
        if (row["outcome"], row["call_id"]) != ("answered", arrival["call_id"]):
            yield Violation("D4", "a call that was let in is not recorded", history.about(attempt=arrival["attempt"]))


def nothing_broke(history: History) -> Iterator[Violation]:
    """A process that ends by itself has met what nobody foresaw."""
    for event in history.by_kind["crashed"]:
        yield Violation("run", f"{event.who} broke: {event['error']}")


RULES: tuple[Callable[[History], Iterator[Violation]], ...] = (
    nothing_broke,
    once,
    never_two_open,
    counted,
    nobody_lost,
    owned_up_to,
    legal_steps,
    allowed,
    rested,
    sent_at_once,
    within_capacity,
    lowered,
    recorded,
)


def _closed_rules(
    history: History, post: Event, mark: Event, claim: Event | None
) -> Iterator[tuple[str, tuple[Event, ...]]]:
    began_s, campaign = _began_s(mark), mark["campaign"]
    for order in history.done("suppress", number=post["number"]):
        if order.at_s < began_s:
            yield "dialed a number on the do-not-call list", (order,)
    for stop in (*history.done("pause", campaign=campaign), *history.done("cancel", campaign=campaign)):
        # An order may have taken effect as soon as it was begun.
        starts = [_began_s(order) for order in history.done("resume", campaign=campaign) if order.at_s > _began_s(stop)]
        if stop.at_s < began_s and mark.at_s < min(starts, default=float("inf")):
            yield f"dialed after {stop['order']}", (stop,)
    for stop in history.done("stop_all"):
        starts = [_began_s(order) for order in history.done("go_on") if order.at_s > _began_s(stop)]
        if stop.at_s < began_s and mark.at_s < min(starts, default=float("inf")):
            yield "dialed while all dialing was stopped", (stop,)
    closes_s = history.rules["window_closes_s"].get(str(campaign))
    if closes_s is not None and began_s > closes_s + history.skew_s:
        yield f"dialed {began_s - closes_s:.2f} s after the window had closed", ()
    if claim is not None and began_s > claim.at_s + history.rules["claim_lease_s"] + 2 * history.skew_s:
        yield f"dialed {began_s - claim.at_s:.2f} s after the claim, beyond its lease", (claim,)


def _known(history: History) -> list[Event]:
    return [post for post in history.calls if post["attempt"] in history.attempts]


def _line_ends_s(history: History, post: Event) -> float:
    """Until when the switch surely had a line open for a call. A late socket's was long given up as lost."""
    ends = [event.at_s for event in history.by_kind["hung_up"] if event["attempt"] == post["attempt"]]
    rings_until_s = post.at_s + history.rules["ring_s"] - history.skew_s
    is_late = history.attempts[post["attempt"]]["reason"] == LATE
    return min(ends) if ends and not is_late else rings_until_s


def _steps(history: History) -> dict[str, list[Event]]:
    """The log of each attempt in its order."""
    steps = defaultdict(list)
    for step in sorted(history.by_kind["step"], key=lambda step: step["step"]):
        steps[step["attempt"]].append(step)
    return steps


def _began_s(event: Event) -> float:
    return event.at_s if event.began_s is None else event.began_s
