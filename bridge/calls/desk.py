"""What one bridge process knows of its calls, and the rounds it makes to keep the platform informed of them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from os import getpid
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from django.utils import timezone
from kombu.exceptions import OperationalError

from bridge.calls.database import DatabaseThreads
from bridge.calls.gauges import Gauges
from bridge.calls.journal import FLUSH_EVERY_S, Journal
from bridge.calls.openings import KEEP_LATE_S, OPEN_DEADLINE_S, Openings, answered
from bridge.calls.pulse import LoopLag
from bridge.calls.recordings import Recordings
from bridge.calls.records import do_request, end_record, findings_record, replay, request_record, turn_record
from bridge.calls.unwritten import Unwritten, draft_of, plain_answers
from bridge.session import Action, ActionResult, CallSummary, EndedBy, Findings, Stop, Turn
from campaigns.errors import BadCallToken, CallRefused, CallRequestRefused
from campaigns.policies import call_tokens
from campaigns.queries.calling_rules import calls_to_hang_up
from campaigns.services import bridge_nodes
from campaigns.services.attempts import token_keys
from campaigns.services.calls import CallEnd, OpenedCall, finish_call, open_psr_call, touch_calls
from campaigns.tasks.results import process_call

logger = logging.getLogger(__name__)
T = TypeVar("T")

PUBLISH_DEADLINE_S: Final = 1.0
# Both fit into the time the session gives an action (`Limits.action_s`): first the database, then the disk.
REQUEST_DEADLINE_S: Final = 1.5
KEEP_DEADLINE_S: Final = 0.4
WRITE_EVERY_S: Final = 1.0
# An operator's stop is obeyed within two seconds, the hang-up itself included.
HEED_STOPS_EVERY_S: Final = 0.5
NODE_HEARTBEAT_S: Final = 5.0
CALL_HEARTBEAT_S: Final = 10.0
REPAIR_EVERY_S: Final = 60.0
END_LATE_EVERY_S: Final = 1.0
# For calls that were cancelled as the process leaves: their goodbye, their recording and the writing of their end.
LEAVE_S: Final = 12.0
MAX_WAITING_ENDS: Final = 2_000


@dataclass(slots=True)
class LiveEntry:
    """A call on this process; its `stop` ends it."""

    call_id: UUID
    stop: Stop = field(default_factory=Stop)


@dataclass(frozen=True, slots=True)
class _WaitingEnd:
    call_id: UUID
    end: CallEnd
    at: datetime


class CallDesk:
    """The calls of one process, from the seat to the recorded end."""

    def __init__(
        self,
        *,
        name: str,
        capacity: int,
        data_dir: Path,
        call_heartbeat_s: float = CALL_HEARTBEAT_S,
        database: Executor | None = None,
    ) -> None:
        self.name = name
        self.capacity = capacity
        self.is_draining = False
        self._call_heartbeat_s = call_heartbeat_s
        self._database = DatabaseThreads(database)
        self._publisher = ThreadPoolExecutor(1, thread_name_prefix="bridge-publish")
        self.openings = Openings(self._database)
        self.unwritten = Unwritten(self._database)
        self.recordings = Recordings(data_dir, self._database)
        self.journal = Journal(data_dir / "spool")
        self.gauges = Gauges()
        self._lag = LoopLag()
        self._live: dict[UUID, LiveEntry] = {}
        self._opening = 0
        self._has_stopped = False
        self._ending = 0
        self._has_ended = asyncio.Event()
        self._ends: deque[_WaitingEnd] = deque(maxlen=MAX_WAITING_ENDS)

    @property
    def live_calls(self) -> int:
        """How many calls this process holds, those being opened included."""
        return len(self._live) + self._opening

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

    async def open(
        self, *, token: str, vendor_call_id: str, query: Mapping[str, str], tenant: str = "", peer: str = ""
    ) -> tuple[OpenedCall, LiveEntry]:
        """Turn a socket of PSR's into a call; a forged token costs no database work.

        Raises:
            CallRefused: with the HTTP status; 503 where the database does not answer.
        """
        now = timezone.now()
        try:
            call_tokens.verify(token, keys=token_keys(), now=now)
        except BadCallToken as error:
            raise CallRefused(410 if error.code == "expired" else 403, f"token_{error.code}") from None
        work = partial(
            open_psr_call, token=token, vendor_call_id=vendor_call_id, query=query, now=now, tenant=tenant, peer=peer
        )
        opened = await self.openings.open(("psr", token, vendor_call_id, tenant, peer), work)
        return opened, self.take_in(opened)

    async def ask(self, work: Callable[[], T]) -> T:
        """What the database says while a socket waits for it.

        Raises:
            CallRefused: 503, it does not answer; or what the work raised.
        """
        with answered():
            return await self._database.run(work, OPEN_DEADLINE_S)

    def take_in(self, opened: OpenedCall) -> LiveEntry:
        """Count a call that was opened among this process's, until it is finished."""
        entry = self._live[opened.call_id] = LiveEntry(opened.call_id)
        if self._has_stopped:
            entry.stop.politely()
        return entry

    def turn(self, call_id: UUID, turn: Turn) -> None:
        """Remember a turn for the writer; the last telling of a turn is the one that is written."""
        draft = draft_of(turn)
        self.unwritten.add_turn(call_id, draft)
        self.journal.note(call_id, turn_record(draft))

    def learned(self, call_id: UUID, findings: Findings) -> None:
        """Remember for the writer all that the agent has learned so far."""
        self.unwritten.set_findings(call_id, findings)
        self.journal.note(call_id, findings_record(plain_answers(findings.answers), findings.disposition))

    async def perform(self, call_id: UUID, action: Action) -> ActionResult:
        """Do what the customer asked for; well done once the database or, while that is away, the disk has it."""
        now = timezone.now()
        self.unwritten.add_request(call_id, action, now)
        try:
            await self._database.run(partial(do_request, call_id, action, now), REQUEST_DEADLINE_S)
        except (DatabaseError, TimeoutError) as error:
            logger.warning("request put off: %s", type(error).__name__, extra={"call_id": str(call_id)})
            return await self._keep_request(call_id, action, now)
        except CallRequestRefused as refused:
            self.unwritten.drop_request(call_id, action)
            return ActionResult(ok=False, error=refused.detail)
        except ObjectDoesNotExist:
            self.unwritten.drop_request(call_id, action)
            return ActionResult(ok=False, error="The call is not known.")
        self.unwritten.drop_request(call_id, action)
        return ActionResult(ok=True)

    async def finish(self, call_id: UUID, summary: CallSummary, recording: Path | None) -> None:
        """Record the end of a call, after what was said in it; without a database both wait for the writer."""
        self._live.pop(call_id, None)
        self._ending += 1
        try:
            self.gauges.ended(summary)
            recording_path = "" if recording is None else self.recordings.name_of(recording)
            waiting = _WaitingEnd(call_id, _end_of(summary, recording_path), timezone.now())
            self.journal.note(call_id, end_record(waiting.end, waiting.at))
            await self._settle(waiting)
        finally:
            self._ending -= 1
            self._has_ended.set()

    def stop_all(self) -> None:
        """End every call politely, those that are being opened too."""
        self._has_stopped = True
        for entry in self._live.values():
            entry.stop.politely()

    async def run(self) -> None:
        """Write what waits, show that process and calls live, and repair what dead processes left; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(WRITE_EVERY_S, self._write))
            group.create_task(_every(FLUSH_EVERY_S, self.journal.flush))
            group.create_task(_every(REPAIR_EVERY_S, self.replay_journals))
            group.create_task(self._lag.watch())
            group.create_task(_every(HEED_STOPS_EVERY_S, partial(_heed_stops, self._database, self._live)))
            group.create_task(_every(NODE_HEARTBEAT_S, self._beat_node))
            group.create_task(_every(self._call_heartbeat_s, self._touch))
            group.create_task(_every(REPAIR_EVERY_S, self.recordings.repair))
            group.create_task(_every(END_LATE_EVERY_S, partial(_end_late, self)))

    async def close(self, leave_s: float = LEAVE_S) -> None:
        """Write what waits, give back the node's row, and stop the threads. Call it after `run` was cancelled.

        Calls that were cancelled are waited for, at most `leave_s`.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(leave_s):
                while self._live or self._ending:
                    self._has_ended.clear()
                    await self._has_ended.wait()
        await _end_late(self, keep_s=0.0)
        await self._write()
        await self.journal.close()
        await self._database.settle(partial(bridge_nodes.retire, name=self.name))
        self._database.close()
        self.recordings.close()
        self._publisher.shutdown(wait=False, cancel_futures=True)

    async def _write(self) -> None:
        # One transaction for all calls' turns: a commit costs more than what is written in it.
        if not await self.unwritten.write_turns():
            return
        for call_id in self.unwritten.call_ids:
            if not await self.unwritten.write(call_id):
                return
        for _ in range(len(self._ends)):
            await self._settle(self._ends.popleft())

    async def _settle(self, waiting: _WaitingEnd) -> None:
        is_settled = False
        try:
            is_settled = await self.unwritten.write(waiting.call_id) and await self._database.settle(
                partial(finish_call, call_id=waiting.call_id, end=waiting.end, now=waiting.at)
            )
        finally:
            # Also where the writing was broken off: the process writes what waits before it leaves.
            if not is_settled:
                self._ends.append(waiting)
        if not is_settled:
            return
        await self.journal.forget(waiting.call_id)
        await self._hurry(waiting.call_id)

    async def replay_journals(self) -> None:
        """Write what dead processes had on the disk and not in the database."""
        for left in await self.journal.abandoned():
            if left.skipped_bytes:
                told = {"call_id": str(left.call_id), "skipped_bytes": left.skipped_bytes}
                logger.warning("journal damaged", extra=told)
                self.gauges.count("journal_skipped_bytes", left.skipped_bytes)
            work = partial(replay, left.call_id, left.records, now=timezone.now())
            if not await self._database.settle(work):
                return
            await self.journal.forget_abandoned(left)
            logger.info("journal replayed", extra={"call_id": str(left.call_id), "records": len(left.records)})

    async def _keep_request(self, call_id: UUID, action: Action, now: datetime) -> ActionResult:
        record = request_record(action, now)
        if record is None:
            return ActionResult(ok=False, error="The database does not answer.")
        self.journal.note(call_id, record)
        try:
            async with asyncio.timeout(KEEP_DEADLINE_S):
                is_kept = await self.journal.flush()
        except TimeoutError:
            is_kept = False
        return ActionResult(ok=is_kept, error="" if is_kept else "It could not be written down.")

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
            gauges={
                "loop_lag_ms": round(self._lag.take(), 1),
                "first_audio_ms": self.gauges.first_audio_ms,
                "waiting_turns": self.unwritten.turns,
                "totals": self.gauges.totals
                | {"lost_turns": self.unwritten.lost_turns, "given_up_writes": self._database.given_up},
            },
            now=timezone.now(),
        )
        await self._database.settle(beat)

    async def _touch(self) -> None:
        if self._live:
            await self._database.settle(partial(touch_calls, call_ids=list(self._live), now=timezone.now()))


async def _end_late(desk: CallDesk, keep_s: float = KEEP_LATE_S) -> None:
    """End calls that were opened too late for their socket, and for which no other came."""
    for call_id in desk.openings.overdue(keep_s):
        logger.warning("call opened too late", extra={"call_id": str(call_id)})
        await desk.finish(call_id, broken_summary(), None)


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
        call_heartbeat_s=settings.CALL_HEARTBEAT_S,
    )


async def _every(period_s: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # the top of a management loop: live calls must not end because a round of it broke
            logger.exception("round broke")
        await asyncio.sleep(period_s)


async def _heed_stops(database: DatabaseThreads, live: Mapping[UUID, LiveEntry]) -> None:
    """Hang up what an operator wants hung up. While the database does not answer, calls go on."""
    if not live:
        return
    with suppress(DatabaseError, TimeoutError):
        for call_id in await database.run(partial(calls_to_hang_up, list(live))):
            if entry := live.get(call_id):
                entry.stop.at_once()


def _end_of(summary: CallSummary, recording_path: str) -> CallEnd:
    return CallEnd(
        ended_by=summary.ended_by.value,
        disposition=summary.disposition,
        answers=plain_answers(summary.answers),
        transferred_to=summary.transferred_to,
        recording_path=recording_path,
        is_agent_broken=summary.is_agent_broken,
        metrics={**asdict(summary.counters), "duration_ms": summary.duration_ms, "detail": summary.detail},
    )
