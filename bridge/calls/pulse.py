"""How late this process's event loop comes to what is due: the first sign that it has too much to do."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

logger = logging.getLogger(__name__)

PROBE_EVERY_S: Final = 0.1
# Source: reliability B24. A caller hears it as a gap once the lead of the playout is used up.
WARN_MS: Final = 100.0


class LoopLag:
    """Measures while `watch` runs; the worst value waits to be taken."""

    def __init__(self) -> None:
        self._worst_ms = 0.0

    async def watch(self) -> None:
        """Measure ten times a second; until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due_s = clock() + PROBE_EVERY_S
            await asyncio.sleep(PROBE_EVERY_S)
            self._worst_ms = max(self._worst_ms, (clock() - due_s) * 1000)

    def take(self) -> float:
        """The worst lag in ms since it was last asked for; said in the log where a caller may have heard it."""
        worst_ms, self._worst_ms = self._worst_ms, 0.0
        if worst_ms > WARN_MS:
            logger.warning("the event loop was late", extra={"lag_ms": round(worst_ms)})
        return worst_ms
