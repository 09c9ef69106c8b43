"""The two ways a call begins besides silence: an extension that is rung first, and a recording played at the answer."""

from __future__ import annotations

import io
import wave
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from telephony.protocols.wav import build_wav
from tests.e2e.campaigns import AROUND_THE_CLOCK, import_list, launch_campaign, wait_until_finished
from tests.e2e.harness import (
    PSR_TOKEN,
    Platform,
    Simulator,
    eventually,
    post_form,
    signed_in_pages,
    start_platform,
    start_simulator,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

NEW_CAMPAIGN = "/admin/campaigns/campaign/add/"
RATE_HZ = 8_000
CUSTOMER, AGENT = 0, 1
# The simulator's line hisses with an RMS of 80; its people and our prompts speak with many hundreds.
SPEECH_RMS = 300.0
OPENING_MS = 1_500


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path_factory.mktemp("simulator"), "--ring-min", "0.2", "--ring-max", "0.4")
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Platform]:
    platform = start_platform(
        tmp_path_factory.mktemp("platform"), PSR_BASE_URL=simulator.url, PSR_TOKEN=PSR_TOKEN, RING_GRACE_S="3"
    )
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def pages(platform: Platform) -> Iterator[httpx.Client]:
    with signed_in_pages(platform) as client:
        yield client


def tone(rate_hz: int) -> bytes:
    """A recording a person might upload, as a WAV file."""
    samples = 8_000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz * OPENING_MS // 1000) / rate_hz)
    return build_wav(samples.astype("<i2").tobytes(), rate_hz)


def only_call(platform: Platform, campaign: dict[str, Any], phone_number: str = "") -> dict[str, Any]:
    """The campaign's one call, or the one with this number, once everything after it is done."""
    calls = platform.every("calls/", campaign=campaign["id"])
    [call] = [call for call in calls if phone_number in ("", call["phone_number"])]

    def processed() -> dict[str, Any] | None:
        found = platform.get(f"calls/{call['id']}/")
        return dict(found) if found["is_processed"] else None

    return eventually("the call is processed", processed, 30)


def lanes(platform: Platform, call: dict[str, Any]) -> npt.NDArray[np.int16]:
    """The recording's samples: one row per sample, the customer left, the agent right."""
    answer = platform.api.get(f"calls/{call['id']}/recording/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def loudness(samples: npt.NDArray[np.int16], lane: int, turn: dict[str, Any]) -> float:
    """The RMS of a lane while a turn was spoken."""
    spoken = samples[turn["start_ms"] * RATE_HZ // 1000 : turn["end_ms"] * RATE_HZ // 1000, lane]
    return float(np.sqrt(np.mean(spoken.astype(float) ** 2)))


def steps_of(simulator: Simulator, call: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in simulator.ledger() if step.get("call_id") == call["vendor_call_id"]]


def test_dial_rings_the_extension_first_and_hears_the_customer(platform: Platform, simulator: Simulator) -> None:
    campaign = launch_campaign(platform, "dial", ["0912345623"], app="dial", extension="101", channel="stereo")
    wait_until_finished(platform, campaign, 80)
    call = only_call(platform, campaign)

    steps = steps_of(simulator, call)
    placed = steps[0]
    assert (placed["event"], placed["app"], placed["channel"]) == ("placed", "dial", "stereo")
    assert [(step["event"], step["who"]) for step in steps if step["event"] in ("ringing", "answered")] == [
        ("ringing", "extension"),
        ("answered", "extension"),
        ("ringing", "destination"),
        ("answered", "destination"),
    ]
    assert (call["outcome"], call["disposition"]) == ("answered", "declined")

    turns = platform.get(f"calls/{call['id']}/transcript/")["turns"]
    said = sum(step["event"] == "said" for step in steps)
    assert sum(turn["speaker"] == "customer" for turn in turns) == said > 0
    samples = lanes(platform, call)
    for turn in turns:
        lane = CUSTOMER if turn["speaker"] == "customer" else AGENT
        assert loudness(samples, lane, turn) > SPEECH_RMS, turn


def test_a_listener_writes_down_two_people(platform: Platform, simulator: Simulator) -> None:
    config = {"phrases": ["yes", "no"]}
    listener = platform.post("agents/", 201, json={"name": "listener", "kind": "listener", "config": config})
    # One who talks, two who leave at once, and two people at their desks for the three of them.
    talker, numbers = "0912345600", ["0912345600", "0912347699", "0912348699"]
    fields = {"agent": listener["id"], "app": "dial", "extensions": ["101", "102"]}
    campaign = launch_campaign(platform, "click", numbers, **fields)
    wait_until_finished(platform, campaign, 80)

    attempts = platform.every("call-attempts/", campaign=campaign["id"])
    assert sorted(Counter(attempt["extension"] for attempt in attempts).values()) == [1, 2]
    assert calls_at_once(simulator) == 1

    call = only_call(platform, campaign, phone_number=f"+84{talker[1:]}")
    assert (call["outcome"], call["ended_by"]) == ("answered", "customer_hangup")
    assert "heard_item" not in {step["event"] for step in steps_of(simulator, call)}
    turns = platform.get(f"calls/{call['id']}/transcript/")["turns"]
    said = defaultdict(set)
    for turn in turns:
        said[turn["speaker"]].add(turn["text"])
    assert said.keys() == {"agent", "customer"}
    assert "yes" in said["customer"]
    samples = lanes(platform, call)
    for turn in turns:
        lane = CUSTOMER if turn["speaker"] == "customer" else AGENT
        assert loudness(samples, lane, turn) > SPEECH_RMS, turn


def calls_at_once(simulator: Simulator) -> int:
    """The most calls any extension ever had at once."""
    open_calls: dict[str, set[str]] = defaultdict(set)
    most = 0
    for step in simulator.ledger():
        if step["event"] == "ringing" and step["who"] == "extension":
            open_calls[step["extension"]].add(step["call_id"])
        elif step["event"] == "ended":
            for calls in open_calls.values():
                calls.discard(step["call_id"])
        most = max(most, *(len(calls) for calls in open_calls.values()), 0)
    return most


def admin_fields(platform: Platform, name: str) -> dict[str, Any]:
    """Everything the admin's form for a new campaign asks for."""
    job = import_list(platform, f"list of {name}", b"phone,name\n0912345723,Customer\n")
    agent = platform.post("agents/", 201, json={"name": f"agent of {name}", "kind": "scripted"})
    trunk = platform.every("trunks/")[0]
    return {
        "name": name,
        "customer_lists": job["list"],
        "agent": agent["id"],
        "trunk": trunk["id"],
        "app": "bot",
        "parameter_template": "{}",
        "max_concurrent_calls": 2,
        "calls_per_second": 2,
        "max_attempts": 1,
        "priority": 0,
        "weight": 1,
        "ramp_up_minutes": 0,
        "canary_calls": 0,
        "canary_answered_min": 0.1,
        "canary_failed_max": 0.2,
        "rule_profile": "custom",
    }


def test_a_recording_that_psr_cannot_play_is_refused_at_the_form(platform: Platform, pages: httpx.Client) -> None:
    fields = admin_fields(platform, "unplayable")
    answer = post_form(pages, NEW_CAMPAIGN, fields, files={"recording": ("hi.wav", tone(24_000), "audio/wav")})
    assert "The sample rate is 24,000 Hz; PSR plays 8,000 Hz." in answer.text
    assert "unplayable" not in {campaign["name"] for campaign in platform.every("campaigns/")}


def test_a_recording_is_played_at_the_answer(platform: Platform, simulator: Simulator, pages: httpx.Client) -> None:
    fields = admin_fields(platform, "opening")
    post_form(
        pages, "/admin/campaigns/campaign/add/", fields, files={"recording": ("hi.wav", tone(RATE_HZ), "audio/wav")}
    )
    [campaign] = [found for found in platform.every("campaigns/") if found["name"] == "opening"]
    assert (campaign["is_silence"], campaign["audio_file"] != "") == (False, True)
    changed = platform.api.patch(f"campaigns/{campaign['id']}/", json={"calling_window": AROUND_THE_CLOCK})
    assert changed.status_code == 200, changed.text
    platform.post(f"campaigns/{campaign['id']}/launch/")
    wait_until_finished(platform, campaign, 60)

    call = only_call(platform, campaign)
    heard = [step for step in steps_of(simulator, call) if step["event"] == "heard_item"]
    assert (heard[0]["kind"], heard[0]["heard_ms"]) == ("opening", OPENING_MS)
    assert {step["kind"] for step in heard[1:]} == {"chunk"}
    speakers = [turn["speaker"] for turn in platform.get(f"calls/{call['id']}/transcript/")["turns"]]
    assert speakers[0] == "agent"
    assert "customer" in speakers
