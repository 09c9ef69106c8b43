"""What a call amounts to, computed from its turns and answers alone: no clock, no model, no guess.

The order in which turns are handed in does not matter, and computing twice gives the same result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from campaigns.enums import EndedBy, SpeakerKind

_QUESTION = re.compile(r"[^.!?…。？]*[?？]")
_MAX_SUMMARY_CHARS = 400


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One transcript entry. `heard_text` replaces `text` where the customer heard only part of it."""

    seq: int
    speaker: str
    text: str
    start_ms: int
    end_ms: int
    heard_text: str = ""
    is_interrupted: bool = False

    @property
    def heard(self) -> str:
        """What the other side heard of it."""
        return self.heard_text if self.is_interrupted else self.text


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known about a call besides its turns. `answers` are the agent's own: [{key, question, value, at_ms}]."""

    duration_ms: int
    ended_by: str
    disposition: str = ""
    transferred_to: str = ""
    answers: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """One question with everything said to it. `answered_at_ms` is None and `answer` empty where nobody answered."""

    question: str
    asked_at_ms: int
    times_asked: int
    answer: str = ""
    answered_at_ms: int | None = None
    key: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result; `as_metrics` and `question_answers` are what is stored."""

    metrics: dict[str, Any]
    extracted: dict[str, Any]
    question_answers: tuple[QuestionAnswer, ...]
    summary: str
    disposition: str
    drop_off: QuestionAnswer | None = field(default=None)


@dataclass(frozen=True, slots=True)
class _Asking:
    question: str
    asked_at_ms: int
    answer: str = ""
    answered_at_ms: int | None = None
    key: str = ""
    value: Any = None


def analyze(turns: Iterable[SpokenTurn], facts: CallFacts) -> Analysis:
    """Metrics, question–answer pairs, extracted answers, drop-off point and a one-line summary of one call."""
    ordered = sorted(turns, key=lambda turn: (turn.start_ms, turn.seq))
    askings = _with_keys(_askings(ordered), facts.answers)
    pairs = _grouped(askings)
    drop_off = _drop_off(askings, pairs)
    extracted = {
        str(answer["key"]): answer.get("value") for answer in sorted(facts.answers, key=_at_ms) if answer.get("key")
    }
    metrics = {
        **_speech_metrics(ordered, facts.duration_ms),
        "questions_asked": len(pairs),
        "questions_answered": sum(1 for pair in pairs if pair.answer),
        "drop_off": drop_off.question if drop_off else None,
        "drop_off_at_ms": drop_off.asked_at_ms if drop_off else None,
    }
    return Analysis(
        metrics=metrics,
        extracted=extracted,
        question_answers=pairs,
        summary=_summary(facts, metrics, extracted, drop_off),
        disposition=facts.disposition,
        drop_off=drop_off,
    )


def merged_ms(spans: Iterable[tuple[int, int]]) -> int:
    """The length of the union of the spans, ms; overlaps count once."""
    total = 0
    reach: int | None = None
    for start, end in sorted(spans):
        begin = start if reach is None else max(start, reach)
        if end > begin:
            total += end - begin
        reach = end if reach is None else max(reach, end)
    return total


def percentile(values: Sequence[int], share: float) -> int | None:
    """The nearest-rank percentile, `share` from 0 (exclusive) to 1; None of no values."""
    if not values:
        return None
    return sorted(values)[math.ceil(share * len(values)) - 1]


def questions_in(text: str) -> tuple[str, ...]:
    """The sentences of a text that end with a question mark."""
    return tuple(found.strip() for found in _QUESTION.findall(text) if found.strip(" ?？"))


def _is(turn: SpokenTurn, speaker: SpeakerKind) -> bool:
    return turn.speaker == speaker


def _spans(turns: Iterable[SpokenTurn], duration_ms: int) -> list[tuple[int, int]]:
    # A last turn may be reckoned to end after the line was cut.
    return [(min(turn.start_ms, duration_ms), min(turn.end_ms, duration_ms)) for turn in turns]


def _speech_metrics(ordered: Sequence[SpokenTurn], duration_ms: int) -> dict[str, Any]:
    customer = [turn for turn in ordered if _is(turn, SpeakerKind.CUSTOMER)]
    agent = [turn for turn in ordered if _is(turn, SpeakerKind.AGENT)]
    customer_ms = merged_ms(_spans(customer, duration_ms))
    agent_ms = merged_ms(_spans(agent, duration_ms))
    spoken_ms = merged_ms(_spans(ordered, duration_ms))
    latencies = [
        after.start_ms - before.end_ms
        for before, after in pairwise(ordered)
        if _is(before, SpeakerKind.CUSTOMER) and _is(after, SpeakerKind.AGENT) and after.start_ms >= before.end_ms
    ]
    talk_ms = customer_ms + agent_ms
    return {
        "duration_ms": duration_ms,
        "turns": len(ordered),
        "customer_turns": len(customer),
        "agent_turns": len(agent),
        "customer_talk_ms": customer_ms,
        "agent_talk_ms": agent_ms,
        "overlap_ms": talk_ms - spoken_ms,
        "agent_talk_share": round(agent_ms / talk_ms, 4) if talk_ms else None,
        "silence_share": round(1 - spoken_ms / duration_ms, 4) if duration_ms else None,
        "response_ms_median": percentile(latencies, 0.5),
        "response_ms_p95": percentile(latencies, 0.95),
        "interruptions": sum(1 for turn in agent if turn.is_interrupted),
        "customer_words": sum(len(turn.text.split()) for turn in customer),
        "agent_words": sum(len(turn.heard.split()) for turn in agent),
    }


def _askings(ordered: Sequence[SpokenTurn]) -> list[_Asking]:
    """Each time a question was put, with what the customer said until the next question."""
    askings: list[_Asking] = []
    for turn in ordered:
        if _is(turn, SpeakerKind.AGENT):
            # Who answers before a question has been heard to its end answers it all the same.
            questions = questions_in(turn.text) if turn.heard.strip() else ()
            askings += [_Asking(question=question, asked_at_ms=turn.start_ms) for question in questions[-1:]]
        elif askings and turn.text.strip():
            last = askings[-1]
            said = f"{last.answer} {turn.text.strip()}".strip()
            at_ms = turn.start_ms if last.answered_at_ms is None else last.answered_at_ms
            askings[-1] = replace(last, answer=said, answered_at_ms=at_ms)
    return askings


def _with_keys(askings: Sequence[_Asking], answers: Sequence[Mapping[str, Any]]) -> list[_Asking]:
    """The askings with the agent's recorded answers put to the question that stood open at the time."""
    keyed = list(askings)
    for answer in sorted(answers, key=_at_ms):
        open_then = [index for index, asking in enumerate(keyed) if asking.asked_at_ms <= _at_ms(answer)]
        if open_then and answer.get("key"):
            index = open_then[-1]
            keyed[index] = replace(keyed[index], key=str(answer["key"]), value=answer.get("value"))
    return keyed


def _grouped(askings: Sequence[_Asking]) -> tuple[QuestionAnswer, ...]:
    """One entry per question in the order first asked; a question asked again keeps its last answer."""
    pairs: dict[str, QuestionAnswer] = {}
    for asking in askings:
        name = asking.question.casefold()
        pair = pairs.get(name) or QuestionAnswer(asking.question, asking.asked_at_ms, times_asked=0)
        pair = replace(pair, times_asked=pair.times_asked + 1)
        if asking.answer:
            pair = replace(pair, answer=asking.answer, answered_at_ms=asking.answered_at_ms)
        if asking.key:
            pair = replace(pair, key=asking.key, value=asking.value)
        pairs[name] = pair
    return tuple(pairs.values())


def _drop_off(askings: Sequence[_Asking], pairs: Sequence[QuestionAnswer]) -> QuestionAnswer | None:
    """The question at which the customer was lost: the first of the unanswered ones the call ended with."""
    lost: _Asking | None = None
    for asking in reversed(askings):
        if asking.answer:
            break
        lost = asking
    if lost is None:
        return None
    return next(pair for pair in pairs if pair.question.casefold() == lost.question.casefold())


def _at_ms(answer: Mapping[str, Any]) -> int:
    value = answer.get("at_ms")
    return value if isinstance(value, int) else 0


def _summary(
    facts: CallFacts, metrics: Mapping[str, Any], extracted: Mapping[str, Any], drop_off: QuestionAnswer | None
) -> str:
    """One line made of facts: who ended it and when, how far it came, what was answered."""
    ended_by = EndedBy(facts.ended_by).label if facts.ended_by in EndedBy.values else "Ended"
    parts = [f"{ended_by} after {facts.duration_ms / 1000:.0f} s"]
    if not metrics["customer_turns"]:
        parts.append("the customer said nothing")
    if metrics["questions_asked"]:
        parts.append(f"{metrics['questions_answered']} of {metrics['questions_asked']} questions answered")
    if extracted:
        parts.append(", ".join(f"{key}: {value}" for key, value in extracted.items()))
    if drop_off:
        parts.append(f"lost at “{drop_off.question}”")
    if facts.transferred_to:
        parts.append(f"transferred to {facts.transferred_to}")
    if facts.disposition:
        parts.append(f"disposition {facts.disposition}")
    line = "; ".join(parts)
    return line if len(line) < _MAX_SUMMARY_CHARS else line[: _MAX_SUMMARY_CHARS - 1] + "…"
