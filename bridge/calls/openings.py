"""The openings of calls: each under a deadline, and none that comes too late leaves a call that nobody carries.

The database may take longer than the socket waits. Then the opening is undone before it is committed; where the commit
itself was slow, the call is kept for a while for the next socket that brings the same, and ended if none comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol
from uuid import UUID

from django.db import DatabaseError

from bridge.calls.database import DatabaseThreads
from campaigns.errors import CallRefused
from campaigns.services.calls import OpenedCall

logger = logging.getLogger(__name__)

# Source: reliability budgets: the opening of a call, which PSR waits for.
OPEN_DEADLINE_S: Final = 5.0
# A switch that tries again does it within seconds; until then the call is nobody's.
KEEP_LATE_S: Final = 15.0


class Open(Protocol):
    """Opens a call in the database, unless at the end of it nobody waits any more."""

    def __call__(self, *, is_wanted: Callable[[], bool]) -> OpenedCall:
        """The call.

        Raises:
            CallRefused: there is none; nothing was changed.
        """


class Openings:
    """Those of one process that were given up, by what their socket brought."""

    def __init__(self, database: DatabaseThreads) -> None:
        self._database = database
        self._given_up: dict[Hashable, _Opening] = {}

    async def open(self, key: Hashable, work: Open) -> OpenedCall:
        """Open a call, or take over the one that was opened too late for an earlier socket of the same key.

        Raises:
            CallRefused: 503, the database does not answer in time; or what the work raised.
        """
        opening = self._given_up.pop(key, None)
        if opening is None or opening.has_failed:
            opening = _Opening(self._database, work)
        opening.is_wanted, is_told = True, False
        try:
            await asyncio.wait((opening.call,), timeout=OPEN_DEADLINE_S)
            with answered():
                if not opening.call.done():
                    raise TimeoutError
                is_told = True
                return opening.call.result()
        finally:
            if not is_told:
                opening.is_wanted, opening.given_up_s = False, asyncio.get_running_loop().time()
                self._given_up[key] = opening

    def overdue(self, keep_s: float = KEEP_LATE_S) -> list[UUID]:
        """The calls that were opened too late and that no socket came for; they are forgotten here."""
        now_s, ids = asyncio.get_running_loop().time(), []
        for key, opening in list(self._given_up.items()):
            if opening.has_failed:
                del self._given_up[key]
            elif opening.call.done() and now_s - opening.given_up_s >= keep_s:
                del self._given_up[key]
                ids.append(opening.call.result().call_id)
        return ids


class _Opening:
    """Work on a thread, which asks `is_wanted` before it commits."""

    def __init__(self, database: DatabaseThreads, work: Open) -> None:
        self.is_wanted = True
        self.given_up_s = 0.0
        self._work = work
        self.call = database.begin(self._open)
        # Looked at, so that one that fails after all have left is no error of the loop's.
        self.call.add_done_callback(_failure)

    @property
    def has_failed(self) -> bool:
        return self.call.done() and _failure(self.call) is not None

    def _open(self) -> OpenedCall:
        if not self.is_wanted:
            raise CallRefused(503, "too_late", "The socket has given up.")
        return self._work(is_wanted=lambda: self.is_wanted)


@contextmanager
def answered() -> Iterator[None]:
    """What the database says while a socket waits for it.

    Raises:
        CallRefused: 503, it does not answer.
    """
    try:
        yield
    except (DatabaseError, TimeoutError) as error:
        logger.warning("call not opened: %s", type(error).__name__)
        raise CallRefused(503, "database_unavailable", "The database does not answer.") from error


def _failure(work: asyncio.Future[OpenedCall]) -> BaseException | None:
    """Why there is no call; None where there is one."""
    return asyncio.CancelledError() if work.cancelled() else work.exception()
