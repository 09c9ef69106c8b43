"""What a manager is told to look at: each thing once it is wrong, and no longer than that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from campaigns.enums import CampaignState, ImportState, ResultStep, StepState, TrunkHold, WebhookEvent
from campaigns.models import (
    BridgeNode,
    CallStep,
    DialingStop,
    ImportJob,
    OutboxEvent,
    Trunk,
    WebhookDelivery,
    WebhookEndpoint,
)
from campaigns.models.webhooks import SWITCHED_OFF_BY_HAND
from campaigns.queries.attention import LAUNCH_GRACE, RECENT, Concern, ConcernKind, SetUp, concerns, set_up
from tests.factories import NOW, make_agent, make_call, make_campaign, make_customer, make_list, make_trunk

pytestmark = pytest.mark.django_db
LONG_AGO = NOW - RECENT - timedelta(minutes=1)


def told() -> list[tuple[str, str]]:
    return [(concern.kind.value, concern.title) for concern in concerns(NOW)]


def fail_import(at: datetime = NOW, **fields) -> ImportJob:
    job = {"state": ImportState.FAILED, "file_name": "march.csv", "path": "x.csv", "error": "Row 3 is cut off."}
    return ImportJob.objects.create(list=make_list(), created_at=at, **(job | fields))


def give_up_deliveries(at: datetime = NOW, count: int = 2) -> None:
    endpoint = WebhookEndpoint.objects.create(url="https://hooks.example.com/x", secret="s")
    for number in range(count):
        event = OutboxEvent.objects.create(
            type=WebhookEvent.CALL_ENDED, subject=str(number), occurred_at=at - timedelta(seconds=number), body={}
        )
        WebhookDelivery.objects.create(event=event, endpoint=endpoint, state=StepState.DEAD, next_at=at)


def give_up_step(at: datetime = NOW) -> None:
    CallStep.objects.create(call=make_call(), step=ResultStep.ANALYSIS, state=StepState.DEAD, run_at=at)


def switch_off(reason: str) -> None:
    WebhookEndpoint.objects.create(url="https://hooks.example.com/x", is_enabled=False, disabled_reason=reason)


def beat(at: datetime = NOW) -> None:
    BridgeNode.objects.create(name="bridge", capacity=60, seen_at=at)


def run_on_a_disabled_trunk() -> None:
    make_campaign(trunk=make_trunk(is_enabled=False))
    beat()


def run_with_a_bridge() -> None:
    make_campaign()
    beat()


def give_up_a_step_long_ago() -> None:
    beat()
    give_up_step(LONG_AGO)


CASES: list[tuple[Callable[[], object], tuple[str, str]]] = [
    (lambda: DialingStop.objects.create(at=NOW, reason="Wrong list."), ("stop", "All dialing is stopped.")),
    (make_campaign, ("bridge", "No bridge takes calls, so nothing is dialed.")),
    (
        lambda: make_trunk("Main", hold=TrunkHold.AUTH),
        ("trunk", "The trunk “Main” is held: PSR refused the token (401/403)."),
    ),
    (run_on_a_disabled_trunk, ("trunk", "The trunk “Main trunk” is disabled.")),
    (
        lambda: make_campaign("Spring", state=CampaignState.SCHEDULED, starts_at=NOW - LAUNCH_GRACE * 2),
        ("campaign", "“Spring” should have been launched."),
    ),
    (fail_import, ("import", "The import of march.csv failed.")),
    (lambda: switch_off("gone (410)"), ("endpoint", "https://hooks.example.com/x gets no events any more.")),
    (give_up_deliveries, ("deliveries", "2 deliveries to https://hooks.example.com/x were given up.")),
    (give_up_step, ("steps", "1 pieces of work after calls were given up.")),
]


@pytest.mark.parametrize(("happens", "said"), CASES)
def test_what_went_wrong_is_told(happens, said) -> None:
    if said[0] == "steps":
        beat()
    happens()
    assert told() == [said]


QUIET: list[Callable[[], object]] = [
    make_trunk,
    lambda: make_trunk(is_enabled=False),
    lambda: DialingStop.objects.create(at=NOW, reason="Wrong list.", lifted_at=NOW),
    run_with_a_bridge,
    lambda: make_campaign(state=CampaignState.PAUSED),
    lambda: make_campaign(state=CampaignState.SCHEDULED, starts_at=NOW + timedelta(hours=1)),
    lambda: make_campaign(state=CampaignState.SCHEDULED, starts_at=NOW - LAUNCH_GRACE / 2),
    lambda: fail_import(LONG_AGO),
    lambda: fail_import(undone_at=NOW),
    lambda: fail_import(state=ImportState.DONE),
    lambda: switch_off(SWITCHED_OFF_BY_HAND),
    lambda: give_up_deliveries(LONG_AGO),
    give_up_a_step_long_ago,
]


@pytest.mark.parametrize("happens", QUIET)
def test_what_is_well_or_long_ago_is_not_told(happens) -> None:
    happens()
    assert told() == []


def test_a_late_launch_says_what_stands_against_it() -> None:
    campaign = make_campaign(state=CampaignState.SCHEDULED, starts_at=NOW - timedelta(hours=1))
    [concern] = concerns(NOW)
    assert concern.subject_id == campaign.pk
    assert "Choose at least one customer list." in concern.advice


def test_what_stops_calls_comes_first_and_no_kind_fills_the_page() -> None:
    make_campaign()
    for number in range(9):
        make_trunk(f"Trunk {number}", hold=TrunkHold.MANUAL)
        fail_import()
    assert [kind for kind, _ in told()] == ["bridge", *["trunk"] * 5, *["import"] * 5]


def test_concerns_name_their_rows() -> None:
    job, trunk = fail_import(), make_trunk(hold=TrunkHold.MANUAL)
    assert concerns(NOW) == [
        Concern(
            ConcernKind.TRUNK,
            "The trunk “Main trunk” is held: Held by a person.",
            "Nothing is dialed on it. Correct it, then release the hold.",
            trunk.pk,
        ),
        Concern(ConcernKind.IMPORT, "The import of march.csv failed.", "Row 3 is cut off.", job.pk),
    ]


def test_what_is_set_up_is_known_step_by_step() -> None:
    seen = [set_up()]
    make_trunk(token="")
    seen.append(set_up())
    Trunk.objects.update(token="x")
    make_agent()
    make_list()
    seen.append(set_up())
    make_list(customers=[make_customer()])
    make_campaign(state=CampaignState.DRAFT)
    seen.append(set_up())
    nothing = SetUp(has_trunk=False, has_agent=False, has_customers=False, has_campaign=False)
    some = SetUp(has_trunk=True, has_agent=True, has_customers=False, has_campaign=False)
    everything = SetUp(has_trunk=True, has_agent=True, has_customers=True, has_campaign=True)
    assert seen == [nothing, nothing, some, everything]
    assert [state.is_complete for state in seen] == [False, False, False, True]
