"""The conversation as a machine: a state and what happened give the next state and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from bridge.agents.scripted.script import Branch, Ending, HandOver, Patience, Question, Script

# The disposition by which a script says that the customer asked never to be called again.
NEVER_AGAIN: Final = "do_not_call"


@dataclass(frozen=True, slots=True)
class Understood:
    """The customer said one of the phrases of the question."""

    phrase: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The customer said something else; `has_interrupted` where that cut the question off."""

    has_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Silence:
    """The customer said nothing for as long as the script waits."""


@dataclass(frozen=True, slots=True)
class Key:
    """The customer pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class Machine:
    """An answering machine speaks."""


Stimulus: TypeAlias = Understood | Unclear | Silence | Key | Machine


@dataclass(frozen=True, slots=True)
class Say:
    """Play these prompts."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """An answer to keep; `asked` are the prompts of its question."""

    key: str
    asked: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Dispose:
    """What the conversation achieved."""

    disposition: str


@dataclass(frozen=True, slots=True)
class NeverCall:
    """The customer must not be called again; comes before the goodbye that promises it."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The conversation is over."""


@dataclass(frozen=True, slots=True)
class TransferTo:
    """Hand the customer over."""

    extension: str


Effect: TypeAlias = Say | Record | Dispose | NeverCall | HangUp | TransferTo


@dataclass(frozen=True, slots=True)
class State:
    """Where the conversation stands. `node` is None once it is over."""

    node: str | None
    silences: int = 0
    unclears: int = 0
    has_been_cut: bool = False


Step: TypeAlias = tuple[State, tuple[Effect, ...]]


def begin(script: Script) -> Step:
    """The first question."""
    return _enter(script, script.start)


def advance(script: Script, state: State, stimulus: Stimulus) -> Step:
    """What follows from `stimulus`; nothing does once the conversation is over."""
    node = script.nodes[state.node] if state.node is not None else None
    if not isinstance(node, Question):
        return state, ()
    match stimulus:
        case Understood(phrase=phrase):
            branch = next((each for each in script.branches_of(node) if phrase in each.phrases), None)
            return _unclear(script, state, node) if branch is None else _follow(script, node, branch, phrase)
        case Key(digit=digit):
            branch = next((each for each in script.branches_of(node) if digit in each.keys), None)
            return _unclear(script, state, node) if branch is None else _follow(script, node, branch, digit)
        case Unclear(has_interrupted=True) if not state.has_been_cut:
            # A hello over the prompt is no answer to it: nobody has heard the question yet.
            return replace(state, has_been_cut=True), (Say(node.say),)
        case Unclear():
            return _unclear(script, state, node)
        case Silence():
            silent = replace(state, silences=state.silences + 1)
            return _insist(script, silent, node, script.no_input, silent.silences)
        case Machine():
            return State(None), (Dispose(script.voicemail_disposition), HangUp())


def _unclear(script: Script, state: State, node: Question) -> Step:
    unclear = replace(state, unclears=state.unclears + 1)
    return _insist(script, unclear, node, script.not_understood, unclear.unclears)


def _insist(script: Script, state: State, node: Question, patience: Patience, failures: int) -> Step:
    if failures >= patience.tries:
        return _enter(script, patience.go)
    return state, (Say((patience.say, *node.again)),)


def _follow(script: Script, node: Question, branch: Branch, said: str) -> Step:
    state, effects = _enter(script, branch.go)
    # A branch that is open anywhere answers no question: it leaves it.
    if node.record_as and branch in node.branches:
        value = said if branch.value is None else branch.value
        return state, (Record(node.record_as, node.say, value), *effects)
    return state, effects


def _enter(script: Script, name: str) -> Step:
    match script.nodes[name]:
        case Question(say=say):
            return State(name), (Say(say),)
        case Ending(say=say, disposition=disposition):
            promises = (NeverCall(),) if disposition == NEVER_AGAIN else ()
            return State(None), (*promises, Say(say), Dispose(disposition), HangUp())
        case HandOver(say=say, disposition=disposition, extension=extension):
            return State(None), (Say(say), Dispose(disposition), TransferTo(extension))
