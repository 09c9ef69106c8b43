"""Reading the tables of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_FIRST_CELL = re.compile(r"^\| *`([^`]+)`")


def page(name: str) -> str:
    """The text of a page below docs/."""
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables whose first cell begins with code, as lists of cells without the outer white space."""
    for line in text.splitlines():
        if _FIRST_CELL.match(line):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def code(cell: str) -> str:
    """The code a cell begins with; empty without any."""
    match = re.match(r"`([^`]+)`", cell)
    return match.group(1) if match else ""
