"""The page of a live call's faults names every fault, and tests there are."""

from __future__ import annotations

from tests.docs.pages import missing_proofs, proofs

PAGE = "reference/faults-bridge.md"


def test_every_fault_has_its_row():
    assert list(proofs(PAGE)) == [
        *(f"B{number}" for number in range(1, 37)),
        *(f"U{number}" for number in range(1, 15)),
    ]


def test_every_fault_names_tests_there_are():
    assert [fault for fault, named in proofs(PAGE).items() if not named] == []
    assert missing_proofs(PAGE) == []
