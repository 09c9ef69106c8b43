"""The tasks after a call: they run what is due, and find what a lost message or a dead bridge left behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from kombu.exceptions import OperationalError

from campaigns.enums import EndedBy, ResultStep, StepState
from campaigns.models import Call, CallStep
from campaigns.services import calls
from campaigns.services.calls import CallEnd
from campaigns.tasks import results
from tests.factories import NOW, make_attempt, make_call

END = NOW + timedelta(seconds=42)


class Mailbox:
    """Stands for the broker's end of a task: remembers what was sent, or refuses it."""

    def __init__(self, *, is_reachable: bool = True) -> None:
        self.sent: list[dict[str, str]] = []
        self.is_reachable = is_reachable

    def __call__(self, *, kwargs: dict[str, str], expires: int) -> None:
        if not self.is_reachable:
            raise OperationalError("no broker")
        assert expires == results.MESSAGE_EXPIRES_S
        self.sent.append(kwargs)


@pytest.fixture
def process_messages(monkeypatch):
    mailbox = Mailbox()
    monkeypatch.setattr(results.process_call, "apply_async", mailbox)
    return mailbox


@pytest.fixture
def step_messages(monkeypatch):
    mailbox = Mailbox()
    monkeypatch.setattr(results.run_step, "apply_async", mailbox)
    return mailbox


def ended_call(**fields):
    call = make_call(duration_s=None, **fields)
    calls.finish_call(call_id=call.id, end=CallEnd("agent_hangup"), now=END)
    return call


@pytest.mark.django_db
def test_process_call_runs_every_due_step_and_sends_for_the_slow_one(step_messages):
    attempt = make_attempt(switch_call_id="psr-1", state="in_call", deadline_at=END, answered_at=NOW)
    call = ended_call(attempt=attempt)

    with time_machine.travel(END, tick=False):
        results.process_call(call_id=str(call.id))

    assert step_messages.sent == [{"call_id": str(call.id), "step": "recording"}]
    assert dict(call.steps.values_list("step", "state")) == {
        **dict.fromkeys(ResultStep, StepState.DONE),
        ResultStep.RECORDING: StepState.PENDING,
    }


@pytest.mark.django_db
def test_process_call_twice_changes_nothing(data_dir):
    call = ended_call()
    with time_machine.travel(END, tick=False):
        results.process_call(call_id=str(call.id))
        before = list(CallStep.objects.values())
        results.process_call(call_id=str(call.id))

    assert list(CallStep.objects.values()) == before
    assert Call.objects.get().is_processed


@pytest.mark.django_db
def test_run_step_runs_that_step_alone():
    call = ended_call()
    with time_machine.travel(END, tick=False):
        results.run_step(call_id=str(call.id), step="analysis")

    done = call.steps.filter(state=StepState.DONE)
    assert [row.step for row in done] == [ResultStep.ANALYSIS]


@pytest.mark.django_db
def test_sweep_calls_ends_silent_calls_and_has_them_processed(process_messages):
    call = make_call(duration_s=None, last_seen_at=NOW)

    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        results.sweep_calls()
        results.sweep_calls()

    assert Call.objects.get().ended_by == EndedBy.INTERRUPTED
    assert process_messages.sent == [{"call_id": str(call.id)}]


@pytest.mark.django_db
def test_sweep_steps_sends_for_calls_whose_message_was_lost(process_messages):
    call = ended_call()

    with time_machine.travel(END, tick=False):
        results.sweep_steps()

    assert process_messages.sent == [{"call_id": str(call.id)}]


@pytest.mark.django_db
def test_sweeping_without_a_broker_loses_nothing(process_messages):
    process_messages.is_reachable = False
    make_call(duration_s=None, last_seen_at=NOW)

    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        results.sweep_calls()
        process_messages.is_reachable = True
        results.sweep_steps()

    assert process_messages.sent == [{"call_id": str(Call.objects.get().id)}]
