"""`contacts/`, `call-attempts/` and `calls/`."""

from __future__ import annotations

import wave
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from rest_framework.test import APIClient

from campaigns.enums import ContactState, Outcome
from campaigns.models import Call, CallAnalysis
from tests.factories import CONVERSATION, NOW, make_attempt, make_call, make_campaign, make_contact

CALLS = "/api/v1/calls/"


@pytest.fixture
def reader(supervisor: APIClient) -> APIClient:
    return supervisor


def ids(answer) -> list:
    return [row["id"] for row in answer.json()["results"]]


def sent(answer) -> bytes:
    """The whole body of an answer that is streamed the asynchronous way."""

    async def collect() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(collect)()


def test_contacts_are_found_by_campaign_and_state(reader):
    campaign = make_campaign()
    waiting, done = make_contact(campaign), make_contact(campaign, state=ContactState.DONE)
    make_contact()
    assert ids(reader.get("/api/v1/contacts/", {"campaign": campaign.pk})) == [waiting.pk, done.pk]
    assert ids(reader.get("/api/v1/contacts/", {"campaign": campaign.pk, "state": "done"})) == [done.pk]


def test_a_contact_tells_its_progress(reader):
    contact = make_contact(attributes={"plan": "gold"})
    shown = reader.get(f"/api/v1/contacts/{contact.pk}/").json()
    assert {name: shown[name] for name in ("campaign", "customer", "phone_number", "state", "attempts_made")} == {
        "campaign": contact.campaign_id,
        "customer": contact.customer_id,
        "phone_number": contact.phone_number,
        "state": "pending",
        "attempts_made": 0,
    }
    assert (shown["next_attempt_at"], shown["last_outcome"], shown["disposition"]) == (
        "2026-11-20T15:30:00+07:00",
        "",
        "",
    )


def test_a_contact_explains_why_it_is_not_called(reader):
    contact = make_contact()
    gates = {gate["code"]: gate for gate in reader.get(f"/api/v1/contacts/{contact.pk}/why-not/").json()}
    assert (gates["no_bridge_slot"]["is_open"], gates["campaign_not_running"]["is_open"]) == (False, True)
    assert sorted(gates["no_bridge_slot"]) == ["code", "is_open", "label", "opens_at", "reason"]


def test_attempts_are_found_by_campaign_contact_and_outcome(reader):
    attempt = make_attempt(outcome=Outcome.BUSY)
    other = make_attempt(outcome=Outcome.NO_ANSWER)
    queries = [{"campaign": attempt.campaign_id}, {"contact": attempt.contact_id}, {"outcome": "busy"}]
    assert [ids(reader.get("/api/v1/call-attempts/", query)) for query in queries] == [[str(attempt.pk)]] * 3
    shown = reader.get(f"/api/v1/call-attempts/{other.pk}/").json()
    assert (shown["number"], shown["state"], shown["outcome"], shown["contact"]) == (
        1,
        "ended",
        "no_answer",
        other.contact_id,
    )
    assert "token" not in " ".join(shown)


@pytest.mark.parametrize("query", [{"contact": "x"}, {"contact": "1.5"}, {"contact": 10**30}, {"contact": -1}])
def test_an_attempt_query_that_makes_no_sense_is_refused(reader, query):
    assert reader.get("/api/v1/call-attempts/", query).status_code == 422


def test_a_call_tells_its_facts(reader):
    call = make_call(disposition="completed", answers=[{"key": "q", "question": "?", "value": "yes", "at_ms": 5}])
    shown = reader.get(f"{CALLS}{call.pk}/").json()
    attempt = call.attempt
    assert attempt is not None
    assert {name: shown[name] for name in ("attempt", "campaign", "contact", "phone_number", "outcome")} == {
        "attempt": str(attempt.pk),
        "campaign": attempt.campaign_id,
        "contact": attempt.contact_id,
        "phone_number": attempt.phone_number,
        "outcome": "answered",
    }
    assert (shown["duration_s"], shown["ended_by"], shown["has_recording"]) == (12.0, "customer_hangup", False)
    assert shown["answers"] == call.answers


def test_a_live_call_has_no_duration_yet(reader):
    shown = reader.get(f"{CALLS}{make_call(duration_s=None).pk}/").json()
    assert (shown["duration_s"], shown["ended_at"], shown["ended_by"]) == (None, None, "")


def test_calls_are_found_by_campaign_time_disposition_and_life(reader):
    early = make_call(started_at=NOW - timedelta(hours=2), disposition="completed")
    live = make_call(started_at=NOW, duration_s=None)
    assert early.attempt is not None
    found = {
        str(query): ids(reader.get(CALLS, query))
        for query in (
            {},
            {"campaign": early.attempt.campaign_id},
            {"since": (NOW - timedelta(hours=1)).isoformat()},
            {"until": "2026-11-20T07:30:00Z"},
            {"disposition": "completed"},
            {"is_live": "true"},
            {"is_live": "false"},
        )
    }
    assert list(found.values()) == [
        [str(live.pk), str(early.pk)],
        [str(early.pk)],
        [str(live.pk)],
        [str(early.pk)],
        [str(early.pk)],
        [str(live.pk)],
        [str(early.pk)],
    ]


def test_a_plus_that_was_not_encoded_is_understood(reader):
    call = make_call(started_at=NOW)
    assert ids(reader.get(f"{CALLS}?since=2026-11-20T15:30:00+07:00")) == [str(call.pk)]


@pytest.mark.parametrize(
    "query", ["since=yesterday", "since=2026-11-20T08:00:00", "is_live=maybe", "since=9999-12-31T23:59:59Z"]
)
def test_a_call_query_that_makes_no_sense_is_refused(reader, query):
    assert reader.get(f"{CALLS}?{query}").status_code == 422


def test_the_transcript_is_in_the_order_of_speaking(reader):
    call = make_call()
    shown = reader.get(f"{CALLS}{call.pk}/transcript/").json()
    assert (shown["call"], shown["is_live"]) == (str(call.pk), False)
    assert [(turn["speaker"], turn["text"], turn["start_ms"]) for turn in shown["turns"]] == sorted(
        ((line.speaker.value, line.text, line.start_ms) for line in CONVERSATION), key=lambda turn: turn[2]
    )
    assert [turn["heard_text"] for turn in shown["turns"] if turn["is_interrupted"]] == ["Was your problem"]


def test_the_analysis_comes_when_it_is_there(reader):
    call = make_call()
    early = reader.get(f"{CALLS}{call.pk}/analysis/")
    CallAnalysis.objects.create(call=call, summary="Solved.", metrics={"words": 12}, computed_at=NOW)
    shown = reader.get(f"{CALLS}{call.pk}/analysis/").json()
    assert (early.status_code, early.json()["code"]) == (404, "not_ready")
    assert (shown["call"], shown["summary"], shown["metrics"]) == (str(call.pk), "Solved.", {"words": 12})


def test_the_timeline_is_in_the_order_it_happened(reader):
    call = make_call()
    shown = reader.get(f"{CALLS}{call.pk}/timeline/").json()
    assert [entry["kind"] for entry in shown] == [
        "attempt.claimed",
        "call.started",
        "speech.agent",
        "speech.customer",
        "speech.agent",
        "speech.customer",
        "interruption",
        "speech.agent",
        "call.ended",
    ]
    assert [entry["at"] for entry in shown] == sorted(entry["at"] for entry in shown)


@pytest.fixture
def recorded(reader, data_dir: Path) -> tuple[Call, bytes]:
    path = data_dir / "recordings" / "one.wav"
    path.parent.mkdir()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(256)) * 4)
    return make_call(recording_path="recordings/one.wav"), path.read_bytes()


def test_a_recording_is_sent_whole(reader, recorded):
    call, content = recorded
    answer = reader.get(f"{CALLS}{call.pk}/recording/", HTTP_ACCEPT="audio/wav")
    assert (answer.status_code, answer["Content-Type"], answer["Content-Length"]) == (
        200,
        "audio/wav",
        str(len(content)),
    )
    assert (sent(answer), answer["Accept-Ranges"], answer["Cache-Control"]) == (content, "bytes", "private, no-store")


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [("bytes=0-9", 206, slice(0, 10)), ("bytes=-4", 206, slice(-4, None)), ("bytes=9999-", 416, slice(0, 0))],
)
def test_a_recording_is_sent_in_ranges(reader, recorded, header, status, part):
    call, content = recorded
    answer = reader.get(f"{CALLS}{call.pk}/recording/", HTTP_RANGE=header)
    assert (answer.status_code, answer.content) == (status, content[part])
    assert answer["Content-Range"].endswith(f"/{len(content)}")


def test_a_call_without_a_recording_says_so(reader):
    answer = reader.get(f"{CALLS}{make_call().pk}/recording/", HTTP_ACCEPT="audio/wav")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_ready")


def test_a_recording_path_that_leads_elsewhere_is_not_followed(reader, data_dir: Path):
    (data_dir.parent / "secret.wav").write_bytes(b"secret")
    call = make_call(recording_path="../secret.wav")
    assert reader.get(f"{CALLS}{call.pk}/recording/").status_code == 404
