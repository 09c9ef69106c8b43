"""The page of faults names every fault around dialing, and tests there are."""

from __future__ import annotations

from tests.docs.pages import missing_proofs, page, proofs, rows

PAGE = "reference/faults.md"
ROWS = {"D": 36, "Q": 20, "S": 14, "P": 19, "C": 15, "X": 13}
WITHOUT_A_TEST = {"P19", "X13"}


def test_every_fault_has_its_row():
    assert list(proofs(PAGE)) == [
        f"{letter}{number}" for letter, count in ROWS.items() for number in range(1, count + 1)
    ]


def test_every_fault_names_tests_there_are_or_says_that_it_has_none():
    assert {fault for fault, named in proofs(PAGE).items() if not named} == WITHOUT_A_TEST
    assert missing_proofs(PAGE) == []


def test_what_has_no_test_is_not_said_to_hold():
    unproved = [row for row in rows(page(PAGE)) if row[3] == "—"]
    assert all("**Not done**" in row[2] for row in unproved)
