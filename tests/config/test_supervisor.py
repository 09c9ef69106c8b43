"""Parts of the platform that do not come up: the one that failed is named, with its last words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.supervisor import Part, PartFailed, Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "logs", print)
    yield supervisor
    supervisor.stop()


def part(name: str, code: str, *, is_ready: bool) -> Part:
    return Part(name, (sys.executable, "-c", code), os.environ, is_ready=lambda: is_ready, stop_s=5)


def test_a_part_that_waits_for_another_is_not_blamed_for_it(supervisor):
    waits = part("waits", "import signal; signal.pause()", is_ready=False)
    fails = part("fails", "raise SystemExit('no room here')", is_ready=False)
    with pytest.raises(PartFailed, match=r"^fails ended at its start \(exit 1\).\nno room here$"):
        supervisor.start(waits, fails)


def test_parts_are_started_side_by_side(supervisor, tmp_path):
    # The first is ready only once the second runs.
    sign = tmp_path / "sign"
    first = Part("first", (sys.executable, "-c", "import signal; signal.pause()"), os.environ, is_ready=sign.exists)
    second = part("second", f"open({str(sign)!r}, 'w').close(); import signal; signal.pause()", is_ready=True)
    supervisor.start(first, second)
