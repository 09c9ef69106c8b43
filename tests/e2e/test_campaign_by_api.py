"""A whole campaign through the public API alone, against a PSR that is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.campaigns import FINAL, calls_without_an_attempt, import_list, launch_campaign, wait_until_finished
from tests.e2e.harness import PSR_TOKEN, REPOSITORY, Platform, Simulator, eventually, start_platform, start_simulator

# What a busy machine adds to calls of forty seconds.
REHEARSED_WITHIN_S = 25

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(
        tmp_path_factory.mktemp("simulator"), "--ring-min", "0.2", "--ring-max", "0.6", "--slow-reply", "7"
    )
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Platform]:
    platform = start_platform(
        tmp_path_factory.mktemp("platform"),
        PSR_BASE_URL=simulator.url,
        PSR_TOKEN=PSR_TOKEN,
        DIAL_TOTAL_TIMEOUT_S="6",
        RING_GRACE_S="6",
    )
    yield platform
    platform.stop()


def test_a_campaign_runs_by_the_api_alone(platform: Platform, simulator: Simulator) -> None:
    numbers = [f"09123456{ending}" for ending in ("00", "10", "18", "23", "44", "55", "70")]
    campaign = launch_campaign(platform, "talkers", numbers)
    wait_until_finished(platform, campaign)

    contacts = {
        contact["phone_number"][-2:]: (contact["state"], contact["last_outcome"], contact["disposition"])
        for contact in platform.every("contacts/", campaign=campaign["id"])
    }
    assert contacts == {
        "00": ("done", "answered", "completed"),
        "10": ("done", "answered", "completed"),
        "18": ("done", "answered", "completed"),
        "23": ("done", "answered", "declined"),
        "44": ("done", "answered", "transferred"),
        "55": ("exhausted", "no_answer", ""),
        "70": ("exhausted", "machine", "voicemail"),
    }
    assert calls_without_an_attempt(platform, simulator, campaign) == {}
    calls = platform.every("calls/", campaign=campaign["id"])
    assert len(calls) == 6

    for directory, suffix in (("transcripts", "_transcript.json"), ("calls", ".json")):
        written = files_of(platform, directory, suffix, calls)
        assert all(json.loads(path.read_text()) for path in written)
    completed = next(call for call in calls if call["disposition"] == "completed")
    transcript = platform.get(f"calls/{completed['id']}/transcript/")
    assert {turn["speaker"] for turn in transcript["turns"]} == {"agent", "customer"}
    starts = [turn["start_ms"] for turn in transcript["turns"]]
    assert starts == sorted(starts)
    assert_a_rehearsal_agrees(platform, campaign)


def assert_a_rehearsal_agrees(platform: Platform, campaign: dict[str, Any]) -> None:
    """Played again in virtual time, with the simulator's people, the campaign comes to the same in the same time."""
    attempts = platform.every("call-attempts/", campaign=campaign["id"])
    calls = platform.every("calls/", campaign=campaign["id"])
    placed_at, ended_at = (
        sorted(datetime.fromisoformat(attempt[name]) for attempt in attempts) for name in ("placed_at", "ended_at")
    )
    # Later than the rest that its numbers have after these calls.
    begin = (ended_at[-1] + timedelta(hours=2)).isoformat()
    argv = [sys.executable, "manage.py", "rehearse", str(campaign["id"]), "--as-simulated", "--json", "--begin", begin]
    played = subprocess.run(argv, env=platform.env, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    report = json.loads(played.stdout)
    assert report["outcomes"] == Counter(attempt["outcome"] for attempt in attempts)
    assert report["dispositions"] == Counter(call["disposition"] for call in calls)
    assert (report["state"], report["refusals"]) == ("finished", {})
    took_s = (datetime.fromisoformat(report["finish_at"]) - datetime.fromisoformat(report["begin"])).total_seconds()
    assert took_s == pytest.approx((ended_at[-1] - placed_at[0]).total_seconds(), abs=REHEARSED_WITHIN_S)


def files_of(platform: Platform, directory: str, suffix: str, calls: list[dict[str, Any]]) -> list[Path]:
    """The files of one kind, once each of the calls has one."""
    where = Path(platform.env["DATA_DIR"]) / directory

    def found() -> list[Path] | None:
        files = [path for call in calls for path in where.glob(f"call_{call['id']}_*{suffix}")]
        return files if len(files) == len(calls) else None

    return eventually(f"{directory} are written", found, 60)


def test_a_switch_in_trouble_never_makes_a_second_call(platform: Platform, simulator: Simulator) -> None:
    endings = ("75", "77", "80", "81", "82", "83", "84", "85", "87", "88", "90", "92")
    campaign = launch_campaign(platform, "trouble", [f"09122233{ending}" for ending in endings])
    wait_until_finished(platform, campaign)
    assert calls_without_an_attempt(platform, simulator, campaign) == {}
    contacts = platform.every("contacts/", campaign=campaign["id"])
    assert {contact["state"] for contact in contacts} <= FINAL
    assert len(contacts) == len(endings)


def test_bad_files_are_refused_with_a_reason(platform: Platform) -> None:
    answers = {
        "empty": platform_refusal(platform, "empty", b""),
        "binary": platform_refusal(platform, "binary", b"PK\x03\x04" + bytes(200)),
        "no phone": platform_refusal(platform, "no phone", b"name,plan\nAnh,gold\n"),
        "twice": platform_refusal(platform, "twice", b"phone,name,name\n0912345678,a,b\n"),
        "quote": platform_refusal(platform, "quote", b'phone,name\n0912345678,"Anh\n0912345679,Binh\n'),
    }
    assert answers == {
        "empty": "empty_file",
        "binary": "not_csv",
        "no phone": "no_phone_column",
        "twice": "duplicate_header",
        "quote": "unclosed_quote",
    }


def platform_refusal(platform: Platform, name: str, content: bytes) -> str:
    """The code a file is refused with: at once by the API, or by the import that read it."""
    created = platform.post("customer-lists/", 201, json={"name": f"refused: {name}"})
    answer = platform.api.post(f"customer-lists/{created['id']}/imports/", files={"file": ("list.csv", content)})
    if answer.status_code != 202:
        return str(answer.json()["code"])
    job = answer.json()["id"]
    ended = eventually(
        "the import ends",
        lambda: found if (found := platform.get(f"imports/{job}/"))["state"] in ("done", "failed") else None,
        30,
    )
    return str(ended["error_code"])


def test_a_file_loads_twice_without_doubling(platform: Platform) -> None:
    csv = "điện thoại;Họ tên\n0912 000 001;An\n84912000002;Bình\nx;Sai\n0912.000.001;An\n".encode()
    first = import_list(platform, "twice loaded", csv)
    again = platform.post(f"customer-lists/{first['list']}/imports/", 202, files={"file": ("list.csv", csv)})
    eventually("the second import ends", lambda: platform.get(f"imports/{again['id']}/")["state"] == "done", 30)
    counts = [
        {name: platform.get(f"imports/{job}/")[name] for name in ("rows_accepted", "rows_rejected", "rows_duplicate")}
        for job in (first["id"], again["id"])
    ]
    assert counts[0] == {"rows_accepted": 2, "rows_rejected": 1, "rows_duplicate": 1}
    assert [len(platform.every("customers/", phone_number=number)) for number in ("0912000001", "0912000002")] == [1, 1]


def test_no_secret_reaches_a_log(platform: Platform, simulator: Simulator) -> None:
    for name, text in platform.logs():
        assert PSR_TOKEN not in text, name
        assert "/psr/ey" not in text, name
