"""What was said and learned in live calls and is not in the database yet. Bounded; the oldest gives way."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, DataError, IntegrityError
from django.utils import timezone

from bridge.calls.database import DatabaseThreads
from bridge.calls.records import do_request_late
from bridge.session import Action, Answer, Findings, Turn
from campaigns.services.calls import TurnDraft, record_findings, record_turns

logger = logging.getLogger(__name__)

# Some hours of transcript of a full process; beyond it the oldest turns are given up, and counted.
MAX_TURNS: Final = 20_000
MAX_BATCH_TURNS: Final = 500
MAX_FINDINGS: Final = 2_000
MAX_REQUESTS: Final = 2_000


class Unwritten:
    """Turns and findings by call, each as it was told last, and what customers asked for."""

    def __init__(self, database: DatabaseThreads) -> None:
        self.lost_turns = 0
        self._database = database
        self._turns: dict[tuple[UUID, int], TurnDraft] = {}
        self._findings: dict[UUID, Findings] = {}
        self._requests: dict[tuple[UUID, Action], datetime] = {}

    @property
    def turns(self) -> int:
        """How many turns wait."""
        return len(self._turns)

    @property
    def call_ids(self) -> list[UUID]:
        """The calls of which something waits, the longest waiting first."""
        return list(dict.fromkeys([*(call_id for call_id, _ in (*self._turns, *self._requests)), *self._findings]))

    def add_turn(self, call_id: UUID, turn: TurnDraft) -> None:
        """Remember a turn in place of its earlier telling."""
        key = (call_id, turn.seq)
        if key not in self._turns and len(self._turns) >= MAX_TURNS:
            del self._turns[next(iter(self._turns))]
            if not self.lost_turns:
                logger.warning("turns are given up: the database has been away for too long")
            self.lost_turns += 1
        self._turns[key] = turn

    def set_findings(self, call_id: UUID, findings: Findings) -> None:
        """Remember all that the agent of a call has learned so far."""
        if call_id not in self._findings and len(self._findings) >= MAX_FINDINGS:
            del self._findings[next(iter(self._findings))]
        self._findings[call_id] = findings

    def add_request(self, call_id: UUID, action: Action, at: datetime) -> None:
        """Remember what a customer asked for at that moment."""
        if len(self._requests) >= MAX_REQUESTS:
            del self._requests[next(iter(self._requests))]
        self._requests[call_id, action] = at

    def drop_request(self, call_id: UUID, action: Action) -> None:
        """It was done, or cannot be."""
        self._requests.pop((call_id, action), None)

    async def write_turns(self) -> bool:
        """Write the turns of all calls, many at once; whether the database takes them."""
        for _ in range(0, len(self._turns), MAX_BATCH_TURNS):
            batch = dict(islice(self._turns.items(), MAX_BATCH_TURNS))
            if not await self._write_batch(batch):
                return False
        return True

    async def write(self, call_id: UUID) -> bool:
        """Write what waits of a call; whether nothing does any more."""
        return (
            await self._write_requests(call_id)
            and await self._write_batch({key: draft for key, draft in self._turns.items() if key[0] == call_id})
            and await self._write_findings(call_id)
        )

    async def _write_requests(self, call_id: UUID) -> bool:
        for (asked_id, action), at in list(self._requests.items()):
            if asked_id == call_id:
                if not await self._database.settle(partial(do_request_late, call_id, action, at)):
                    return False
                self.drop_request(call_id, action)
        return True

    async def _write_batch(self, batch: Mapping[tuple[UUID, int], TurnDraft]) -> bool:
        by_call: defaultdict[UUID, list[TurnDraft]] = defaultdict(list)
        for (call_id, _), draft in batch.items():
            by_call[call_id].append(draft)
        if by_call and not await self._record(by_call):
            return False
        for key, draft in batch.items():
            # A turn that became better known meanwhile is written again.
            if self._turns.get(key) is draft:
                del self._turns[key]
        return True

    async def _record(self, by_call: Mapping[UUID, list[TurnDraft]]) -> bool:
        """Whether the turns are off the list. What the database refuses of one call must not hold up the others."""
        if len(by_call) > 1:
            try:
                await self._database.run(partial(record_turns, by_call))
            except (DataError, IntegrityError):
                pass
            except (DatabaseError, TimeoutError) as error:
                logger.warning("turns put off: %s", type(error).__name__)
                return False
            else:
                return True
        for call_id, drafts in by_call.items():
            if not await self._database.settle(partial(record_turns, {call_id: drafts})):
                return False
        return True

    async def _write_findings(self, call_id: UUID) -> bool:
        findings = self._findings.get(call_id)
        if findings is None:
            return True
        work = partial(
            record_findings,
            call_id=call_id,
            answers=plain_answers(findings.answers),
            disposition=findings.disposition,
            now=timezone.now(),
        )
        if not await self._database.settle(work):
            return False
        if self._findings.get(call_id) is findings:
            del self._findings[call_id]
        return True


def plain_answers(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """Answers as the platform keeps them."""
    return [asdict(answer) for answer in answers]


def draft_of(turn: Turn) -> TurnDraft:
    """A turn as the platform keeps it; one that is still being spoken ends where it began."""
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
