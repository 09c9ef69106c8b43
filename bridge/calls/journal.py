"""The journal of one process: notes wait in memory for half a second, and are then written by a thread of their own."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid4

from bridge.calls.spool import Abandoned, Record, Spool

logger = logging.getLogger(__name__)
T = TypeVar("T")

FLUSH_EVERY_S: Final = 0.5
DISK_DEADLINE_S: Final = 10.0
# Half an hour of a full process with a disk that takes nothing; beyond it the oldest notes are given up.
MAX_NOTES: Final = 20_000
REPLAY_BATCH: Final = 100


class Journal:
    """What this process's calls have said, on its way to the disk."""

    def __init__(self, directory: Path) -> None:
        self._spool = Spool(directory, uuid4().hex)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bridge-journal")
        self._notes: list[tuple[UUID, Record]] = []
        self._has_failed = False
        self.lost_notes = 0

    def note(self, call_id: UUID, record: Record) -> None:
        """Remember a record for the next round."""
        if len(self._notes) >= MAX_NOTES:
            del self._notes[0]
            self.lost_notes += 1
        self._notes.append((call_id, record))

    async def flush(self) -> bool:
        """Write all notes; whether they are on the disk. A disk that refuses them gets them again in the next round."""
        notes, self._notes = self._notes, []
        if not notes:
            return True
        lines: defaultdict[UUID, list[Record]] = defaultdict(list)
        for call_id, record in notes:
            lines[call_id].append(record)
        try:
            await self._on_disk(partial(self._spool.append, lines))
        except OSError as error:
            if not self._has_failed:
                logger.warning("journal not written: %s", type(error).__name__)
            self._notes, self._has_failed = notes + self._notes, True
            return False
        except asyncio.CancelledError:
            # Whether the thread began with it or not: writing twice changes nothing.
            self._notes = notes + self._notes
            raise
        self._has_failed = False
        return True

    async def forget(self, call_id: UUID) -> None:
        """Delete the journal of a call whose end and every turn the database has."""
        self._notes = [(noted_id, record) for noted_id, record in self._notes if noted_id != call_id]
        await self._remove(call_id)

    async def abandoned(self) -> list[Abandoned]:
        """Journals that have lost their writer, some at a time."""
        try:
            return await self._on_disk(partial(self._spool.abandoned, REPLAY_BATCH))
        except OSError as error:
            logger.warning("journals not looked at: %s", type(error).__name__)
            return []

    async def forget_abandoned(self, left: Abandoned) -> None:
        """Delete a journal that was replayed."""
        await self._remove(left.path)

    async def close(self) -> None:
        """Write what waits, and leave what was left behind to the next process."""
        await self.flush()
        try:
            await self._on_disk(self._spool.release)
        except OSError as error:
            logger.warning("journal not closed: %s", type(error).__name__)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _remove(self, which: UUID | Path) -> None:
        try:
            await self._on_disk(partial(self._spool.remove, which))
        except OSError as error:
            # It is replayed once more then, which changes nothing.
            logger.warning("journal not removed: %s", type(error).__name__)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        """What the work returns.

        Raises:
            OSError: the disk refuses; a TimeoutError (which is one) where it takes too long.
        """
        async with asyncio.timeout(DISK_DEADLINE_S):
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
