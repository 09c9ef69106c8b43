"""The bridge's way to the database: threads of its own, and a deadline for each piece of work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections

logger = logging.getLogger(__name__)
T = TypeVar("T")

THREADS: Final = 4
# Source: reliability budgets: one statement.
DEADLINE_S: Final = 5.0
# A clash that is still there after these is the work's own.
INTEGRITY_TRIES: Final = 3
RIVAL_S: Final = 0.05


class DatabaseThreads:
    """Runs blocking database work beside the event loop; `given_up` counts what the database will never take."""

    def __init__(self, executor: Executor | None = None) -> None:
        self.given_up = 0
        self._executor = executor or ThreadPoolExecutor(THREADS, thread_name_prefix="bridge-db")

    async def run(self, work: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
        """What the work returns.

        Raises:
            TimeoutError: it took too long; it may still be done.
            DatabaseError: the database refused it, or is away.
        """
        async with asyncio.timeout(deadline_s):
            return await self.begin(work)

    def begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """What the work will return. It has no deadline, and goes on where nobody waits for it any more."""
        return asyncio.get_running_loop().run_in_executor(self._executor, _with_fresh_connection, work)

    async def settle(self, work: Callable[[], object]) -> bool:
        """Whether the work is off the list: done, or such as can never be done. False: try it again later."""
        try:
            await self._run_past_rivals(work)
        except (DataError, ObjectDoesNotExist):
            # Trying again would only hold up the calls behind it.
            self.given_up += 1
            logger.exception("database work given up")
        except IntegrityError as error:
            self.given_up += 1
            # Its own words hold the values that clash.
            logger.error("database work given up: %s", type(error).__name__)  # noqa: TRY400  see above
        except (DatabaseError, TimeoutError) as error:
            logger.warning("database work put off: %s", type(error).__name__)
            return False
        return True

    async def _run_past_rivals(self, work: Callable[[], object]) -> None:
        """Run it; again where a row clashes with another, which may just have been written by somebody else."""
        for _ in range(INTEGRITY_TRIES - 1):
            try:
                await self.run(work)
            except IntegrityError:
                await asyncio.sleep(RIVAL_S)
            else:
                return
        await self.run(work)

    def close(self) -> None:
        """Stop the threads; what has not begun is dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _with_fresh_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()
