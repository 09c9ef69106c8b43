"""Any history of a call, in any order and with repetitions, leaves one end and nothing lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.enums import AttemptState, ResultStep, StepState, WebhookEvent
from campaigns.models import Call, CallAnalysis, CallAttempt, CallStep, OutboxEvent
from campaigns.services import calls, steps
from campaigns.services.calls import CallEnd, TurnDraft
from tests.factories import NOW, make_call

STEPS_HERE = [step for step in ResultStep if step is not ResultStep.RECORDING]
SECONDS = st.integers(0, 90)
EVENTS = st.one_of(
    st.tuples(st.just("turn"), SECONDS, st.integers(0, 5)),
    st.tuples(st.just("touch"), SECONDS, st.none()),
    st.tuples(st.just("finish"), SECONDS, st.sampled_from(["agent_hangup", "socket_lost", "drain"])),
    st.tuples(st.just("sweep"), SECONDS, st.none()),
    st.tuples(st.just("step"), SECONDS, st.sampled_from(STEPS_HERE)),
)


def play(call, event):
    """Let one thing happen; returns whether it ended the call."""
    kind, second, what = event
    now = NOW + timedelta(seconds=second)
    if kind == "turn":
        draft = TurnDraft(what, "customer", "", f"turn {what}", "", what, what + 1, False, None)
        calls.record_turns({call.id: [draft]})
    elif kind == "touch":
        calls.touch_calls(call_ids=[call.id], now=now)
    elif kind == "finish":
        return calls.finish_call(call_id=call.id, end=CallEnd(what), now=now)
    elif kind == "sweep":
        return call.id in calls.finish_lost_calls(now=now)
    else:
        steps.run_step(call_id=call.id, step=what, now=now)
    return False


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, max_size=14))
def test_any_history_ends_once_with_everything_said(data_dir, history):
    call = make_call(lines=(), duration_s=None, started_at=NOW)
    seqs = {what for kind, _, what in history if kind == "turn"}

    wins = sum(play(call, event) for event in history)
    wins += sum(play(call, ("finish", 91, "drain")) for _ in range(2))
    for minute in range(1, 15):
        for step in steps.due_steps(call_id=call.id, now=NOW + timedelta(minutes=2 * minute)):
            steps.run_step(call_id=call.id, step=step, now=NOW + timedelta(minutes=2 * minute))

    call = Call.objects.get(pk=call.id)
    subject = str(call.id)
    assert wins == 1
    assert call.is_processed
    assert call.ended_at is not None
    assert CallAttempt.objects.get(call=call).state == AttemptState.ENDED
    assert {row.state for row in CallStep.objects.filter(call=call)} <= {StepState.DONE, StepState.SKIPPED}
    assert {turn.seq for turn in call.turns.all()} == seqs
    assert CallAnalysis.objects.get(call=call).metrics["turns"] == len(seqs)
    assert OutboxEvent.objects.filter(subject=subject, type=WebhookEvent.CALL_ENDED).count() == 1
    assert OutboxEvent.objects.filter(subject=subject, type=WebhookEvent.CALL_ANALYZED).count() == 1
    transcript = next((data_dir / "transcripts").glob(f"call_{call.id}_*_transcript.json")).read_text("utf-8")
    assert all(f"turn {seq}" in transcript for seq in seqs)
