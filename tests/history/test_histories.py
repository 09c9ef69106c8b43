"""Twenty seeds of faults on the database the suite runs on: nobody is called twice, against a rule, or forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(1200)]

SEEDS = range(1, 21)
# Runs mostly wait for deadlines, so that several fit on a core.
AT_ONCE = 7
MANY_SEEDS = range(21, 121)


def run_histories(directory: Path, seeds: range, *options: str) -> dict[int, dict[str, Any]]:
    """The results of `python -m tests.history`, by seed."""
    command = [sys.executable, "-m", "tests.history", "--seeds", f"{seeds[0]}-{seeds[-1]}", "--json"]
    command += ["--at-once", str(AT_ONCE), "--keep", str(directory), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr[-3000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {result["order"]["seed"]: result for result in results}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    return run_histories(tmp_path_factory.mktemp("history"), SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_with_faults_breaks_no_rule(seed: int, results: dict[int, dict[str, Any]]) -> None:
    assert results[seed]["breaches"] == [], f"again: python -m tests.history --seed {seed}"


def test_the_faults_were_there(results: dict[int, dict[str, Any]]) -> None:
    total = {kind: sum(result["counts"][kind] for result in results.values()) for kind in ("post", "killed", "frozen")}
    assert total["post"] >= 5 * len(SEEDS)
    assert min(total["killed"], total["frozen"]) >= len(SEEDS)
    broken_off = sum(result["counts"]["db_error"] for result in results.values())
    # SQLite is locked for nobody, however many write; PostgreSQL was killed, and noticed.
    assert bool(broken_off) is os.environ.get("DATABASE_URL", "").startswith("postgres")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_histories_with_faults_break_no_rule(tmp_path: Path) -> None:
    broken = {seed: result for seed, result in run_histories(tmp_path, MANY_SEEDS).items() if result["breaches"]}
    assert broken == {}
