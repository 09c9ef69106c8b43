"""`python -m tests.history`: make runs and print what went wrong in them; exit 1 if anything did.

--seed 7           one run; --seeds 1-20 many of them
--bugs             instead, plant one bug after the other in the dialers; exit 1 if the checker misses one
--at-once 6        how many runs side by side
--keep DIRECTORY   where the histories go, so that `--check DIRECTORY/7/history.jsonl` can judge one again
--json             one line of JSON per run
DATABASE_URL       a PostgreSQL server to use instead of SQLite files
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import django

from tests.history.schedule import TIMES_S, draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.history.databases import Databases
    from tests.history.running import Result

AT_ONCE = 6


def main(arguments: argparse.Namespace) -> int:
    with ExitStack() as at_the_end:
        directory = Path(arguments.keep or at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="history-")))
        directory.mkdir(parents=True, exist_ok=True)
        server_url = set_up_django(directory)
        # These import models.
        from tests.history.checker import violations
        from tests.history.databases import open_databases
        from tests.history.record import read_history

        if arguments.check:
            found = violations(read_history(Path(arguments.check)))
            print(*found, sep="\n")
            return 1 if found else 0
        seeds = seeds_of(arguments.seeds)
        has_restarts = any(draw(seed).has_database_restarts for seed in seeds)
        databases = at_the_end.enter_context(open_databases(server_url, directory, has_restarts=has_restarts))
        make = planted if arguments.bugs else faultless
        results = []
        for result in make(seeds, directory, databases, arguments.at_once):
            results.append(result)
            print(json.dumps(asdict(result)) if arguments.json else told(result), flush=True)
        if not arguments.bugs:
            return 1 if any(result.breaches for result in results) else 0
        missed = {result.order.bug for result in results} - {r.order.bug for r in results if r.shows_the_bug}
        return 1 if missed else 0


def faultless(seeds: range, directory: Path, databases: Databases, at_once: int) -> Iterator[Result]:
    """Runs of the product as it is."""
    from tests.history.running import Order, run_all

    yield from run_all([Order(seed) for seed in seeds], directory, databases, at_once=at_once)


def planted(seeds: range, directory: Path, databases: Databases, at_once: int) -> Iterator[Result]:
    """Runs with each bug, with one seed after the other, until it is found."""
    from tests.history.bugs import BUGS
    from tests.history.running import Order, run_all

    hidden = {name: list(seeds) for name in BUGS}
    while any(hidden.values()):
        orders = [Order(left.pop(0), name) for name, left in hidden.items() if left]
        for result in run_all(orders, directory, databases, at_once=at_once):
            yield result
            if result.shows_the_bug:
                del hidden[result.order.bug]


def told(result: Result) -> str:
    """A run for people."""
    counts = " ".join(f"{name}={count}" for name, count in result.counts.items() if count)
    lines = [f"{result.order.name}: {len(result.breaches)} violations ({counts})", *result.breaches]
    if result.breaches and not result.order.bug:
        lines.append(f"again: python -m tests.history --seed {result.order.seed}")
    return "\n".join(lines)


def set_up_django(directory: Path) -> str:
    """Set Django up for runs, with deadlines of about a second; the PostgreSQL server to use, empty for SQLite."""
    server_url = os.environ.get("DATABASE_URL", "")
    server_url = server_url if server_url.startswith("postgres") else ""
    for name in ("REDIS_URL", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"):
        os.environ.pop(name, None)
    os.environ |= {
        **{name: str(value) for name, value in TIMES_S.items()},
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": str(directory / "none"),
        "SECRET_KEY": "history-test-" + "0123456789abcdef" * 3,
        "DATA_DIR": str(directory),
        "DATABASE_URL": (
            urlunsplit(urlsplit(server_url)._replace(path="/postgres"))
            if server_url
            else f"sqlite:///{directory / 'template.sqlite3'}"
        ),
        "LOG_LEVEL": "ERROR",
        "BREAKER_FAILED_SHARE": "0",
    }
    django.setup()
    return server_url


def seeds_of(text: str) -> range:
    """The seeds that `7` or `1-20` names."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.history", usage=__doc__)
    parser.add_argument("--seed", "--seeds", dest="seeds", default="1-20")
    parser.add_argument("--bugs", action="store_true")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--keep", default="")
    parser.add_argument("--check", default="")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(parsed(sys.argv[1:])))
