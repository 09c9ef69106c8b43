"""Bugs to be planted in the dialers of a run, each of which the checker must find. None of them is in the product."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from campaigns import crash_points
from campaigns.models import CallAttempt
from campaigns.policies.eligibility import Gate, GateState
from campaigns.queries.dialing import OpenLines
from campaigns.services import dialing
from campaigns.tasks import dialing as tasks
from telephony.psr.answers import AnswerKind, PsrAnswer
from telephony.psr.classifier import classify
from telephony.psr.client import PsrClient
from tests.history.schedule import NUMBERS, Order, Schedule, Task


@dataclass(frozen=True, slots=True)
class Bug:
    """A way to break a dialer, and the rule whose breach shows it. `tune` makes it more likely to in a schedule."""

    plant: Callable[[], None]
    rule: str
    tune: Callable[[Schedule], Schedule] = lambda schedule: schedule


def replace(owner: Any, name: str, value: Any) -> Any:
    """Put something in the place of what is there, which it must be; returns that."""
    there = getattr(owner, name)
    setattr(owner, name, value)
    return there


def undisturbed(schedule: Schedule, **changes: Any) -> Schedule:
    """The same run without most of its faults, changed so that a bug shows more often."""
    calm: dict[str, Any] = {"crash_probability": 0.0, "kills_s": (), "lost": 0.0, "broker_losses_s": ()}
    return dataclasses.replace(schedule, **calm | changes)


def soon_after_the_claim(schedule: Schedule) -> Schedule:
    """Between claim and marker there is time for a window to close."""
    return undisturbed(schedule, delayed=1.0, delay_s=(0.25, 0.5), window_closes_s=2.5, freeze_point="", tasks=())


def long_after_the_claim(schedule: Schedule) -> Schedule:
    """Messages come when the lease is about to end."""
    return undisturbed(schedule, delayed=1.0, delay_s=(0.6, 1.0), freeze_point="", tasks=())


def everybody_asks_for_peace(schedule: Schedule) -> Schedule:
    """One number after the other is put on the do-not-call list, and between claim and marker there is time for it."""
    tasks = tuple(Task(0.4 + 0.3 * number, Order.SUPPRESS, number) for number in range(NUMBERS))
    return undisturbed(schedule, tasks=tasks, freeze_point="", delayed=1.0, delay_s=(0.25, 0.5))


def often_wanted_numbers(schedule: Schedule) -> Schedule:
    """Nothing stands in the way of calling the numbers that both campaigns have."""
    return undisturbed(schedule, tasks=(), freeze_point="", window_closes_s=None, number_cap=1, campaign_lines=(4, 4))


def few_lines(schedule: Schedule) -> Schedule:
    """Hardly a line to call on."""
    return undisturbed(schedule, trunk_lines=2, campaign_lines=(1, 1), freeze_point="")


def frozen_at_the_marker(schedule: Schedule) -> Schedule:
    """Both dialers are frozen between marker and POST."""
    return undisturbed(schedule, freeze_point="marked")


def post_before_the_marker() -> None:
    """POST first, and write down afterwards that it will be done."""

    class Undone(Exception):
        """Takes the marker back."""

    def undoing() -> Any:
        block: Any = transaction.Atomic(using=None, savepoint=True, durable=False)
        # As a test's transaction, which a durable one may stand in.
        block._from_testcase = True
        return block

    def place_call(*, attempt_id: str, fence: int) -> None:
        order = None
        try:
            with undoing():
                order = mark(UUID(attempt_id), fence, now=timezone.now())
                raise Undone
        except Undone:
            if order is None:
                return
        answer = tasks.client_for(order).create_stream(order.request)
        crash_points.reach("answered")
        if dialing.mark(UUID(attempt_id), fence, now=timezone.now()) is not None:
            verdict = classify(answer, is_503_safe=False, refused_codes=frozenset())
            dialing.apply_verdict(order.attempt_id, verdict=verdict, answer=answer, now=timezone.now())

    mark = dialing.mark
    replace(tasks, "place_call", place_call)


def no_pause_guard() -> None:
    """Send however long ago the marker was written."""
    settings.PAUSE_BUDGET_S = 1e9


def blind_retry() -> None:
    """POST again where no answer came."""
    create_stream = PsrClient.create_stream

    def create_stream_twice(self: PsrClient, *arguments: Any, **options: Any) -> PsrAnswer:
        answer = create_stream(self, *arguments, **options)
        if answer.kind is AnswerKind.INTERRUPTED:
            answer = create_stream(self, *arguments, **options)
        return answer

    replace(PsrClient, "create_stream", create_stream_twice)


def without_gate(*codes: Gate) -> Callable[[], None]:
    """Write the marker without asking these gates; what the claim asks stays."""

    def plant() -> None:
        dial_gates: Callable[..., list[GateState]] = getattr(dialing, "dial_gates")  # noqa: B009  not exported

        def fewer_gates(*arguments: Any, **options: Any) -> list[GateState]:
            return [state for state in dial_gates(*arguments, **options) if state.code not in codes]

        replace(dialing, "dial_gates", fewer_gates)

    return plant


def lines_ignored() -> None:
    """Count no call that is under way."""
    replace(OpenLines, "by_campaign", lambda *_: {})


def lease_not_checked() -> None:
    """Place a claim however old it is."""
    lock_claimed = dialing._lock_claimed

    def lock_any(attempt_id: UUID, fence: int, _: datetime) -> CallAttempt | None:
        return lock_claimed(attempt_id, fence, datetime(2000, 1, 1, tzinfo=UTC))

    replace(dialing, "_lock_claimed", lock_any)


BUGS: dict[str, Bug] = {
    "post_before_the_marker": Bug(post_before_the_marker, "I8"),
    "no_pause_guard": Bug(no_pause_guard, "I10", frozen_at_the_marker),
    "blind_retry": Bug(blind_retry, "I1"),
    "window_checked_at_claim_only": Bug(without_gate(Gate.WINDOW), "I8", soon_after_the_claim),
    "do_not_call_checked_at_claim_only": Bug(without_gate(Gate.SUPPRESSED), "I8", everybody_asks_for_peace),
    "number_caps_ignored": Bug(without_gate(Gate.RECENT_CALL, Gate.NUMBER_CAP), "I9", often_wanted_numbers),
    "lines_ignored": Bug(lines_ignored, "I11", few_lines),
    "lease_not_checked": Bug(lease_not_checked, "I8", long_after_the_claim),
}
