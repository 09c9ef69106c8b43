"""The one door to the rest of the platform: calls are opened, their turns written, their ends recorded here.

Nothing of this happens on the event loop: database work runs on a few threads of its own, each piece under a deadline,
so that one hanging statement delays no call. Turns are written by one writer per process, at most a second behind.
While the database is away calls go on: turns and ends wait here, within bounds, and are tried again every second; what
does not survive the process is ended by the platform's sweeper.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from os import getpid
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from bridge.session import CallSummary, EndedBy, Turn
from campaigns.errors import BadCallToken, CallRefused
from campaigns.policies import call_tokens
from campaigns.services import bridge_nodes
from campaigns.services.attempts import token_keys
from campaigns.services.calls import (
    CallEnd,
    OpenedCall,
    TurnDraft,
    finish_call,
    open_psr_call,
    record_turns,
    touch_calls,
)
from campaigns.tasks.results import process_call

__all__ = ["CallDesk", "CallRefused", "LiveEntry", "OpenedCall", "call_desk"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

DB_THREADS: Final = 4
RECORDING_THREADS: Final = 2
# Source: reliability budgets: one statement, and the opening of a call, which PSR waits for.
DB_DEADLINE_S: Final = 5.0
OPEN_DEADLINE_S: Final = 5.0
PUBLISH_DEADLINE_S: Final = 1.0
WRITE_EVERY_S: Final = 1.0
NODE_HEARTBEAT_S: Final = 5.0
CALL_HEARTBEAT_S: Final = 10.0
# Some hours of transcript of a full process; beyond it the oldest turns are given up, and counted.
MAX_WAITING_TURNS: Final = 20_000
MAX_WAITING_ENDS: Final = 2_000


@dataclass(slots=True)
class LiveEntry:
    """A call on this process; setting `stop` ends it politely."""

    call_id: UUID
    stop: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _WaitingEnd:
    call_id: UUID
    end: CallEnd
    at: datetime


class CallDesk:
    """What one bridge process knows of its calls, and its only way to the database."""

    def __init__(self, *, name: str, capacity: int, data_dir: Path, database: Executor | None = None) -> None:
        self.name = name
        self.capacity = capacity
        self.is_draining = False
        self.lost_turns = 0
        self.recorders = ThreadPoolExecutor(RECORDING_THREADS, thread_name_prefix="recorder")
        self._data_dir = data_dir
        self._database = database or ThreadPoolExecutor(DB_THREADS, thread_name_prefix="bridge-db")
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="bridge-publish")
        self._live: dict[UUID, LiveEntry] = {}
        self._opening = 0
        self._turns: dict[tuple[UUID, int], TurnDraft] = {}
        self._ends: deque[_WaitingEnd] = deque(maxlen=MAX_WAITING_ENDS)

    @property
    def live_calls(self) -> int:
        """How many calls this process holds, those being opened included."""
        return len(self._live) + self._opening

    @property
    def waiting_turns(self) -> int:
        """How many turns wait for the database."""
        return len(self._turns)

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Hold a place for a call that is being opened.

        Raises:
            CallRefused: 503, the process is full or leaving.
        """
        if self.is_draining:
            raise CallRefused(503, "draining", "This bridge is shutting down.")
        if self.live_calls >= self.capacity:
            raise CallRefused(503, "bridge_full", "This bridge has no free place.")
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    async def open(self, *, token: str, vendor_call_id: str, query: Mapping[str, str]) -> tuple[OpenedCall, LiveEntry]:
        """Turn a socket into a call; a forged token costs no database work.

        Raises:
            CallRefused: with the HTTP status; 503 where the database does not answer.
        """
        now = timezone.now()
        try:
            call_tokens.verify(token, keys=token_keys(), now=now)
        except BadCallToken as error:
            raise CallRefused(410 if error.code == "expired" else 403, f"token_{error.code}") from None
        work = partial(open_psr_call, token=token, vendor_call_id=vendor_call_id, query=query, now=now)
        try:
            opened = await self._in_database(work, OPEN_DEADLINE_S)
        except (DatabaseError, TimeoutError) as error:
            logger.warning("call not opened: %s", type(error).__name__)
            raise CallRefused(503, "database_unavailable", "The database does not answer.") from error
        entry = self._live[opened.call_id] = LiveEntry(opened.call_id)
        return opened, entry

    def turn(self, call_id: UUID, turn: Turn) -> None:
        """Remember a turn for the writer; the last telling of a turn is the one that is written."""
        key = (call_id, turn.seq)
        if key not in self._turns and len(self._turns) >= MAX_WAITING_TURNS:
            del self._turns[next(iter(self._turns))]
            self.lost_turns += 1
        self._turns[key] = _draft(turn)

    async def finish(self, call_id: UUID, summary: CallSummary, recording: Path | None) -> None:
        """Record the end of a call, once its turns are written; without a database both wait for the writer."""
        self._live.pop(call_id, None)
        await self._settle(_WaitingEnd(call_id, self._end_of(summary, recording), timezone.now()))

    def stop_all(self) -> None:
        """End every call politely."""
        for entry in self._live.values():
            entry.stop.set()

    async def run(self) -> None:
        """Write turns, retry ends and show that process and calls live; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(WRITE_EVERY_S, self._write))
            group.create_task(self._every(NODE_HEARTBEAT_S, self._beat_node))
            group.create_task(self._every(CALL_HEARTBEAT_S, self._touch))

    async def close(self) -> None:
        """Write what waits, give back the node's row, and stop the threads. Call it after `run` was cancelled."""
        await self._write()
        await self._try(partial(bridge_nodes.retire, name=self.name))
        for executor in (self._database, self._publisher, self.recorders):
            executor.shutdown(wait=False, cancel_futures=True)

    async def _every(self, period_s: float, work: Callable[[], object]) -> None:
        while True:
            await work()  # type: ignore[misc]  # every piece of work here is a coroutine function
            await asyncio.sleep(period_s)

    async def _write(self) -> None:
        for call_id in dict.fromkeys(call_id for call_id, _ in self._turns):
            if not await self._write_turns(call_id):
                return
        for _ in range(len(self._ends)):
            await self._settle(self._ends.popleft())

    async def _write_turns(self, call_id: UUID) -> bool:
        """Whether nothing of this call waits any more."""
        batch = {key: draft for key, draft in self._turns.items() if key[0] == call_id}
        if batch and not await self._try(partial(record_turns, call_id=call_id, turns=list(batch.values()))):
            return False
        for key, draft in batch.items():
            # A turn that became better known meanwhile is written again.
            if self._turns.get(key) is draft:
                del self._turns[key]
        return True

    async def _settle(self, waiting: _WaitingEnd) -> None:
        is_settled = await self._write_turns(waiting.call_id) and await self._try(
            partial(finish_call, call_id=waiting.call_id, end=waiting.end, now=waiting.at)
        )
        if not is_settled:
            self._ends.append(waiting)
            return
        await self._hurry(waiting.call_id)

    async def _hurry(self, call_id: UUID) -> None:
        """Ask for the call's results now. A dead broker costs a second at most: the sweeper finds the call anyway."""
        publish = partial(process_call.apply_async, kwargs={"call_id": str(call_id)}, retry=False)
        try:
            async with asyncio.timeout(PUBLISH_DEADLINE_S):
                await asyncio.get_running_loop().run_in_executor(self._publisher, publish)
        except (OperationalError, OSError) as error:
            logger.info("results not asked for: %s", type(error).__name__)

    async def _beat_node(self) -> None:
        beat = partial(
            bridge_nodes.heartbeat,
            name=self.name,
            capacity=self.capacity,
            live_calls=self.live_calls,
            is_draining=self.is_draining,
            now=timezone.now(),
        )
        await self._try(beat)

    async def _touch(self) -> None:
        if self._live:
            await self._try(partial(touch_calls, call_ids=list(self._live), now=timezone.now()))

    async def _try(self, work: Callable[[], object]) -> bool:
        """Whether the database did it; a failure is logged and left to the next round."""
        try:
            await self._in_database(work, DB_DEADLINE_S)
        except (DatabaseError, TimeoutError) as error:
            logger.warning("database work put off: %s", type(error).__name__)
            return False
        return True

    async def _in_database(self, work: Callable[[], T], deadline_s: float) -> T:
        async with asyncio.timeout(deadline_s):
            return await asyncio.get_running_loop().run_in_executor(self._database, _with_fresh_connection, work)

    def _end_of(self, summary: CallSummary, recording: Path | None) -> CallEnd:
        return CallEnd(
            ended_by=summary.ended_by.value,
            disposition=summary.disposition,
            answers=[asdict(answer) for answer in summary.answers],
            transferred_to=summary.transferred_to,
            recording_path="" if recording is None else recording.relative_to(self._data_dir).as_posix(),
            metrics={**asdict(summary.counters), "duration_ms": summary.duration_ms, "detail": summary.detail},
        )


def broken_summary() -> CallSummary:
    """The summary of a call that broke before it could make one of its own."""
    return CallSummary(ended_by=EndedBy.BRIDGE_ERROR, duration_ms=0)


@lru_cache(maxsize=1)
def call_desk() -> CallDesk:
    """The desk of this process."""
    return CallDesk(
        name=f"{socket.gethostname()}:{getpid()}"[:100],
        capacity=settings.MAX_CALLS_PER_PROCESS,
        data_dir=Path(settings.DATA_DIR),
    )


def _with_fresh_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


def _draft(turn: Turn) -> TurnDraft:
    return TurnDraft(
        seq=turn.seq,
        speaker=turn.speaker.value,
        item_id=turn.item_id,
        text=turn.text,
        heard_text=turn.heard_text,
        start_ms=turn.start_ms,
        end_ms=turn.start_ms if turn.end_ms is None else turn.end_ms,
        is_interrupted=turn.is_interrupted,
        confidence=turn.confidence,
    )
