"""`make bench`: runs every benchmark of this directory, or those named, and prints machine and date first.

A benchmark is a module here with `main(argv)`; it prints its figures as ratios against a peer or a limit measured in
the same run. Results worth keeping go to README.md with the header.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import benchmarks


def machine() -> str:
    """The processor, its cores, the system and Python, in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def main(arguments: list[str]) -> int:
    known = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name != "__main__")
    names = [argument for argument in arguments if not argument.startswith("-")] or known
    if unknown := sorted(set(names) - set(known)):
        print(f"No such benchmark: {', '.join(unknown)}. Known: {', '.join(known)}.")
        return 2
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {machine()}")
    for name in names:
        print(f"\n## {name}\n", flush=True)
        importlib.import_module(f"benchmarks.{name}").main([a for a in arguments if a.startswith("-")])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
