"""The append-only history of a run, and the directories that stand in for message queues."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TAKEN = ".taken"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, by the wall clock all processes share. `began_s` where it took time."""

    at_s: float
    who: str
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    began_s: float | None = None

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.at_s:.3f} {self.who:<9} {self.kind:<10} {facts}"


@dataclass(frozen=True, slots=True)
class Recorder:
    """Appends to a history for one actor; each line is one write, so that processes may share the file."""

    path: Path
    who: str

    def note(self, kind: str, *, began_s: float | None = None, **facts: Any) -> None:
        """Write down what has just happened."""
        line = {"at_s": time.time(), "who": self.who, "kind": kind, "facts": facts, "began_s": began_s}
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def read_history(path: Path) -> list[Event]:
    """The events of a history in the order of their time."""
    events = [Event(**json.loads(line)) for line in path.read_text().splitlines()]
    return sorted(events, key=lambda event: event.at_s)


def send(directory: Path, message: Mapping[str, Any], *, due_s: float = 0.0) -> None:
    """Put a message into a directory, whole or not at all; nobody takes it before `due_s`."""
    name = uuid.uuid4().hex
    part = directory.parent / f"{name}.part"
    part.write_text(json.dumps({"due_s": due_s, "message": message}))
    part.rename(directory / name)


def take(directory: Path) -> Iterator[dict[str, Any]]:
    """Messages that are due and that nobody else took; each stays in sight until the taker asks for the next one.

    Whoever looks whether a queue is empty so learns that what came out of it has been dealt with.
    """
    for path in list(directory.iterdir()):
        if path.suffix == TAKEN:
            continue
        try:
            letter = json.loads(path.read_text())
            if letter["due_s"] > time.time():
                continue
            taken = path.rename(path.with_suffix(TAKEN))
        except FileNotFoundError:
            continue
        message: dict[str, Any] = letter["message"]
        try:
            yield message
        finally:
            taken.unlink()


def drop_all(directory: Path) -> int:
    """Lose every message, as a queue without persistence does; how many there were."""
    lost = 0
    for path in list(directory.iterdir()):
        if path.suffix != TAKEN:
            path.unlink(missing_ok=True)
            lost += 1
    return lost
