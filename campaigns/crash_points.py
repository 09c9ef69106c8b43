"""Named points at which a test may kill the process, to prove that a crash there loses nothing.

`reach("marked")` does nothing unless settings.CRASH_POINT is "marked:PROBABILITY:SEED"; a system check refuses that
setting outside DEBUG.
"""

from __future__ import annotations

import os
import random
from functools import lru_cache

from django.conf import settings

EXIT_CODE = 137
POINTS = (
    "claimed",
    "mark_before_commit",
    "marked",
    "posted",
    "answered",
    "result_before_commit",
    "ws_consumed",
    "turns_written",
    "finish_before_commit",
    "finished",
    "step_done",
    "delivered",
)


@lru_cache(maxsize=4)
def _armed(setting: str) -> tuple[str, float, random.Random] | None:
    if not setting:
        return None
    name, probability, seed = setting.split(":")
    if name not in POINTS:
        raise ValueError(f"CRASH_POINT names {name!r}; known points are {', '.join(POINTS)}.")
    return name, float(probability), random.Random(f"{seed}:{os.getpid()}")


def reach(point: str) -> None:
    """Die here, without any clean-up, when the settings say so."""
    armed = _armed(settings.CRASH_POINT)
    if armed and armed[0] == point and armed[2].random() < armed[1]:
        os._exit(EXIT_CODE)
