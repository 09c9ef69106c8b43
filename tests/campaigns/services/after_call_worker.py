"""One process of the platform doing one thing at a named moment, for the tests that kill it half-way.

`python -m tests.campaigns.services.after_call_worker ACTION NOW ARGUMENT…`; the environment says where it may die.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import django

django.setup()

from campaigns.enums import ResultStep  # noqa: E402 models can be imported only after setup
from campaigns.services import calls, steps, webhooks  # noqa: E402
from campaigns.services.calls import CallEnd, TurnDraft  # noqa: E402


def open_call(now: datetime, token: str) -> None:
    calls.open_psr_call(token=token, vendor_call_id="psr-1", query={}, now=now)


def record_turn(_now: datetime, call_id: str) -> None:
    draft = TurnDraft(0, "customer", "i", "Yes.", "", 100, 600, is_interrupted=False, confidence=0.9)
    calls.record_turns({UUID(call_id): [draft]})


def finish(now: datetime, call_id: str) -> None:
    calls.finish_call(call_id=UUID(call_id), end=CallEnd("agent_hangup", disposition="completed"), now=now)


def run_step(now: datetime, call_id: str, step: str) -> None:
    steps.run_step(call_id=UUID(call_id), step=ResultStep(step), now=now)


def deliver(now: datetime, delivery_id: str) -> None:
    webhooks.deliver(int(delivery_id), now=now)


ACTIONS: Mapping[str, Callable[..., None]] = {
    action.__name__: action for action in (open_call, record_turn, finish, run_step, deliver)
}

if __name__ == "__main__":
    name, moment, *arguments = sys.argv[1:]
    ACTIONS[name](datetime.fromisoformat(moment), *arguments)
