"""Cadence: which row of the table an attempt falls under, its ladder, and what a campaign may write there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Outcome
from campaigns.policies.cadence import (
    LADDER_NAMES,
    RELEASE_WAIT_MAX_S,
    RULE_OUTCOMES,
    RULES_MAX,
    Cadence,
    Moment,
    Rule,
    Try,
    default_cadence,
    parse_cadence,
    release_wait_s,
    rule_name,
    stored_rule,
)

SHORT = {"waits_s": {"busy": [10, 20], "default": [100, 200, 300], "machine": []}}
TABLE = {
    "rules": [
        {"outcome": "busy", "waits": [10]},
        {"outcome": "answered", "disposition": "not_now", "waits": ["next_day"], "max_tries": 3},
        {"outcome": "machine", "disposition": "voicemail", "waits": ["other_part"]},
        {"disposition": "broken_off", "waits": [5]},
        {"outcome": "failed", "waits": []},
        {"waits": [100, 200]},
    ]
}


def tries(*ends: str) -> list[Try]:
    """Attempts by how they ended: `busy`, or `answered not_now`."""
    return [Try(outcome, disposition) for outcome, _, disposition in (end.partition(" ") for end in ends)]


@pytest.mark.parametrize(
    ("raw", "ends", "wait"),
    [
        (SHORT, ["busy"], 10),
        (SHORT, ["no_answer", "busy", "no_answer", "busy"], 20),
        (SHORT, ["busy", "busy", "busy"], None),
        (SHORT, ["busy", "busy", "no_answer"], 100),
        (SHORT, ["no_answer", "unconfirmed"], 200),
        (SHORT, ["failed"] * 4, None),
        (SHORT, ["machine"], None),
        (SHORT, ["answered"], None),
        ({}, ["no_answer"], None),
        (TABLE, ["answered not_now"], Moment.NEXT_DAY),
        (TABLE, ["answered not_now", "no_answer", "answered not_now"], Moment.NEXT_DAY),
        (TABLE, ["answered not_now"] * 3, None),
        (TABLE, ["answered"], None),
        (TABLE, ["answered sold"], None),
        (TABLE, ["machine voicemail"], Moment.OTHER_PART),
        (TABLE, ["machine"], 100),
        (TABLE, ["machine other"], 100),
        (TABLE, ["answered broken_off"], 5),
        (TABLE, ["failed broken_off"], 5),
        (TABLE, ["failed other"], None),
        (TABLE, ["machine", "no_answer"], 200),
    ],
)
def test_the_row_that_names_most_decides(raw, ends, wait) -> None:
    made = tries(*ends)
    assert parse_cadence(raw).next_wait(made[-1], made) == wait


def test_an_attempt_that_is_not_among_its_tries_is_the_first() -> None:
    assert parse_cadence(SHORT).next_wait(Try("busy"), []) == 10


def test_a_repeated_last_wait_ends_with_the_most_tries() -> None:
    rule = Rule(None, "", (10.0, 20.0), max_tries=4)
    assert [rule.wait_after(made) for made in range(1, 6)] == [10, 20, 20, None, None]
    assert Rule(None, "", (), max_tries=4).wait_after(1) is None


@pytest.mark.parametrize(
    ("outcome", "disposition", "goes_on"),
    [("answered", "not_now", True), ("answered", "", False), ("failed", "", False), ("busy", "", True)],
)
def test_whether_there_can_be_another_try_at_all(outcome, disposition, goes_on) -> None:
    assert parse_cadence(TABLE).goes_on_after(outcome, disposition) is goes_on


@given(st.lists(st.sampled_from(["busy", "no_answer", "unconfirmed", "failed"]), max_size=12))
def test_default_cadence_always_ends(outcomes: list[str]) -> None:
    cadence = parse_cadence(default_cadence())
    made = tries(*outcomes)
    waits = [cadence.next_wait(each, made[: place + 1]) for place, each in enumerate(made)]
    assert sum(wait is not None for wait in waits) <= 6


ROWS = st.builds(
    lambda name, disposition, waits, most: Rule(
        Outcome(name) if name else None, disposition or ("x" if name == "answered" else ""), tuple(waits), most
    ),
    st.none() | st.sampled_from(RULE_OUTCOMES),
    st.sampled_from(["", "not_now", "no decision"]),
    st.lists(st.one_of(st.floats(0, 1e6), st.sampled_from(list(Moment))), max_size=6),
    st.none() | st.integers(1, 20),
)


@given(st.lists(ROWS, max_size=8, unique_by=lambda rule: (rule.outcome, rule.disposition)))
def test_a_table_reads_back_as_it_is_stored(rules) -> None:
    assert parse_cadence({"rules": [stored_rule(rule) for rule in rules]}) == Cadence(tuple(rules))


@given(st.lists(ROWS, max_size=8, unique_by=rule_name), st.lists(st.sampled_from(list(Outcome)), max_size=30))
def test_every_table_ends(rules, outcomes) -> None:
    cadence, made = Cadence(tuple(rules)), []
    for outcome in outcomes:
        made.append(Try(outcome))
        rule = cadence.rule_for(outcome)
        fallen = sum(cadence.rule_for(each.outcome) is rule for each in made)
        if rule is None or fallen > max(len(rule.waits), rule.max_tries or 0):
            assert cadence.next_wait(made[-1], made) is None


FORMS = 'A cadence is an object with one key, "rules", or "waits_s" in the short form.'
NAMES = '"waits_s" must be an object whose keys are among ' + ", ".join(LADDER_NAMES) + "."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], FORMS),
        ({"wait": {}}, FORMS),
        ({"waits_s": {}, "rules": []}, FORMS),
        ({"waits_s": []}, NAMES),
        ({"waits_s": {"answered": [1]}}, NAMES),
        ({"waits_s": {"busy": 5}}, "The waits after busy must be a list of at most 20."),
        ({"waits_s": {"busy": [1] * 21}}, "The waits after busy must be a list of at most 20."),
        (
            {"waits_s": {"busy": ["5"]}},
            "The waits after busy must be numbers of seconds, or among next_day, other_part.",
        ),
        (
            {"waits_s": {"busy": [True]}},
            "The waits after busy must be numbers of seconds, or among next_day, other_part.",
        ),
        ({"waits_s": {"default": [-1]}}, "The waits after everything else must lie between 0 and 7776000 seconds."),
        ({"waits_s": {"busy": [float("nan")]}}, "The waits after busy must lie between 0 and 7776000 seconds."),
        ({"rules": {}}, '"rules" must be a list of at most 40 objects.'),
        ({"rules": [{}] * (RULES_MAX + 1)}, '"rules" must be a list of at most 40 objects.'),
        ({"rules": [1]}, "Each rule is an object with keys among disposition, max_tries, outcome, waits."),
        ({"rules": [{"wait": []}]}, "Each rule is an object with keys among disposition, max_tries, outcome, waits."),
        ({"rules": [{"waits": []}, {"outcome": ""}]}, "There are several rules for everything else; write one."),
        (
            {"rules": [{"outcome": "busy", "disposition": "x"}] * 2},
            "There are several rules for busy and x; write one.",
        ),
        ({"rules": [{"outcome": "answered"}]}, "An answered call is tried again only for a disposition; name it."),
        ({"rules": [{"disposition": "do_not_call"}]}, "Who asked never to be called again is not tried again."),
        ({"rules": [{"disposition": " x"}]}, "A disposition is a text of at most 40 characters."),
        ({"rules": [{"disposition": 1}]}, "A disposition is a text of at most 40 characters."),
        ({"rules": [{"disposition": "x" * 41}]}, "A disposition is a text of at most 40 characters."),
        ({"rules": [{"max_tries": 0}]}, '"max_tries" must be a whole number from 1 to 20.'),
        ({"rules": [{"max_tries": True}]}, '"max_tries" must be a whole number from 1 to 20.'),
    ],
)
def test_bad_cadence_says_what_is_wrong(raw, message) -> None:
    with pytest.raises(ValueError) as refused:
        parse_cadence(raw)
    assert str(refused.value) == message


@pytest.mark.parametrize("outcome", ["blocked", "soon", 5, ["busy"]])
def test_no_try_after_what_cannot_be_tried(outcome: Any) -> None:
    with pytest.raises(ValueError, match="There is no try after"):
        parse_cadence({"rules": [{"outcome": outcome}]})


@given(st.integers(0, 40_000))
def test_release_wait_grows_to_its_bound(releases: int) -> None:
    assert 5 <= release_wait_s(releases) <= release_wait_s(releases + 1) <= RELEASE_WAIT_MAX_S
