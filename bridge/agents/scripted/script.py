"""What a script is: questions with branches, endings and hand-overs; and how one is read from an agent's configuration.

The bundled `customer_survey.json` is the example. A script is data a person writes: every fault is told with its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

BUNDLED_DIR: Final = Path(__file__).parent
MAX_NODES: Final = 200
MAX_PHRASES: Final = 30
KEYS: Final = frozenset("0123456789*#")
PHRASE: Final = re.compile(r"[a-z']+( [a-z']+)*")
_EXTENSION: Final = re.compile(r"[0-9*#]{1,16}")


class ScriptError(ValueError):
    """A script cannot be used; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Hearing one of the phrases, or a key, leads to `go`; `value` is what is recorded (None: the phrase itself)."""

    phrases: tuple[str, ...]
    keys: tuple[str, ...]
    go: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Prompts, then listening. `again` is said instead when it is asked once more."""

    say: tuple[str, ...]
    again: tuple[str, ...]
    branches: tuple[Branch, ...]
    record_as: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """Prompts, then hang up; the conversation achieved `disposition`."""

    say: tuple[str, ...]
    disposition: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """Prompts, then a transfer to `extension`."""

    say: tuple[str, ...]
    disposition: str
    extension: str


Node: TypeAlias = Question | Ending | HandOver


@dataclass(frozen=True, slots=True)
class Patience:
    """At the `tries`-th failure at one question the conversation goes to `go`; before that `say` and ask again."""

    say: str
    tries: int
    go: str


@dataclass(frozen=True, slots=True)
class Script:
    """A whole conversation. `voicemail_after_s` of speech in answer to the first question is a machine."""

    name: str
    start: str
    nodes: Mapping[str, Node]
    anywhere: tuple[Branch, ...]
    no_input: Patience
    no_input_after_s: float
    not_understood: Patience
    voicemail_after_s: float
    voicemail_disposition: str

    def branches_of(self, node: Question) -> tuple[Branch, ...]:
        """The branches open at a question: its own before those that are open anywhere."""
        return node.branches + self.anywhere

    def phrases_of(self, node: Question) -> tuple[str, ...]:
        """Everything worth hearing at a question."""
        return tuple(dict.fromkeys(phrase for branch in self.branches_of(node) for phrase in branch.phrases))

    def prompts(self) -> frozenset[str]:
        """Every prompt the conversation may play."""
        said = [name for node in self.nodes.values() for name in node.say]
        asked_again = [name for node in self.nodes.values() if isinstance(node, Question) for name in node.again]
        return frozenset([*said, *asked_again, self.no_input.say, self.not_understood.say])

    def extensions(self) -> frozenset[str]:
        """Every extension the conversation may hand the customer to."""
        return frozenset(node.extension for node in self.nodes.values() if isinstance(node, HandOver))


def script_of(config: Mapping[str, Any]) -> Script:
    """The script an agent's configuration asks for: `script` is a bundled name or the script itself.

    `extension` in the configuration replaces the script's own.

    Raises:
        ScriptError: it cannot be used.
    """
    source = config.get("script", "customer_survey")
    if isinstance(source, str):
        source = _bundled(source)
    if not isinstance(source, Mapping):
        raise ScriptError("script: give the name of a bundled script, or an object")
    extension = config.get("extension")
    return parse(source if extension is None else {**source, "extension": extension})


@lru_cache(maxsize=8)
def _bundled(name: str) -> Mapping[str, Any]:
    path = BUNDLED_DIR / f"{name}.json"
    if not re.fullmatch(r"[a-z0-9_]{1,64}", name) or not path.is_file():
        known = ", ".join(sorted(path.stem for path in BUNDLED_DIR.glob("*.json")))
        raise ScriptError(f"script: there is no bundled script {name!r}; there are: {known}")
    script: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return script


def parse(source: Mapping[str, Any]) -> Script:
    """The script in a JSON object.

    Raises:
        ScriptError: the first fault found, with its place.
    """
    top = _Place(source, "script")
    top.only("name", "start", "extension", "no_input", "not_understood", "voicemail", "anywhere", "nodes")
    nodes_at = top.object("nodes")
    if not 1 <= len(nodes_at.value) <= MAX_NODES:
        raise ScriptError(f"script.nodes: give between 1 and {MAX_NODES} nodes")
    extension = str(source.get("extension", ""))
    nodes = {name: _node(nodes_at.object(name), extension) for name in nodes_at.value}
    no_input, voicemail = top.object("no_input"), top.object("voicemail")
    script = Script(
        name=top.text("name"),
        start=top.text("start"),
        nodes=nodes,
        anywhere=_branches(top, "anywhere"),
        no_input=_patience(no_input, "after_s"),
        no_input_after_s=no_input.number("after_s", 1, 60),
        not_understood=_patience(top.object("not_understood")),
        voicemail_after_s=voicemail.number("after_s", 2, 60),
        voicemail_disposition=voicemail.text("disposition"),
    )
    _check_targets(script)
    return script


def _node(at: _Place, extension: str) -> Node:
    kinds = [kind for kind in ("ask", "end", "transfer") if kind in at.value]
    if len(kinds) != 1:
        raise ScriptError(f"{at.path}: give exactly one of ask, end, transfer")
    say = at.texts(kinds[0])
    if kinds[0] == "ask":
        at.only("ask", "again", "record_as", "branches")
        again = at.texts("again") if "again" in at.value else say
        branches = _branches(at, "branches")
        if not branches:
            raise ScriptError(f"{at.path}.branches: a question needs at least one")
        return Question(say, again, branches, str(at.value.get("record_as", "")))
    if kinds[0] == "end":
        at.only("end", "disposition")
        return Ending(say, at.text("disposition"))
    at.only("transfer", "disposition", "extension")
    target = str(at.value.get("extension", extension))
    if not _EXTENSION.fullmatch(target):
        raise ScriptError(f"{at.path}.extension: give 1 to 16 digits, not {target!r}")
    return HandOver(say, at.text("disposition"), target)


def _branches(at: _Place, key: str) -> tuple[Branch, ...]:
    branches = tuple(_branch(_Place(value, f"{at.path}.{key}[{index}]")) for index, value in enumerate(at.list(key)))
    if sum(len(branch.phrases) for branch in branches) > MAX_PHRASES:
        raise ScriptError(f"{at.path}.{key}: more than {MAX_PHRASES} phrases cannot be told apart; use fewer")
    return branches


def _branch(at: _Place) -> Branch:
    at.only("hear", "keys", "value", "go")
    phrases = at.texts("hear") if "hear" in at.value else ()
    keys = at.texts("keys") if "keys" in at.value else ()
    for phrase in phrases:
        if not PHRASE.fullmatch(phrase):
            raise ScriptError(f"{at.path}.hear: {phrase!r} must be lower-case English words")
    if not set(keys) <= KEYS:
        raise ScriptError(f"{at.path}.keys: keys are 0-9, * and #")
    if not phrases and not keys:
        raise ScriptError(f"{at.path}: give hear or keys")
    value = at.value.get("value")
    return Branch(phrases, keys, at.text("go"), None if value is None else str(value))


def _patience(at: _Place, *more: str) -> Patience:
    at.only("say", "tries", "go", *more)
    return Patience(at.text("say"), int(at.number("tries", 1, 10)), at.text("go"))


def _check_targets(script: Script) -> None:
    branches = [
        (f"script.nodes.{name}", branch)
        for name, node in script.nodes.items()
        if isinstance(node, Question)
        for branch in node.branches
    ] + [("script.anywhere", branch) for branch in script.anywhere]
    targets = [(place, branch.go) for place, branch in branches]
    targets += [("script.no_input", script.no_input.go), ("script.not_understood", script.not_understood.go)]
    for place, target in [("script.start", script.start), *targets]:
        if target not in script.nodes:
            raise ScriptError(f"{place}: there is no node named {target!r}")
    if not isinstance(script.nodes[script.start], Question):
        raise ScriptError("script.start: must be a question")
    for patience in (script.no_input, script.not_understood):
        if isinstance(script.nodes[patience.go], Question):
            raise ScriptError(f"script: giving up must not lead to the question {patience.go!r}")


@dataclass(frozen=True, slots=True)
class _Place:
    """A value of the script and the path to it, for messages."""

    value: Any
    path: str

    def __post_init__(self) -> None:
        if not isinstance(self.value, Mapping):
            raise ScriptError(f"{self.path}: must be an object")

    def only(self, *keys: str) -> None:
        unknown = sorted(set(self.value) - set(keys))
        if unknown:
            raise ScriptError(f"{self.path}: unknown key {unknown[0]!r}; known are {', '.join(keys)}")

    def object(self, key: str) -> _Place:
        return _Place(self._get(key), f"{self.path}.{key}")

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not value:
            raise ScriptError(f"{self.path}.{key}: must be a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.list(key)
        if not values or not all(isinstance(value, str) and value for value in values):
            raise ScriptError(f"{self.path}.{key}: must be a list of texts")
        return tuple(values)

    def list(self, key: str) -> Sequence[Any]:
        value = self._get(key)
        if not isinstance(value, list):
            raise ScriptError(f"{self.path}.{key}: must be a list")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ScriptError(f"{self.path}.{key}: must be a number from {least} to {most}")
        return value

    def _get(self, key: str) -> Any:
        if key not in self.value:
            raise ScriptError(f"{self.path}.{key}: is missing")
        return self.value[key]
