"""What is built into a dialer of a run: a history of what it does, faults between its steps, and planted bugs."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from kombu.exceptions import OperationalError

from campaigns.models import CallAttempt
from campaigns.services import claiming, dialing
from campaigns.tasks import dialing as tasks
from tests.history import bugs
from tests.history.bugs import replace
from tests.history.record import Recorder, send

if TYPE_CHECKING:
    from tests.history.actors import Run


def install(run: Run, recorder: Recorder, slot: int) -> Callable[..., None]:
    """Rebuild this process for its run; what places a claimed attempt."""
    if slot == 0 and run.schedule.skew_s:
        _skew_clock(run.schedule.skew_s)
    if run.bug:
        bugs.BUGS[run.bug].plant()
    place_call: Callable[..., None] = tasks.place_call
    _record_claims(recorder)
    _record_marks(recorder)
    _freeze_at(run, recorder, slot)
    # The queue that every claim goes through.
    replace(tasks, "place_call", SimpleNamespace(delay=_queue(run, recorder)))
    return place_call


def _skew_clock(skew_s: float) -> None:
    true_now = timezone.now
    replace(timezone, "now", lambda: true_now() + timedelta(seconds=skew_s))


def _record_claims(recorder: Recorder) -> None:
    claim_due = dialing.claim_due

    def recorded(trunk_id: int, *, now: datetime) -> Sequence[claiming.Claimed]:
        began_s = time.time()
        claimed = claim_due(trunk_id, now=now)
        rows = CallAttempt.objects.filter(pk__in=[claim.attempt_id for claim in claimed])
        for attempt, campaign, number in rows.values_list("pk", "campaign_id", "phone_number"):
            recorder.note("claimed", began_s=began_s, attempt=str(attempt), campaign=campaign, number=number)
        return claimed

    replace(dialing, "claim_due", recorded)


def _record_marks(recorder: Recorder) -> None:
    mark = dialing.mark

    def recorded(attempt_id: UUID, fence: int, *, now: datetime) -> dialing.DialOrder | None:
        began_s = time.time()
        order = mark(attempt_id, fence, now=now)
        if order is not None:
            campaign = CallAttempt.objects.values_list("campaign_id", flat=True).get(pk=attempt_id)
            recorder.note("marked", began_s=began_s, attempt=str(attempt_id), campaign=campaign)
        return order

    replace(dialing, "mark", recorded)


def _freeze_at(run: Run, recorder: Recorder, slot: int) -> None:
    """Stop this process, once in its slot's life, at the schedule's point; whoever watches it lets it go on."""
    frozen = run.directory / f"frozen-{slot}"
    chance = random.Random(f"{run.schedule.seed}:{slot}")

    def reaching(reach: Callable[[str], None]) -> Callable[[str], None]:
        def reached(point: str) -> None:
            if point == run.schedule.freeze_point and not frozen.exists() and chance.random() < 0.3:
                frozen.touch()
                recorder.note("frozen", point=point)
                os.kill(os.getpid(), signal.SIGSTOP)
            reach(point)

        return reached

    for module in (claiming, dialing, tasks):
        replace(module, "reach", reaching(module.reach))


def _queue(run: Run, recorder: Recorder) -> Callable[..., None]:
    """What publishes a message: losing, doubling and delaying some, and failing while the broker is away."""
    chance, schedule = random.Random(f"{run.schedule.seed}:{os.getpid()}"), run.schedule

    def publish(**message: Any) -> None:
        outage = schedule.broker_outage_s
        if outage is not None and outage[0] <= run.elapsed_s() < outage[1]:
            raise OperationalError("the broker is away")
        copies = 0 if chance.random() < schedule.lost else 2 if chance.random() < schedule.doubled else 1
        for _ in range(copies):
            delay_s = chance.uniform(*schedule.delay_s) if chance.random() < schedule.delayed else 0.0
            send(run.queue("inbox"), message, due_s=time.time() + delay_s)
        if copies != 1:
            recorder.note("lost" if copies == 0 else "doubled", attempt=message["attempt_id"])

    return publish
