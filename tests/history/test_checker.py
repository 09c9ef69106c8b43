"""The checker on histories written by hand: a good one has no breach, and each rule notices what it is for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.history.checker import violations
from tests.history.record import Event, Recorder, drop_all, read_history, send, take

NUMBER = "+84910000001"
RULES: dict[str, Any] = {
    "redial_min_s": 1.0,
    "pause_budget_s": 0.5,
    "dial_total_s": 0.5,
    "claim_lease_s": 1.0,
    "ring_s": 0.4,
    "max_attempts": 2,
    "skew_s": 0.0,
    "number_cap": 2,
    "trunk_lines": {"0": 1},
    "campaign_lines": {"1": 1, "2": 1},
    "window_closes_s": {"1": 50.0},
}


def event(at_s: float, kind: str, *, began_s: float | None = None, **facts: Any) -> Event:
    return Event(at_s, "test", kind, facts, began_s)


def call(
    attempt: str, at_s: float, *, contact: int = 1, number: str = NUMBER, extension: str = "", first_step: int = 1
) -> list[Event]:
    """An answered call of a contact of campaign 1, claimed at `at_s` and posted 0.2 s later."""
    row: dict[str, Any] = {"campaign": 1, "number": number, "state": "ended", "outcome": "answered", "reason": "call"}
    row["extension"] = extension
    states = ("", "claimed", "dispatching", "in_call", "ended")
    return [
        event(at_s, "claimed", began_s=at_s, attempt=attempt, campaign=1, number=number),
        event(at_s + 0.1, "marked", began_s=at_s + 0.1, attempt=attempt, campaign=1),
        event(at_s + 0.2, "post", attempt=attempt, number=number, call_id=attempt, is_placed=True, extension=extension),
        event(at_s + 0.3, "connected", attempt=attempt, call_id=attempt),
        event(at_s + 0.5, "hung_up", attempt=attempt),
        event(99, "attempt", attempt=attempt, contact=contact, is_counted=True, call_id=attempt, **row),
        *(
            event(99, "step", attempt=attempt, step=first_step + place, old=old, new=new)
            for place, (old, new) in enumerate(pairwise(states))
        ),
    ]


def contact(key: int = 1, *, made: int = 1) -> Event:
    facts: dict[str, Any] = {"contact": key, "campaign": 1, "state": "done", "attempts_made": made}
    return Event(99, "test", "contact", {**facts, "next_attempt_at_s": 0.0, "is_live": True})


def history(*events: Event, **rules: Any) -> list[Event]:
    return [event(0, "rules", **RULES | rules), *events, event(98, "quiet")]


def rules_broken(events: list[Event]) -> set[str]:
    return {violation.rule for violation in violations(sorted(events, key=lambda event: event.at_s))}


def test_a_good_history_breaks_no_rule() -> None:
    again = call("b", 12, first_step=10)
    assert rules_broken(history(*call("a", 10), *again, contact(made=2))) == set()


def changed(kind: str, **facts: Any) -> Callable[[Event], list[Event]]:
    """Events of this kind with other facts."""
    return lambda event: [Event(event.at_s, event.who, kind, {**event.facts, **facts}, event.began_s)]


def moved(by_s: float) -> Callable[[Event], list[Event]]:
    return lambda event: [Event(event.at_s + by_s, event.who, event.kind, event.facts, event.began_s)]


@pytest.mark.parametrize(
    ("kind", "change", "rules"),
    [
        ("post", lambda event: [event, event], {"I1", "I2", "I4", "I9", "I11"}),
        ("attempt", changed("attempt", outcome="released"), {"I6", "D4"}),
        ("attempt", changed("attempt", is_counted=False), {"I4"}),
        ("attempt", changed("attempt", state="placed"), {"I5", "I7"}),
        ("marked", lambda _: [], {"I8"}),
        ("marked", moved(0.5), {"I8"}),
        ("post", moved(2.0), {"I10"}),
        ("claimed", moved(-3.0), {"I8"}),
        ("contact", changed("contact", state="dialing"), {"I5"}),
        ("contact", changed("contact", campaign=2, state="pending", next_attempt_at_s=20.0), {"I5"}),
        ("contact", changed("contact", attempts_made=3), {"I4"}),
        ("quiet", lambda _: [], {"I5"}),
        ("quiet", lambda event: [event, Event(5, "dialer", "crashed", {"error": "KeyError"})], {"run"}),
    ],
)
def test_a_rule_notices(kind: str, change: Callable[[Event], list[Event]], rules: set[str]) -> None:
    good = history(*call("a", 10), contact())
    bad = [new for event in good for new in (change(event) if event.kind == kind else [event])]
    assert rules_broken(bad) == rules


def test_a_call_without_an_attempt_is_noticed() -> None:
    gone = [event for event in call("a", 10) if event.kind in ("claimed", "marked", "post")]
    assert rules_broken(history(*gone, contact(made=0))) == {"I6"}


@pytest.mark.parametrize(
    ("orders", "broken"),
    [
        ([event(9, "order", order="suppress", number=NUMBER)], {"I8"}),
        ([event(10.15, "order", began_s=10.05, order="suppress", number=NUMBER)], set()),
        ([event(9, "order", order="pause", campaign=1)], {"I8"}),
        ([event(9, "order", order="pause", campaign=2)], set()),
        ([event(9, "order", order="pause", campaign=1), event(9.5, "order", order="resume", campaign=1)], set()),
        ([event(9, "order", order="cancel", campaign=1)], {"I8"}),
        ([event(9, "order", order="stop_all")], {"I8"}),
        ([event(9, "order", order="stop_all"), event(9.5, "order", order="go_on")], set()),
    ],
)
def test_an_order_holds_from_its_commit_on(orders: list[Event], broken: set[str]) -> None:
    assert rules_broken(history(*orders, *call("a", 10), contact())) == broken


def test_a_closed_window_is_noticed() -> None:
    assert rules_broken(history(*call("a", 60), contact())) == {"I8"}


def test_two_calls_that_are_too_near_or_too_many_are_noticed() -> None:
    both = [*call("a", 10), *call("b", 10.6, first_step=10), contact(made=2)]
    assert rules_broken(history(*both)) == {"I9"}
    far = [*call("a", 10), *call("b", 20, first_step=10), contact(made=2)]
    assert rules_broken(history(*far, number_cap=1)) == {"I9"}


def test_two_calls_at_once_on_one_line_are_noticed() -> None:
    both = [*call("a", 10), *call("b", 10.1, contact=2, number="+84910000002", first_step=10)]
    assert rules_broken(history(*both, contact(), contact(2))) == {"I11"}
    lines = {"trunk_lines": {"0": 2}, "campaign_lines": {"1": 2}}
    assert rules_broken(history(*both, contact(), contact(2), **lines)) == set()


def test_two_open_attempts_of_a_contact_are_noticed_by_the_order_of_the_log() -> None:
    both = [*call("a", 10), *call("b", 20, first_step=3), contact(made=2)]
    assert rules_broken(history(*both)) == {"I3"}


@pytest.mark.parametrize(
    ("extensions", "first_step", "broken"),
    [(("101", "102"), 10, set()), (("101", "101"), 10, {"I11"}), (("101", "101"), 3, {"I3", "I11"})],
)
def test_two_calls_at_once_on_one_extension_are_noticed(extensions, first_step, broken) -> None:
    second = call("b", 10.1, contact=2, number="+84910000002", extension=extensions[1], first_step=first_step)
    both = [*call("a", 10, extension=extensions[0]), *second, contact(), contact(2)]
    lines = {"trunk_lines": {"0": 2}, "campaign_lines": {"1": 2}}
    assert rules_broken(history(*both, **lines)) == broken


def test_claiming_on_lowered_lines_is_noticed() -> None:
    lower = event(9, "order", order="lower_cap", campaign=1, lines=1)
    late = call("b", 10.25, contact=2, number="+84910000002", first_step=10)
    lines = {"trunk_lines": {"0": 2}, "campaign_lines": {"1": 2}}
    assert rules_broken(history(lower, *call("a", 10), *late, contact(), contact(2), **lines)) == {"D33"}


def test_a_violation_shows_the_events_it_is_about() -> None:
    (found, *_) = violations(history(event(9, "order", order="stop_all"), *call("a", 10), contact()))
    assert "stop_all" in str(found)
    assert "attempt=a" in str(found)


def test_a_history_reads_back_in_the_order_of_time(tmp_path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl", "dialer 0")
    recorder.note("claimed", began_s=1.0, attempt="a")
    recorder.note("quiet")
    first, second = read_history(tmp_path / "history.jsonl")
    assert (first.who, first.kind, first["attempt"], first.began_s) == ("dialer 0", "claimed", "a", 1.0)
    assert (second.kind, second.facts, first.at_s <= second.at_s) == ("quiet", {}, True)


def test_a_message_is_taken_once_and_not_before_its_time(tmp_path) -> None:
    (queue := tmp_path / "inbox").mkdir()
    send(queue, {"number": 1})
    send(queue, {"number": 2}, due_s=9e9)
    assert (list(take(queue)), list(take(queue)), drop_all(queue)) == ([{"number": 1}], [], 1)
