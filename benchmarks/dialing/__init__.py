"""What dialing costs: claims, launches, ticks and pages among very many contacts, and calls placed a second.

The endpoint that is called answers at once and does nothing, so what is measured is our own cost; posting the same form
with one plain `httpx.Client` is the peer, in the same run. Runs on PostgreSQL started for it, unless DATABASE_URL names
an empty database.

Options: `--calls=N` placed a round (default 200); `--contacts=N,N` in one campaign, growing (default 10000,1000000);
`--only-claims` measures nothing but claims (four minutes with 10000000).
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from benchmarks.installation import installation


def main(argv: list[str]) -> None:
    """Run in a process of its own with its own database, and print the figures."""
    options(argv)
    with installation() as environment:
        command = [sys.executable, "-m", "benchmarks.dialing", *argv]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    _print(json.loads(done.stdout.splitlines()[-1]))


def options(argv: Sequence[str]) -> Namespace:
    """The options as numbers; `contacts` in growing order."""
    parser = ArgumentParser(prog="benchmarks dialing")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--contacts", type=_sizes, default=[10_000, 1_000_000])
    parser.add_argument("--only-claims", action="store_true")
    return parser.parse_args(argv)


def _sizes(text: str) -> list[int]:
    return sorted(int(size) for size in text.split(","))


def _print(figures: dict[str, Any]) -> None:
    load = " to ".join(f"{each:.1f}" for each in figures["load"])
    print(f"load of the machine meanwhile: {load}\n")
    for size, claim in figures["claims"].items():
        print(f"claim of 50 among {int(size):>10,} contacts: p50 {claim['p50']:6.1f} ms, p99 {claim['p99']:6.1f} ms")
    if "launch" not in figures:
        return
    launch = figures["launch"]
    print(
        f"launch of {launch['contacts']:,} customers: {launch['launch_ms']:.0f} ms for the click, first contacts after "
        f"{launch['first_ms']:.0f} ms, all after {launch['all_s']:.1f} s"
    )
    tick = figures["tick"]
    print(f"tick, 100 campaigns on 10 trunks, {tick['claimed']:.0f} claims: p50 {tick['p50']:.0f} ms")
    for name, ms in figures["pages"].items():
        print(f"{name:32} among {figures['of_contacts']:,} contacts: {ms:6.0f} ms")
    placed, posted = figures["placed"], figures["posted"]
    print(f"place_call, one thread:       {placed['per_s']:7.0f} /s, {placed['cpu_ms']:.1f} ms of its CPU each")
    print(f"plain httpx POST, one thread: {posted['per_s']:7.0f} /s, {posted['cpu_ms']:.1f} ms of its CPU each")
    print(f"place_call / plain POST:      {placed['per_s'] / posted['per_s']:7.2f}")
