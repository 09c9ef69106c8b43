"""A dial worker's stand-in for a beat that is gone: it ticks and reaps, so that calls go on and none is left open.

Nothing else of the beat's work is done: what it would have swept waits until it is back, and the pages say so.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Final

from django.db import close_old_connections

from campaigns.queries.health import BEAT_GONE, broker_answers, is_beat_gone
from campaigns.services.heartbeats import end_turn, take_turn
from campaigns.tasks import dialing

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
REAP_EVERY: Final = timedelta(seconds=5)
# Longer than a tick takes. Whoever dies in its turn holds the others up for so long.
TURN: Final = timedelta(seconds=10)


class StandIn:
    """Looks every second whether the beat is gone, in a thread of its own. One process at a time takes its place."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="beat-stand-in", daemon=True)
        self._reaped_at: datetime | None = None
        self._is_standing_in = False

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more; returns when the round under way is over, or after a few seconds."""
        self._stop.set()
        self._thread.join(timeout=TURN.total_seconds())

    def round(self, now: datetime) -> bool:
        """Do one round of the beat's work for the dialer; False while the beat lives, or another stands in."""
        if not is_beat_gone(now) or not take_turn(now=now, ends_at=now + TURN):
            self._is_standing_in = False
            return False
        if not self._is_standing_in:
            log.warning("beat_gone")
            self._is_standing_in = True
        try:
            if self._reaped_at is None or now - self._reaped_at >= REAP_EVERY:
                dialing.reap()
                self._reaped_at = now
            # Without a broker, every claim would only be given back.
            if broker_answers():
                dialing.tick()
        finally:
            end_turn(now=now)
        return True

    def _watch(self) -> None:
        # When all parts start together, the beat may be the last of them.
        self._stop.wait(BEAT_GONE.total_seconds())
        while not self._stop.wait(EVERY_S):
            close_old_connections()
            try:
                self.round(dialing.clock.now())
            except Exception as fault:  # noqa: BLE001  a thread that died of a bug would leave nobody to reap
                log.warning("stand_in_broke_off", extra={"error": type(fault).__name__})
            finally:
                close_old_connections()
