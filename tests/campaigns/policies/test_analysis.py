"""The analysis of a call: a table of conversations, and that neither order nor repetition changes anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.policies.analysis import (
    CallFacts,
    QuestionAnswer,
    SpokenTurn,
    analyze,
    merged_ms,
    percentile,
    questions_in,
)

FACTS = CallFacts(duration_ms=20_000, ended_by="customer_hangup")


def talk(*lines):
    """Turns from (speaker, text, start_ms, end_ms[, heard]) with seq in the order given."""
    names = {"a": "agent", "c": "customer"}
    return [
        SpokenTurn(
            seq=seq,
            speaker=names[line[0]],
            text=line[1],
            start_ms=line[2],
            end_ms=line[3],
            heard_text=line[4] if len(line) > 4 else "",
            is_interrupted=len(line) > 4,
        )
        for seq, line in enumerate(lines)
    ]


SURVEY = talk(
    ("a", "Hello, this is Trunkline. Do you have one minute?", 0, 3000),
    ("c", "yes", 3500, 4000),
    ("a", "Was your problem solved? Please say yes or no.", 4600, 7000),
    ("c", "well", 7500, 8000),
    ("c", "yes it was", 8200, 9000),
    ("a", "Are you happy with the price?", 9400, 11_000, "Are you happy"),
    ("c", "no", 10_500, 11_000),
    ("a", "Thank you. Goodbye.", 12_000, 13_000),
)


def test_metrics_of_a_whole_conversation():
    analysis = analyze(SURVEY, FACTS)

    assert analysis.metrics == {
        "duration_ms": 20_000,
        "turns": 8,
        "customer_turns": 4,
        "agent_turns": 4,
        "customer_talk_ms": 2_300,
        "agent_talk_ms": 8_000,
        "overlap_ms": 500,
        "agent_talk_share": 0.7767,
        "silence_share": 0.51,
        "response_ms_median": 600,
        "response_ms_p95": 1000,
        "interruptions": 1,
        "customer_words": 6,
        "agent_words": 9 + 9 + 3 + 3,
        "questions_asked": 3,
        "questions_answered": 3,
        "drop_off": None,
        "drop_off_at_ms": None,
    }


def test_questions_come_with_their_answers_and_times():
    facts = CallFacts(
        20_000,
        "customer_hangup",
        answers=[
            {"key": "price", "question": "", "value": "no", "at_ms": 11_200},
            {"key": "solved", "question": "", "value": "yes", "at_ms": 9100},
            {"key": "solved", "question": "", "value": "mostly", "at_ms": 9200},
        ],
    )

    analysis = analyze(SURVEY, facts)

    assert analysis.question_answers == (
        QuestionAnswer("Do you have one minute?", 0, 1, "yes", 3500),
        QuestionAnswer("Was your problem solved?", 4600, 1, "well yes it was", 7500, "solved", "mostly"),
        QuestionAnswer("Are you happy with the price?", 9400, 1, "no", 10_500, "price", "no"),
    )
    assert analysis.extracted == {"solved": "mostly", "price": "no"}


@pytest.mark.parametrize(
    ("turns", "drop_off", "answered"),
    [
        (talk(), None, 0),
        (talk(("a", "Hello.", 0, 900)), None, 0),
        (talk(("a", "Ready?", 0, 900)), "Ready?", 0),
        (talk(("a", "Ready?", 0, 900), ("c", "yes", 950, 990)), None, 1),
        (talk(("a", "Ready?", 0, 900), ("c", " ", 950, 990)), "Ready?", 0),
        (
            talk(("a", "Ready?", 0, 900), ("c", "yes", 950, 990), ("a", "How old?", 1000, 1500)),
            "How old?",
            1,
        ),
        # Lost at the question, not at the "are you still there" that follows it.
        (
            talk(
                ("a", "Ready?", 0, 900),
                ("c", "yes", 950, 990),
                ("a", "How old?", 1000, 1500),
                ("a", "Are you still there?", 9000, 9500),
            ),
            "How old?",
            1,
        ),
        # Asked again and then answered: not lost.
        (
            talk(("a", "How old?", 0, 900), ("a", "Sorry. How old?", 4000, 5000), ("c", "forty", 5100, 5500)),
            None,
            1,
        ),
        # Cut off before a word of it was heard, it was not asked.
        (talk(("a", "How old?", 0, 900, "")), None, 0),
    ],
)
def test_drop_off_is_the_question_the_call_ended_at(turns, drop_off, answered):
    metrics = analyze(turns, FACTS).metrics

    assert (metrics["drop_off"], metrics["questions_answered"]) == (drop_off, answered)


def test_a_question_asked_again_is_one_question():
    turns = talk(
        ("a", "How old are you?", 0, 900),
        ("c", "what", 1000, 1200),
        ("a", "How old are you?", 1500, 2400),
        ("c", "forty", 2500, 2700),
    )

    assert analyze(turns, FACTS).question_answers == (QuestionAnswer("How old are you?", 0, 2, "forty", 2500),)


@pytest.mark.parametrize(
    ("facts", "turns", "summary"),
    [
        (CallFacts(4_400, "customer_hangup"), (), "Customer hung up after 4 s; the customer said nothing"),
        (
            CallFacts(4_400, "transfer", "transferred", "101", [{"key": "person", "value": "yes", "at_ms": 1}]),
            talk(("a", "A person?", 0, 100), ("c", "yes", 200, 300)),
            "Transferred after 4 s; 1 of 1 questions answered; person: yes; transferred to 101; "
            "disposition transferred",
        ),
        (
            CallFacts(61_000, "a word of a newer bridge"),
            talk(("c", "hello", 0, 100), ("a", "Ready?", 200, 300)),
            "Ended after 61 s; 0 of 1 questions answered; lost at “Ready?”",
        ),
    ],
)
def test_summary_is_one_line_of_facts(facts, turns, summary):
    assert analyze(turns, facts).summary == summary


def test_summary_is_bounded():
    facts = CallFacts(1000, "drain", answers=[{"key": "k" * 100 + str(n), "value": "v", "at_ms": n} for n in range(9)])

    summary = analyze(talk(("c", "hi", 0, 10)), facts).summary

    assert len(summary) == 400
    assert summary.endswith("…")


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("", ()),
        ("No question.", ()),
        ("?", ()),
        ("Hello. Are you there? Good.", ("Are you there?",)),
        ("One? Two?", ("One?", "Two?")),
        ("Really?!", ("Really?",)),
        ("您好。您有时间吗？", ("您有时间吗？",)),
    ],
)
def test_questions_in_a_text(text, questions):
    assert questions_in(text) == questions


@pytest.mark.parametrize(
    ("values", "share", "result"),
    [((), 0.5, None), ((7,), 0.95, 7), ((3, 1, 2), 0.5, 2), ((4, 3, 2, 1), 0.5, 2), (tuple(range(1, 101)), 0.95, 95)],
)
def test_percentile_is_the_nearest_rank(values, share, result):
    assert percentile(values, share) == result


spans = st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)).map(sorted).map(tuple)
turns_of_calls = st.lists(
    st.tuples(st.sampled_from("ac"), st.sampled_from(["Yes.", "Why? ", "", "How old? ", "I see", "no"]), spans),
    max_size=12,
).map(lambda rows: talk(*[(speaker, text, *span) for speaker, text, span in rows]))


@given(turns_of_calls, st.randoms(use_true_random=False))
def test_the_order_of_the_turns_does_not_matter(turns, random):
    answers = [{"key": f"k{n}", "value": n, "at_ms": n * 700} for n in range(5)]
    facts = CallFacts(30_000, "drain", answers=answers)
    expected = analyze(turns, facts)
    random.shuffle(turns)

    assert analyze(turns, facts) == expected


@given(turns_of_calls)
def test_metrics_keep_their_bounds(turns):
    metrics = analyze(turns, FACTS).metrics

    shares = [metrics["silence_share"], metrics["agent_talk_share"] or 0]
    assert all(0 <= share <= 1 for share in shares)
    assert metrics["overlap_ms"] >= 0
    assert metrics["customer_talk_ms"] <= FACTS.duration_ms
    assert metrics["questions_answered"] <= metrics["questions_asked"]
    assert (metrics["drop_off"] is None) == (metrics["drop_off_at_ms"] is None)


@given(st.lists(spans, max_size=10))
def test_merged_ms_is_the_length_of_the_union(some_spans):
    covered = {ms for start, end in some_spans for ms in range(start, end)}

    assert merged_ms(some_spans) == len(covered)
