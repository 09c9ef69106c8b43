"""After a call: run the steps that are due, and find the calls and steps whose message was lost."""

from __future__ import annotations

import logging
import random
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from campaigns.enums import ResultStep
from campaigns.policies.step_backoff import JITTER
from campaigns.services.calls import finish_lost_calls
from campaigns.services.steps import calls_with_due_steps, close_processed_calls, due_steps
from campaigns.services.steps import run_step as try_step
from campaigns.tasks.sending import send

log = logging.getLogger(__name__)

# A hurry-up that waited longer is worth nothing: the sweeper has sent another.
MESSAGE_EXPIRES_S = 60
# May take as long as a task may: not in front of the others.
SLOW_STEPS = frozenset({ResultStep.RECORDING})


@shared_task(ignore_result=True)
def process_call(*, call_id: str) -> None:
    """Run every step of the call that is due; slow ones get a message of their own."""
    due = due_steps(call_id=UUID(call_id), now=timezone.now())
    for step in due:
        if step in SLOW_STEPS:
            send(run_step, expires_s=MESSAGE_EXPIRES_S, call_id=call_id, step=step.value)
    for step in due:
        if step not in SLOW_STEPS:
            try_step(call_id=UUID(call_id), step=step, now=timezone.now(), jitter=_jitter())


@shared_task(ignore_result=True)
def run_step(*, call_id: str, step: str) -> None:
    """Run one step of a call, if it is due."""
    try_step(call_id=UUID(call_id), step=ResultStep(step), now=timezone.now(), jitter=_jitter())


@shared_task(ignore_result=True)
def sweep_calls() -> None:
    """End the calls whose bridge died, and have them processed."""
    for call_id in finish_lost_calls(now=timezone.now()):
        log.warning("call_interrupted", extra={"call_id": str(call_id)})
        send(process_call, expires_s=MESSAGE_EXPIRES_S, call_id=str(call_id))


@shared_task(ignore_result=True)
def sweep_steps() -> None:
    """Send for the calls that have work due; doing so twice changes nothing."""
    for call_id in calls_with_due_steps(now=timezone.now()):
        send(process_call, expires_s=MESSAGE_EXPIRES_S, call_id=str(call_id))
    close_processed_calls()


def _jitter() -> float:
    return random.uniform(-JITTER, JITTER)
