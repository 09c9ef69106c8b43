"""The page of a live call's faults names every fault, and tests there are."""

from __future__ import annotations

import re

from tests.docs.pages import REPOSITORY, code, page, rows

PAGE = "reference/faults-bridge.md"
WITHOUT_A_TEST = {"B28", "B33"}
_PROOF = re.compile(r"\[([^]]+)\]\(\.\./\.\./(tests/[^)]+\.py)\)")


def proofs() -> dict[str, list[tuple[str, str]]]:
    """By the fault's id: the name of each test, and its file."""
    return {code(row[0]): _PROOF.findall(row[3]) for row in rows(page(PAGE))}


def test_every_fault_has_its_row():
    assert list(proofs()) == [*(f"B{number}" for number in range(1, 37)), *(f"U{number}" for number in range(1, 15))]


def test_every_fault_names_tests_there_are():
    missing = []
    for fault, named in proofs().items():
        assert bool(named) != (fault in WITHOUT_A_TEST), fault
        for words, path in named:
            text = (REPOSITORY / path).read_text(encoding="utf-8")
            if f"def test_{words.replace(' ', '_')}(" not in text:
                missing.append((fault, path, words))
    assert missing == []
