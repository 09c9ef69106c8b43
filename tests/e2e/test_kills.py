"""kill -9 in mid-campaign: after the restart it finishes, nobody is called twice and nobody is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.campaigns import FINAL, calls_without_an_attempt, launch_campaign, wait_until_finished
from tests.e2e.harness import PSR_TOKEN, Platform, Simulator, eventually, start_platform, start_simulator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path, "--ring-min", "0.2", "--ring-max", "0.8")
    yield simulator
    simulator.process.stop()


@pytest.fixture
def platform(tmp_path: Path, simulator: Simulator) -> Iterator[Platform]:
    platform = start_platform(
        tmp_path,
        # Its own broker, to be killed like the rest.
        REDIS_URL="",
        PSR_BASE_URL=simulator.url,
        PSR_TOKEN=PSR_TOKEN,
        CLAIM_LEASE_S="6",
        DISPATCH_LEASE_S="15",
        DIAL_TOTAL_TIMEOUT_S="6",
        PAUSE_BUDGET_S="3",
        RING_GRACE_S="4",
        REDIAL_MIN_S="5",
        UNCONFIRMED_REDIAL_MIN_S="10",
        CALL_HEARTBEAT_S="2",
        CALL_LOST_S="8",
    )
    yield platform
    platform.stop()


def test_a_campaign_survives_the_death_of_every_part(platform: Platform, simulator: Simulator) -> None:
    # Mostly people who are soon done, so that calls end and begin all the time.
    numbers = [f"0912{group}{ending:02}" for group in ("3456", "7890", "1122") for ending in (0, 23, 37, 39, 41, 52)]
    campaign = launch_campaign(
        platform,
        "killed",
        numbers,
        calls_per_second=1.5,
        max_concurrent_calls=6,
        max_attempts=2,
        cadence={"waits_s": {"default": [5]}},
    )
    for part, calls_before in (("-Q dial", 2), ("-Q results,bulk", 4), ("valkey-server", 6), ("runbridge", 9)):
        wait_until_placed(simulator, calls_before)
        os.kill(platform.part_pid(part), signal.SIGKILL)
    eventually("the pages answer again", lambda: is_up(platform), 60)
    wait_until_finished(platform, campaign, 240)

    assert calls_without_an_attempt(platform, simulator, campaign) == {}
    contacts = platform.every("contacts/", campaign=campaign["id"])
    assert len(contacts) == len(numbers)
    assert {contact["state"] for contact in contacts} <= FINAL
    calls = platform.every("calls/", campaign=campaign["id"])
    assert [call["id"] for call in calls if call["ended_at"] is None] == []


def wait_until_placed(simulator: Simulator, calls: int) -> None:
    def are_placed() -> bool:
        return sum(event["event"] == "placed" for event in simulator.ledger()) >= calls

    eventually(f"{calls} calls are placed", are_placed, 90)


def is_up(platform: Platform) -> bool:
    try:
        return platform.api.get(f"{platform.url}/health/live").status_code == 200
    except httpx.HTTPError:
        return False
