"""How well the scripted agent hears: every recorded caller, phrase and question, through the product's own ear.

Each phrase is said over the simulator's line (comfort noise, another loudness, frame position and clipped edge each
time), cut out by the agent's own voice detector, and recognised against the phrases of one question after another.
Right is the right branch of the script, unclear is "pardon?", wrong is another branch. Sounds that are no answer at a
question are counted apart: all of them should be unclear.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from bridge.agents.scripted.listening import Listener, Utterance
from bridge.agents.scripted.recogniser import decode
from bridge.agents.scripted.script import Question, Script, script_of
from telephony.simulator.audio import (
    SAMPLES_PER_MS,
    TICK_SAMPLES,
    ComfortNoise,
    Samples,
    clipped,
    mixed,
    phrase,
    silence,
    voices,
)

RATE_HZ = 8_000
ROUNDS = 10
DEADLINE_S = 80.0
GAINS = (1.0, 0.8, 0.6, 0.45)
# The detector needs some line to learn what silence is, as it has in a call.
LEAD_MS = 2_500
TAIL_MS = 900
# As many ms of the first sound are lost where a packet is.
CLIPPED_MS = (0, 0, 10, 20)
NO_ANSWERS = ("hello", "mumble")
GOAL_RIGHT = 0.98
GOAL_WRONG = 0.01


@dataclass(frozen=True, slots=True)
class Trial:
    """One saying of one phrase."""

    speaker: str
    name: str
    round: int


@dataclass(frozen=True, slots=True)
class Result:
    """What was made of a trial at a question; `heard` is empty where it was unclear."""

    trial: Trial
    question: str
    verdict: str
    heard: str


def spoken(trial: Trial) -> bytes:
    """The trial as it comes over the line."""
    random = Random(f"{trial.speaker}:{trial.name}:{trial.round}")
    lost = random.choice(CLIPPED_MS) * SAMPLES_PER_MS
    said = clipped(phrase(trial.name, trial.speaker)[lost:] * random.choice(GAINS))
    lead = LEAD_MS * SAMPLES_PER_MS + random.randrange(TICK_SAMPLES)
    audio: Samples = np.concatenate((silence(lead), said, silence(TAIL_MS * SAMPLES_PER_MS)))
    audio = np.concatenate((audio, silence(-len(audio) % TICK_SAMPLES)))
    noise = ComfortNoise(random)
    return mixed(audio, np.concatenate([noise.take(TICK_SAMPLES) for _ in range(len(audio) // TICK_SAMPLES)])).tobytes()


def utterances(pcm: bytes) -> Iterator[Utterance]:
    """What the agent's ear cuts out of the line, once the detector has settled."""
    listener = Listener()
    frame_bytes = 2 * TICK_SAMPLES
    for start in range(0, len(pcm), frame_bytes):
        for heard in listener.feed(pcm[start : start + frame_bytes]):
            if isinstance(heard, Utterance) and not heard.is_click:
                yield heard


def questions(script: Script) -> dict[str, Question]:
    """One question for each set of phrases that is listened for, under the names of all that share it."""
    by_phrases: dict[frozenset[str], list[str]] = {}
    for name, node in script.nodes.items():
        if isinstance(node, Question):
            by_phrases.setdefault(frozenset(script.phrases_of(node)), []).append(name)
    named: dict[str, Question] = {}
    for names in by_phrases.values():
        node = script.nodes[names[0]]
        if isinstance(node, Question):
            named["/".join(names)] = node
    return named


def judge(trial: Trial) -> Result:
    """The trial at the question whose turn it is."""
    script = script_of({})
    asked = list(questions(script).items())
    name, node = asked[trial.round % len(asked)]
    meaning = {each: branch.go for branch in script.branches_of(node) for each in branch.phrases}
    expected = meaning.get(trial.name.replace("_", " "))
    # Several utterances where there was one phrase are several answers: the first counts, as in a call.
    first = next(utterances(spoken(trial)), None)
    said = None if first is None else decode(first.pcm, RATE_HZ, script.phrases_of(node)).phrase
    got = meaning.get(said) if said else None
    verdict = "right" if got == expected else "unclear" if got is None else "wrong"
    return Result(trial, name, verdict, said or "")


def trials(rounds: int) -> Iterator[Trial]:
    """Every phrase of every voice, round by round; what is nobody's in particular once a round."""
    script = script_of({})
    names = {name for node in questions(script).values() for name in script.phrases_of(node)}
    for number in range(rounds):
        for speaker in voices():
            for name in (*sorted(names), *NO_ANSWERS):
                if _is_recorded(name.replace(" ", "_"), speaker):
                    yield Trial(speaker, name.replace(" ", "_"), number)


def _is_recorded(name: str, speaker: str) -> bool:
    try:
        phrase(name, speaker)
    except KeyError:
        return False
    return True


def main(argv: list[str]) -> int:
    """Print the tables; the exit code is 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks hearing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--deadline-s", type=float, default=DEADLINE_S)
    options = parser.parse_args(argv)
    began = time.monotonic()
    results: list[Result] = []
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for result in pool.imap(judge, trials(options.rounds), chunksize=8):
            results.append(result)
            if time.monotonic() - began > options.deadline_s:
                pool.terminate()
                break
    rounds = len({result.trial.round for result in results})
    print(f"{len(results)} recognitions in {time.monotonic() - began:.0f} s, {rounds} of {options.rounds} rounds\n")
    answers = [result for result in results if _is_answer(result)]
    _print_by_voice(answers)
    _print_by_phrase(answers)
    return _print_verdict(answers, [result for result in results if not _is_answer(result)])


def _is_answer(result: Result) -> bool:
    script = script_of({})
    node = questions(script)[result.question]
    return result.trial.name.replace("_", " ") in script.phrases_of(node)


def _shares(results: Iterable[Result]) -> tuple[float, float, float]:
    counted = Counter(result.verdict for result in results)
    total = max(1, counted.total())
    return counted["right"] / total, counted["unclear"] / total, counted["wrong"] / total


def _print_by_voice(answers: list[Result]) -> None:
    print("| voice | question | right | unclear | wrong |\n|---|---|---|---|---|")
    for speaker in voices():
        for question in questions(script_of({})):
            rows = [each for each in answers if each.trial.speaker == speaker and each.question == question]
            print(f"| {speaker} | {question} | " + " | ".join(f"{share:.1%}" for share in _shares(rows)) + " |")


def _print_by_phrase(answers: list[Result]) -> None:
    print("\n| phrase | voice | said | right | heard instead |\n|---|---|---|---|---|")
    for name in sorted({each.trial.name for each in answers}):
        for speaker in voices():
            rows = [each for each in answers if each.trial.name == name and each.trial.speaker == speaker]
            missed = Counter(each.heard or "unclear" for each in rows if each.verdict != "right")
            if rows:
                instead = ", ".join(f"{heard} x{count}" for heard, count in missed.most_common())
                print(f"| {name} | {speaker} | {len(rows)} | {len(rows) - missed.total()} | {instead} |")


def _print_verdict(answers: list[Result], others: list[Result]) -> int:
    right, unclear, wrong = _shares(answers)
    print(f"\nanswers: right {right:.2%}, unclear {unclear:.2%}, wrong {wrong:.2%} of {len(answers)}")
    taken = Counter(f"{each.trial.name} as {each.heard}" for each in others if each.verdict == "wrong")
    print(f"no answers: taken for one {taken.total()} of {len(others)} {dict(taken) or ''}")
    is_good = right >= GOAL_RIGHT and wrong <= GOAL_WRONG
    print(f"goal: right at least {GOAL_RIGHT:.0%}, wrong at most {GOAL_WRONG:.0%}: {'met' if is_good else 'MISSED'}")
    return 0 if is_good else 1
