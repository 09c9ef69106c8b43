"""The steps after a call: each runs once, is tried again when it fails, and never takes another down."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta

import pytest
from django.db import connection

from campaigns.enums import ResultStep, StepState, WebhookEvent
from campaigns.models import Call, CallAnalysis, CallStep, OutboxEvent
from campaigns.policies.step_backoff import LEASE, MAX_TRIES
from campaigns.services import calls, steps
from campaigns.services.calls import CallEnd
from tests.campaigns.conftest import right_after
from tests.factories import CONVERSATION as LINES
from tests.factories import NOW, add_turns, make_attempt, make_call

END = NOW + timedelta(seconds=42)
WITHOUT_RECORDING = [step for step in ResultStep if step is not ResultStep.RECORDING]


LAST_WORD = calls.TurnDraft(
    seq=9,
    speaker="customer",
    item_id="",
    text="One last word.",
    heard_text="",
    start_ms=20_000,
    end_ms=20_900,
    is_interrupted=False,
    confidence=None,
)


def ended_call(**fields):
    call = make_call(duration_s=None, **fields)
    calls.finish_call(call_id=call.id, end=CallEnd("agent_hangup", disposition="completed"), now=END)
    return call


def states(call):
    return dict(call.steps.values_list("step", "state"))


def run(call, step, now=END, **options):
    return steps.run_step(call_id=call.id, step=step, now=now, **options)


@pytest.mark.django_db
def test_a_call_without_a_switch_recording_is_processed_by_the_other_steps(data_dir):
    call = ended_call()

    assert states(call)[ResultStep.RECORDING] == StepState.SKIPPED
    assert steps.due_steps(call_id=call.id, now=END) == WITHOUT_RECORDING
    assert [run(call, step) for step in WITHOUT_RECORDING] == [StepState.DONE] * 5
    assert steps.due_steps(call_id=call.id, now=END) == []
    assert Call.objects.get().is_processed
    assert [path.suffix for path in (data_dir / "transcripts").iterdir()] == [".json"]
    assert [path.suffix for path in (data_dir / "calls").iterdir()] == [".json"]
    assert CallAnalysis.objects.get().disposition == "completed"
    event = OutboxEvent.objects.get(type=WebhookEvent.CALL_ANALYZED)
    assert (event.body["sequence"], event.body["analysis"]["metrics"]["turns"]) == (3, 5)


@pytest.mark.django_db
@pytest.mark.parametrize("order", list(itertools.permutations(WITHOUT_RECORDING)))
def test_the_order_of_the_steps_changes_nothing_in_the_end(order):
    call = ended_call()

    for step in [*order, *order]:
        run(call, step, now=END if step in order[:1] else END + timedelta(seconds=30))
    run(call, ResultStep.WEBHOOKS, now=END + timedelta(minutes=1))

    assert set(states(call).values()) == {StepState.DONE, StepState.SKIPPED}
    assert Call.objects.get().is_processed
    assert OutboxEvent.objects.filter(type=WebhookEvent.CALL_ANALYZED).count() == 1


@pytest.mark.django_db
def test_a_step_that_is_done_does_not_run_again():
    call = ended_call()
    run(call, ResultStep.ANALYSIS)

    assert run(call, ResultStep.ANALYSIS) is None


@pytest.mark.django_db
def test_a_full_disk_costs_only_the_file(data_dir):
    (data_dir / "transcripts").write_text("a file where the directory should be")
    call = ended_call()

    results = {step: run(call, step) for step in WITHOUT_RECORDING}

    assert results == {
        ResultStep.TRANSCRIPT_FILE: StepState.FAILED,
        ResultStep.CALL_FILE: StepState.DONE,
        ResultStep.ANALYSIS: StepState.DONE,
        ResultStep.OPT_OUT: StepState.DONE,
        ResultStep.WEBHOOKS: StepState.DONE,
    }
    row = call.steps.get(step=ResultStep.TRANSCRIPT_FILE)
    assert (row.tries, row.run_at, row.lease_until) == (1, END + timedelta(seconds=10), None)
    assert row.error.startswith("FileExistsError")
    assert not Call.objects.get().is_processed


@pytest.mark.django_db
def test_a_step_that_keeps_failing_is_given_up_and_can_be_replayed(data_dir):
    (data_dir / "transcripts").write_text("in the way")
    call = ended_call()
    now, results = END, []
    while (row := call.steps.get(step=ResultStep.TRANSCRIPT_FILE)).state in steps.OPEN_STATES:
        now = max(now, row.run_at)
        results.append(run(call, ResultStep.TRANSCRIPT_FILE, now=now))

    assert results == [StepState.FAILED] * (MAX_TRIES - 1) + [StepState.DEAD]
    assert now - END == timedelta(seconds=10 + 40 + 160 + 640)

    (data_dir / "transcripts").unlink()
    assert steps.replay_step(call_id=call.id, step=ResultStep.TRANSCRIPT_FILE, now=now)
    assert run(call, ResultStep.TRANSCRIPT_FILE, now=now) == StepState.DONE


@pytest.mark.django_db
def test_a_try_whose_process_died_is_taken_up_when_its_lease_is_over():
    call = ended_call()
    CallStep.objects.filter(step=ResultStep.ANALYSIS).update(lease_until=END + LEASE, tries=1)

    assert run(call, ResultStep.ANALYSIS, now=END + LEASE - timedelta(seconds=1)) is None
    assert run(call, ResultStep.ANALYSIS, now=END + LEASE) == StepState.DONE


@pytest.mark.django_db
def test_a_step_that_kills_every_process_is_given_up():
    call = ended_call()
    CallStep.objects.filter(step=ResultStep.ANALYSIS).update(lease_until=END, tries=MAX_TRIES)

    assert run(call, ResultStep.ANALYSIS) == StepState.DEAD
    assert not CallAnalysis.objects.exists()


@pytest.mark.django_db
def test_webhooks_wait_for_the_analysis_but_not_for_ever():
    call = ended_call()

    assert run(call, ResultStep.WEBHOOKS) == StepState.PENDING
    row = call.steps.get(step=ResultStep.WEBHOOKS)
    assert (row.tries, row.run_at) == (0, END + timedelta(seconds=10))
    assert run(call, ResultStep.WEBHOOKS, now=END + timedelta(minutes=10)) == StepState.DONE
    event = OutboxEvent.objects.get(type=WebhookEvent.CALL_ANALYZED)
    assert event.body["analysis"] is None


@pytest.mark.django_db
def test_late_turns_reach_the_analysis():
    call = ended_call(lines=())
    run(call, ResultStep.ANALYSIS)
    calls.record_turns({call.id: [LAST_WORD]})

    assert run(call, ResultStep.ANALYSIS, now=END + timedelta(seconds=1)) == StepState.DONE
    assert CallAnalysis.objects.get().metrics["customer_words"] == 3


@pytest.mark.django_db
def test_a_turn_that_comes_while_the_file_is_written_reaches_the_file(data_dir):
    call = ended_call()

    with right_after("campaigns_transcriptturn", lambda: calls.record_turns({call.id: [LAST_WORD]})):
        run(call, ResultStep.TRANSCRIPT_FILE)

    assert ResultStep.TRANSCRIPT_FILE in steps.due_steps(call_id=call.id, now=END)
    run(call, ResultStep.TRANSCRIPT_FILE)
    (file,) = (data_dir / "transcripts").iterdir()
    assert "One last word." in file.read_text("utf-8")
    assert states(call)[ResultStep.TRANSCRIPT_FILE] == StepState.DONE


@pytest.mark.django_db
def test_analyzing_again_leaves_the_analysis_as_it_was():
    call = ended_call()
    run(call, ResultStep.ANALYSIS)
    steps.replay_step(call_id=call.id, step=ResultStep.ANALYSIS, now=END + timedelta(hours=1))
    run(call, ResultStep.ANALYSIS, now=END + timedelta(hours=1))
    assert CallAnalysis.objects.get().computed_at == END

    add_turns(call, LINES[:1])
    steps.replay_step(call_id=call.id, step=ResultStep.ANALYSIS, now=END + timedelta(hours=2))
    run(call, ResultStep.ANALYSIS, now=END + timedelta(hours=2))
    assert CallAnalysis.objects.get().computed_at == END + timedelta(hours=2)


@pytest.mark.django_db
def test_calls_with_due_steps_are_found_longest_waiting_first():
    first, second = ended_call(), make_call(duration_s=None)
    calls.finish_call(call_id=second.id, end=CallEnd("drain"), now=END - timedelta(seconds=5))

    assert steps.calls_with_due_steps(now=END - timedelta(seconds=6)) == []
    assert steps.calls_with_due_steps(now=END) == [second.id, first.id]


@pytest.mark.django_db
def test_close_processed_calls_finds_what_two_last_steps_left_to_each_other():
    call, other = ended_call(), ended_call()
    CallStep.objects.filter(call=call).update(state=StepState.DONE)

    assert steps.close_processed_calls() == 1
    assert list(Call.objects.filter(is_processed=True)) == [call]
    assert not Call.objects.get(pk=other.pk).is_processed


@pytest.mark.django_db
def test_a_call_the_switch_knows_has_its_recording_asked_for():
    attempt = make_attempt(switch_call_id="psr-1", state="in_call", deadline_at=END, answered_at=NOW)

    call = ended_call(attempt=attempt)

    assert states(call)[ResultStep.RECORDING] == StepState.PENDING


def test_one_of_many_threads_runs_the_step(shared_database):
    call = ended_call()
    start = threading.Barrier(4)
    results = []

    def try_it():
        try:
            start.wait()
            results.append(run(call, ResultStep.ANALYSIS))
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results, key=str) == [None, None, None, StepState.DONE]
    assert call.steps.get(step=ResultStep.ANALYSIS).tries == 1
