"""The checker finds what it is there for: each bug that is planted in the dialers, within a few seeds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.history.bugs import BUGS

pytestmark = [pytest.mark.timeout(1200)]

SEEDS = "1-8"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The first breaches of each bug's own rule."""
    directory = tmp_path_factory.mktemp("bugs")
    command = [sys.executable, "-m", "tests.history", "--bugs", "--seeds", SEEDS, "--json", "--keep", str(directory)]
    done = subprocess.run([*command, "--at-once", str(len(BUGS))], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr[-3000:]
    breaches: dict[str, list[str]] = {name: [] for name in BUGS}
    for line in done.stdout.splitlines():
        result = json.loads(line)
        breaches[result["order"]["bug"]] += result["breaches"]
    return breaches


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str, found: dict[str, list[str]]) -> None:
    assert [breach for breach in found[bug] if breach.startswith(f"{BUGS[bug].rule}:")] != []
