"""Real processes killed at every named point during and after a call: what they began is finished by another, once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from campaigns.crash_points import EXIT_CODE
from campaigns.enums import AttemptState, EndedBy, ResultStep, StepState, WebhookEvent
from campaigns.models import Call, CallAttempt, CallStep, OutboxEvent, WebhookDelivery, WebhookEndpoint
from campaigns.policies.step_backoff import LEASE
from campaigns.policies.webhook_messages import new_secret
from campaigns.services import calls, steps, webhooks
from campaigns.services.calls import CallEnd
from campaigns.services.outbox import record_event
from tests.campaigns.services.test_calls import placed_attempt
from tests.factories import NOW, make_call
from tests.telephony.psr.scripted_server import answering

REPOSITORY = Path(__file__).parents[3]
END = NOW + timedelta(seconds=42)
LOST = NOW + timedelta(hours=1)


@pytest.fixture
def die_at(shared_database, data_dir, settings):
    """Run one action in a process of its own that kills itself at a crash point."""

    def run(point, *arguments):
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "DATABASE_URL": database_url(),
            "DATA_DIR": str(data_dir),
            "SECRET_KEY": settings.SECRET_KEY,
            "DEBUG": "1",
            "CRASH_POINT": f"{point}:1:0",
            "WEBHOOK_ALLOW_PRIVATE": ",".join(settings.WEBHOOK_ALLOW_PRIVATE),
        }
        action, now, *rest = arguments
        command = [sys.executable, "-m", "tests.campaigns.services.after_call_worker", action, now.isoformat()]
        done = subprocess.run(
            [*command, *map(str, rest)],
            cwd=REPOSITORY,
            env=environment,
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == EXIT_CODE, done.stderr

    return run


def database_url():
    where = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{where['NAME']}"
    return f"postgres://{where['USER']}:{where['PASSWORD']}@{where['HOST']}:{where['PORT']}/{where['NAME']}"


def ended_call():
    call = make_call(duration_s=None)
    calls.finish_call(call_id=call.id, end=CallEnd("agent_hangup"), now=END)
    return call


def test_killed_after_the_token_was_used(die_at):
    attempt, token = placed_attempt()

    die_at("ws_consumed", "open_call", NOW, token)
    found = calls.finish_lost_calls(now=LOST)

    call = Call.objects.get()
    attempt.refresh_from_db()
    assert found == [call.id]
    assert (call.attempt_id, call.ended_by, attempt.state) == (attempt.id, EndedBy.INTERRUPTED, AttemptState.ENDED)


def test_killed_after_turns_were_written(die_at):
    call = make_call(lines=(), duration_s=None)

    die_at("turns_written", "record_turn", NOW, call.id)
    calls.finish_lost_calls(now=LOST)

    assert [turn.text for turn in call.turns.all()] == ["Yes."]
    assert Call.objects.get().ended_by == EndedBy.INTERRUPTED


def test_killed_before_the_end_was_committed(die_at):
    call = make_call(duration_s=None)

    die_at("finish_before_commit", "finish", END, call.id)

    assert Call.objects.get().ended_at is None
    assert not CallStep.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert calls.finish_lost_calls(now=LOST) == [call.id]
    assert CallStep.objects.count() == len(ResultStep)


def test_killed_after_the_end_was_committed(die_at):
    call = make_call(duration_s=None)

    die_at("finished", "finish", END, call.id)

    assert not calls.finish_call(call_id=call.id, end=CallEnd("socket_lost"), now=END)
    assert Call.objects.get().disposition == "completed"
    assert CallAttempt.objects.get().state == AttemptState.ENDED
    assert OutboxEvent.objects.filter(type=WebhookEvent.CALL_ENDED).count() == 1
    assert steps.calls_with_due_steps(now=END) == [call.id]


@pytest.mark.parametrize("step", [ResultStep.TRANSCRIPT_FILE, ResultStep.ANALYSIS])
def test_killed_after_a_steps_effect_and_before_its_mark(die_at, data_dir, step):
    call = ended_call()

    die_at("step_done", "run_step", END, call.id, step.value)

    row = call.steps.get(step=step)
    assert (row.state, row.tries) == (StepState.PENDING, 1)
    assert step not in steps.due_steps(call_id=call.id, now=END)
    assert steps.run_step(call_id=call.id, step=step, now=END + LEASE) == StepState.DONE
    files = list((data_dir / "transcripts").glob("*")) if step is ResultStep.TRANSCRIPT_FILE else ["-"]
    assert len(files) == 1


def test_killed_after_the_webhook_step_told_its_event(die_at):
    call = ended_call()
    steps.run_step(call_id=call.id, step=ResultStep.ANALYSIS, now=END)

    die_at("step_done", "run_step", END, call.id, ResultStep.WEBHOOKS.value)
    state = steps.run_step(call_id=call.id, step=ResultStep.WEBHOOKS, now=END + LEASE)

    assert state == StepState.DONE
    assert OutboxEvent.objects.filter(type=WebhookEvent.CALL_ANALYZED).count() == 1


def test_killed_after_the_receiver_had_it(die_at, settings):
    with answering("200 OK") as server:
        settings.WEBHOOK_ALLOW_PRIVATE = [f"127.0.0.1:{server.port}"]
        WebhookEndpoint.objects.create(url=f"{server.base_url}/hook", secret=new_secret())
        record_event(type=WebhookEvent.CALL_ENDED, subject="s", body={}, occurred_at=NOW)
        webhooks.relay_events(now=NOW)
        delivery = WebhookDelivery.objects.get()

        die_at("delivered", "deliver", NOW, delivery.pk)

        assert webhooks.due_deliveries(now=NOW) == []
        again = NOW + webhooks.LEASE
        assert webhooks.due_deliveries(now=again) == [delivery.pk]
        assert webhooks.deliver(delivery.pk, now=again) == StepState.DONE

    ids = [re.search(rb"webhook-id: (\S+)", request) for request in server.requests]
    assert len(ids) == 2
    assert len({found[1] for found in ids if found}) == 1
