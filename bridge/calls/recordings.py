"""Where recordings of calls lie, and what is done about those whose bridge died while it wrote them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from bridge.audio.recorder import abandoned_parts, final_path, repair
from bridge.calls.database import DatabaseThreads
from campaigns.services.calls import recover_recording

logger = logging.getLogger(__name__)
T = TypeVar("T")

THREADS: Final = 2
DISK_DEADLINE_S: Final = 10.0
# A recorder writes every second: what nobody has written to for so long has lost its writer.
ABANDONED_AFTER_S: Final = 60.0


class Recordings:
    """The recordings below one DATA_DIR; `threads` are for whoever writes one."""

    def __init__(self, data_dir: Path, database: DatabaseThreads) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="recorder")
        self._data_dir = data_dir
        self._database = database

    def path_of(self, call_id: UUID) -> Path:
        """Where the recording of a call lies once it is complete."""
        return self._directory / f"{call_id}.wav"

    def name_of(self, path: Path) -> str:
        """How the call's row names a recording: relative to DATA_DIR."""
        return path.relative_to(self._data_dir).as_posix()

    async def repair(self) -> None:
        """Complete what dead processes left of recordings, some at a time, once their calls are over."""
        before_s = timezone.now().timestamp() - ABANDONED_AFTER_S
        try:
            parts = await self._on_disk(partial(abandoned_parts, self._directory, before_s=before_s))
        except OSError as error:
            logger.warning("recordings not looked at: %s", type(error).__name__)
            return
        for part in parts:
            await self._repair(part)

    def close(self) -> None:
        """Stop the threads; what has not begun is dropped."""
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def _repair(self, part: Path) -> None:
        path = final_path(part)
        try:
            call_id = UUID(path.stem)
        except ValueError:
            return
        try:
            # The row first: a process that dies in between leaves the part, and the next round finds it again.
            if await self._database.run(partial(recover_recording, call_id=call_id, path=self.name_of(path))):
                await self._on_disk(partial(repair, part))
                logger.info("recording repaired", extra={"call_id": str(call_id)})
        except (DatabaseError, OSError) as error:
            logger.warning("recording not repaired: %s", type(error).__name__, extra={"call_id": str(call_id)})

    async def _on_disk(self, work: Callable[[], T]) -> T:
        async with asyncio.timeout(DISK_DEADLINE_S):
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    @property
    def _directory(self) -> Path:
        return self._data_dir / "recordings" / "calls"
