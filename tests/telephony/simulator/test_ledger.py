"""The ledger: redaction, counts, and a file that is complete at any moment."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from telephony.simulator.ledger import (
    CallRecord,
    Happened,
    Ledger,
    Moment,
    redacted_parameter,
    redacted_url,
    token_digest,
)

NOW = Moment(1_763_700_000_000, 12.5)


def record(call_id: str, destination: str = "0901234500") -> CallRecord:
    return CallRecord(
        call_id, destination, "all_yes", "bot", "mono_a", "ws://bot/x", "u", "t", {"a": "b"}, NOW.epoch_ms
    )


def test_simultaneous_calls_are_counted_in_all_and_by_destination() -> None:
    ledger = Ledger()
    ledger.place(record("1", "09"), NOW)
    ledger.place(record("2", "08"), NOW)
    ledger.end("1", "bot", NOW)
    ledger.place(record("3", "08"), NOW)
    ledger.end("2", "bot", NOW)
    ledger.end("3", "callee", NOW)
    summary = ledger.as_json()
    assert {name: summary[name] for name in summary if name not in ("calls", "refusals")} == {
        "calls_placed": 3,
        "open_calls": 0,
        "max_simultaneous": 2,
        "max_simultaneous_per_destination": 2,
    }
    assert [call["ended_by"] for call in summary["calls"]] == ["bot", "bot", "callee"]


def test_each_event_is_a_line_in_the_file_before_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"event": "from an earlier run"}\n')
    ledger = Ledger(path)
    seen = []
    for step in (
        lambda: ledger.refuse(NOW, status=401, reason="no"),
        lambda: ledger.place(record("1"), NOW),
        lambda: ledger.record("1", Happened.CONNECTED, NOW, socket=1),
        lambda: ledger.end("1", "bot", NOW, heard_ms=5),
    ):
        step()
        seen.append(json.loads(path.read_text().splitlines()[-1]))
    assert [line["event"] for line in seen] == ["refused", "placed", "connected", "ended"]
    assert seen[2] == {
        "call_id": "1",
        "event": "connected",
        "at_ms": 1_763_700_000_000,
        "monotonic_s": 12.5,
        "socket": 1,
    }
    assert len(path.read_text().splitlines()) == 5
    ledger.close()


def test_what_was_heard_adds_up() -> None:
    ledger = Ledger()
    ledger.place(record("1"), NOW)
    for heard_ms in (100, 250):
        ledger.record("1", Happened.HEARD_ITEM, NOW, heard_ms=heard_ms)
    call = ledger.call("1")
    assert call is not None
    assert (call.heard_ms, call.has_connected) == (350, False)


def test_a_url_shows_its_host_only() -> None:
    url = "wss://user:pass@bot.example:8443/psr/tok?x=1"
    assert redacted_url(url) == f"wss://bot.example:8443/sha256:{sha256(url.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize("url", ["ws://b/psr/tok", "ws://b/psr/tok/", "ws://b/psr/tok?kept=1"])
def test_the_token_is_the_last_part_of_the_path(url: str) -> None:
    assert token_digest(url) == sha256(b"tok").hexdigest()


def test_a_parameter_that_repeats_the_url_is_hidden() -> None:
    url = "ws://b/psr/long-secret?name=Lan"
    shown = redacted_parameter({"cx": "long-secret", "name": "Lan", "plan": "Family plan"}, url)
    assert shown == {
        "cx": f"sha256:{sha256(b'long-secret').hexdigest()[:12]}",
        "name": "Lan",
        "plan": "Family plan",
    }
