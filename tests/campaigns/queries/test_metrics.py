"""The platform in numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.enums import AttemptState, CampaignState, Outcome, WebhookEvent
from campaigns.models import BridgeNode, OutboxEvent
from campaigns.queries.metrics import platform_metrics
from campaigns.services.heartbeats import record_heartbeat
from tests.factories import NOW, make_attempt, make_call, make_campaign, make_trunk

pytestmark = pytest.mark.django_db


def values(now=NOW) -> dict[str, float]:
    """Every sample that is not 0, by `name{label}`."""
    return {
        gauge.name.removeprefix("trunkline_")
        + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for gauge in platform_metrics(now)
        for sample in gauge.samples
        if sample.value and gauge.name != "trunkline_disk_free_bytes"
    }


def test_an_empty_platform_has_only_zeroes():
    assert values() == {}


def test_every_state_and_outcome_is_named_even_at_zero():
    named = {gauge.name: len(gauge.samples) for gauge in platform_metrics(NOW)}
    assert (named["trunkline_campaigns"], named["trunkline_attempts_ended_last_hour"]) == (
        len(CampaignState),
        len(Outcome),
    )


def test_dialing_is_counted_by_state_outcome_and_age():
    make_attempt(at=NOW - timedelta(seconds=90), state=AttemptState.PLACED, deadline_at=NOW - timedelta(seconds=1))
    make_attempt(outcome=Outcome.BUSY, at=NOW - timedelta(minutes=5))
    make_attempt(outcome=Outcome.BUSY, at=NOW - timedelta(hours=2))
    make_campaign(state=CampaignState.PAUSED, trunk=make_trunk("Held", hold="manual"))
    assert values() == {
        "campaigns{running}": 3,
        "campaigns{paused}": 1,
        "contacts{pending}": 3,
        "attempts_open{placed}": 1,
        "attempts_overdue": 1,
        "attempt_oldest_open_s": 90,
        "attempts_ended_last_hour{busy}": 1,
        "trunks_held": 1,
    }


def test_live_calls_bridges_and_heartbeats_are_counted():
    make_call(duration_s=None)
    told = {"loop_lag_ms": 12.5, "first_audio_ms": 900, "totals": {"calls": 7, "bad_messages": 2}}
    BridgeNode.objects.create(name="one", capacity=60, live_calls=3, gauges=told, seen_at=NOW)
    BridgeNode.objects.create(name="dead", capacity=60, live_calls=9, seen_at=NOW - timedelta(minutes=1))
    record_heartbeat("dial", now=NOW - timedelta(seconds=7))
    found = values()
    assert {
        name: found[name] for name in ("calls_live", "bridge_nodes", "bridge_capacity_calls", "bridge_live_calls")
    } == {
        "calls_live": 1,
        "bridge_nodes": 1,
        "bridge_capacity_calls": 60,
        "bridge_live_calls": 3,
    }
    assert found["heartbeat_age_s{dial}"] == 7
    of_node = {name: value for name, value in found.items() if name.endswith("{one}")}
    assert of_node == {
        "bridge_free_seats{one}": 57,
        "bridge_loop_lag_ms{one}": 12.5,
        "bridge_first_audio_ms{one}": 900,
        "bridge_calls{one}": 7,
        "bridge_bad_messages{one}": 2,
    }


def test_events_that_wait_are_counted_with_their_age():
    for seconds in (5, 30):
        OutboxEvent.objects.create(
            type=WebhookEvent.CALL_ENDED, subject="1", occurred_at=NOW - timedelta(seconds=seconds), body={}
        )
    OutboxEvent.objects.create(
        type=WebhookEvent.CALL_ENDED, subject="2", occurred_at=NOW - timedelta(hours=1), body={}, is_relayed=True
    )
    assert values() == {"outbox_waiting": 2, "outbox_lag_s": 30}
