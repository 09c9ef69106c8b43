"""Reading the tables of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_PROOF = re.compile(r"\[([^]]+)\]\(\.\./\.\./(tests/[^)]+\.py)\)")
_FIRST_CELL = re.compile(r"^\| *`([^`]+)`")


def page(name: str) -> str:
    """The text of a page below docs/."""
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables whose first cell begins with code, as lists of cells without the outer white space."""
    for line in text.splitlines():
        if _FIRST_CELL.match(line):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def proofs(name: str) -> dict[str, list[tuple[str, str]]]:
    """By the first cell of each row of a page of faults: each test in its last cell, as its name and its file."""
    return {code(row[0]): _PROOF.findall(row[3]) for row in rows(page(name))}


def missing_proofs(name: str) -> list[tuple[str, str, str]]:
    """The tests that a page of faults names and that are not there: fault, file, name in words."""
    return [
        (fault, path, words)
        for fault, named in proofs(name).items()
        for words, path in named
        if f"def test_{words.replace(' ', '_')}(" not in (REPOSITORY / path).read_text(encoding="utf-8")
    ]


def code(cell: str) -> str:
    """The code a cell begins with; empty without any."""
    match = re.match(r"`([^`]+)`", cell)
    return match.group(1) if match else ""
