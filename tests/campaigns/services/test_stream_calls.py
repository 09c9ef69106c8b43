"""Calls that come to us: opened by what the vendor says, and worked on afterwards like any other."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.enums import ResultStep, StepState, WebhookEvent
from campaigns.errors import CallRefused
from campaigns.models import Call, CallAnalysis, CallStep, OutboxEvent
from campaigns.services import calls, steps
from campaigns.services.stream_calls import admit, open_stream_call
from telephony.protocols.events import Opened, TransferTarget
from tests.factories import CONVERSATION, NOW, add_turns, make_agent, make_endpoint, make_stream_call

pytestmark = pytest.mark.django_db
END = NOW + timedelta(seconds=42)


def test_a_stream_becomes_a_call_with_what_the_vendor_says():
    targets = [{"number": "101", "name": "Lan"}]
    endpoint = make_endpoint(agent=make_agent(version=3, config={"transfer_targets": targets}))
    told = Opened("v-1", parameters={"plan": "gold\x00"}, customer_number="0901234567", own_number="1900")

    opened = open_stream_call(endpoint_id=endpoint.pk, opened=told, now=NOW)

    call = Call.objects.get()
    assert (call.endpoint, call.attempt, call.agent_version, call.protocol) == (endpoint, None, 3, "ucid")
    assert (call.customer_number, call.own_number, call.parameters) == ("+84901234567", "1900", {"plan": "gold"})
    assert (opened.customer_number, opened.own_number) == ("+84901234567", "")
    assert (opened.transfer_targets, opened.is_outbound) == ((TransferTarget("101", "Lan"),), False)
    started = OutboxEvent.objects.get(type=WebhookEvent.CALL_STARTED)
    assert (started.body["endpoint_id"], started.body["phone_number"]) == (endpoint.pk, "+84901234567")


def test_what_no_database_would_take_is_cut():
    parameters = {f"n{number}": "x" * 5_000 for number in range(100)}
    told = Opened("id with spaces", parameters=parameters, customer_number="anonymous\x00" * 9)
    open_stream_call(endpoint_id=make_endpoint().pk, opened=told, now=NOW)
    call = Call.objects.get()
    assert (len(call.parameters), {len(text) for text in call.parameters.values()}) == (64, {2_000})
    assert call.customer_number == ("anonymous" * 9)[:32]
    assert call.vendor_call_id.startswith("sha256:")


def test_one_id_lives_once_at_an_endpoint():
    endpoint = make_endpoint()
    first = make_stream_call(endpoint, vendor_call_id="v-1", duration_s=None)
    with pytest.raises(CallRefused) as refused:
        open_stream_call(endpoint_id=endpoint.pk, opened=Opened("v-1"), now=NOW)
    assert (refused.value.status, Call.objects.count()) == (409, 1)
    open_stream_call(endpoint_id=make_endpoint("Other").pk, opened=Opened("v-1"), now=NOW)
    calls.finish_call(call_id=first.pk, end=calls.CallEnd("customer_hangup"), now=END)
    open_stream_call(endpoint_id=endpoint.pk, opened=Opened("v-1"), now=END)
    assert Call.objects.filter(vendor_call_id="v-1").count() == 3


def test_an_endpoint_that_went_away_opens_no_call():
    with pytest.raises(CallRefused) as refused:
        open_stream_call(endpoint_id=0, opened=Opened("v-1"), now=NOW)
    assert refused.value.status == 410


def test_a_key_is_good_from_the_vendors_addresses_alone():
    with pytest.raises(CallRefused) as unknown:
        admit(key="k" * 40, protocol="ucid", peer="203.0.113.7", now=NOW)
    assert unknown.value.status == 401


def test_everything_after_a_call_is_done_without_an_attempt(data_dir: Path):
    opened = open_stream_call(
        endpoint_id=make_endpoint().pk, opened=Opened("../../etc", customer_number="0901234567"), now=NOW
    )
    call = Call.objects.get()
    add_turns(call, CONVERSATION)
    answers = [{"key": "solved", "question": "Was it solved?", "value": "yes", "at_ms": 8_950}]

    assert calls.finish_call(call_id=call.pk, end=calls.CallEnd("agent_hangup", "completed", answers), now=END)
    while due := steps.due_steps(call_id=call.pk, now=END):
        steps.run_step(call_id=call.pk, step=due[0], now=END)
    steps.close_processed_calls()

    states = dict(CallStep.objects.values_list("step", "state"))
    assert states.pop(ResultStep.RECORDING) == StepState.SKIPPED
    assert set(states.values()) == {StepState.DONE}
    document = json.loads(next((data_dir / "calls").iterdir()).read_text("utf-8"))
    assert (document["call_vendor"], document["phone_number"], document["campaign"]) == ("ucid", "+84901234567", None)
    assert sorted(path.parent.name for path in data_dir.rglob("call_*.json")) == ["calls", "transcripts"]
    assert CallAnalysis.objects.get().extracted
    assert set(OutboxEvent.objects.values_list("type", flat=True)) == {
        WebhookEvent.CALL_STARTED,
        WebhookEvent.CALL_ENDED,
        WebhookEvent.CALL_ANALYZED,
    }
    call.refresh_from_db()
    assert (call.is_processed, call.disposition, opened.call_id) == (True, "completed", call.pk)


def test_a_call_whose_bridge_died_is_ended_without_an_attempt(settings):
    call = make_stream_call(duration_s=None)
    assert calls.finish_lost_calls(now=NOW + timedelta(seconds=settings.CALL_LOST_S + 1)) == [call.pk]
