"""The HTTP face, through real connections."""

from __future__ import annotations

import json
from hashlib import sha256

import httpx
import pytest

from tests.telephony.simulator.desk import TOKEN, desk, named, once_connected

HANGUP = '{"event": "hangup"}'
HANGING_UP = once_connected(HANGUP)
EIGHT_BIT_WAV = (
    b"RIFF\x28\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data"
    b"\x04\x00\x00\x00\x80\x80\x80\x80"
)


async def test_create_stream_answers_as_the_vendor_does() -> None:
    async with desk(HANGING_UP) as it:
        response = await it.dial("0901234500")
        call_id = response.json()["data"]["call_id"]
        base = f"{it.simulator.url}/psr/v1/call/record"
        assert (response.status_code, response.json()) == (
            200,
            {
                "code": "OK",
                "data": {
                    "call_id": call_id,
                    "full_recording_url": f"{base}/full_{call_id}.wav",
                    "recording_url": f"{base}/{call_id}.wav",
                    "status": "in-progress",
                },
                "message": "OK",
            },
        )
        assert (await it.ended())["call_id"] == call_id


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"Basic {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Bearer wrong", 401),
        (TOKEN, 401),
        ("Digest x", 401),
        ("", 401),
    ],
)
async def test_only_the_token_places_a_call(authorization: str, status: int) -> None:
    async with desk(HANGING_UP) as it:
        it.client.headers["Authorization"] = authorization
        assert (await it.dial("0901234500")).status_code == status
        assert it.simulator.ledger.calls_placed == (status == 200)


async def test_without_a_token_of_its_own_the_simulator_takes_any_but_not_none() -> None:
    async with desk(HANGING_UP, token=None) as it:
        it.client.headers["Authorization"] = "Bearer whatever"
        assert (await it.dial("0901234500")).status_code == 200
        del it.client.headers["Authorization"]
        assert (await it.dial("0901234500")).status_code == 401


async def test_missing_fields_are_all_named_and_nothing_is_placed() -> None:
    async with desk() as it:
        response = await it.client.post("/psr/v1/call/stream", files={"channel": (None, "left")})
        assert (response.status_code, sorted(response.json()["errors"])) == (
            400,
            ["channel", "destination", "extension", "url"],
        )
        assert it.simulator.ledger.as_json()["calls"] == []


async def test_a_json_body_is_refused_with_advice() -> None:
    async with desk() as it:
        response = await it.client.post("/psr/v1/call/stream", json={"url": "ws://x"})
        assert (response.status_code, response.json()["errors"]) == (400, {"body": "send multipart/form-data"})


@pytest.mark.parametrize(
    ("destination", "status"), [("75", 400), ("76", 404), ("77", 503), ("78", 302), ("79", 401), ("82", 500)]
)
async def test_refusing_numbers_are_refused_and_not_placed(destination: str, status: int) -> None:
    async with desk() as it:
        response = await it.dial(f"09012345{destination}")
        assert (response.status_code, it.simulator.ledger.calls_placed) == (status, 0)
        refusal = it.simulator.ledger.as_json()["refusals"][-1]
        assert (refusal["destination"], refusal["status"]) == (f"09012345{destination}", status)


async def test_a_redirect_points_elsewhere() -> None:
    async with desk() as it:
        response = await it.dial("0901234578")
        assert response.headers["location"] == "http://recordings.invalid/psr/v1/call/stream"


async def test_a_throttled_number_is_placed_at_the_second_try() -> None:
    async with desk(HANGING_UP, throttle_s=7) as it:
        first = await it.dial("0901234580")
        assert (first.status_code, first.headers["retry-after"], it.simulator.ledger.calls_placed) == (429, "7", 0)
        assert (await it.call("0901234580"))["ended_by"] == "bot"


async def test_above_the_limit_of_open_calls_the_answer_is_429() -> None:
    async with desk(max_calls=1) as it:
        assert (await it.dial("0901234555")).status_code == 200
        second = await it.dial("0901234556")
        assert (second.status_code, it.simulator.ledger.max_simultaneous) == (429, 1)


async def test_an_error_after_placing_hides_a_call_that_talks() -> None:
    async with desk(HANGING_UP) as it:
        assert (await it.dial("0901234581")).status_code == 500
        record = await it.ended()
        assert (record["ended_by"], [line["status"] for line in named(record, "replied")]) == ("bot", [500])


@pytest.mark.parametrize(("destination", "placed"), [("0901234584", 1), ("0901234585", 0)])
async def test_a_reset_leaves_the_caller_in_doubt(destination: str, placed: int) -> None:
    async with desk(HANGING_UP) as it:
        with pytest.raises(httpx.NetworkError):
            await it.dial(destination)
        assert it.simulator.ledger.calls_placed == placed


async def test_a_number_that_never_replies_keeps_the_caller_waiting() -> None:
    async with desk() as it:
        it.client.timeout = httpx.Timeout(0.3)
        with pytest.raises(httpx.ReadTimeout):
            await it.dial("0901234586")
        assert it.simulator.ledger.calls_placed == 0


async def test_a_slow_reply_comes_after_the_call_was_placed_and_answered() -> None:
    async with desk(HANGING_UP, slow_reply_s=4.0) as it:
        response = await it.dial("0901234583")
        record = it.simulator.ledger.as_json()["calls"][0]
        assert (response.status_code, record["ended_by"], record["has_connected"]) == (200, "bot", True)


async def test_a_useless_body_is_a_200_without_a_call_id() -> None:
    async with desk(HANGING_UP) as it:
        response = await it.dial("0901234587")
        assert (response.status_code, response.headers["content-type"]) == (200, "text/html")
        assert (await it.ended())["ended_by"] == "bot"


async def test_a_repeated_call_id_is_that_of_the_call_before() -> None:
    async with desk(HANGING_UP) as it:
        first = await it.call("0901234500")
        repeated = await it.dial("0901234588")
        assert repeated.json()["data"]["call_id"] == first["call_id"]
        assert (await it.ended())["call_id"] != first["call_id"]


async def test_a_foreign_recording_url_names_another_host() -> None:
    async with desk(HANGING_UP) as it:
        data = (await it.dial("0901234589")).json()["data"]
        assert data["recording_url"] == f"http://recordings.invalid/psr/v1/call/record/{data['call_id']}.wav"


async def test_the_socket_of_an_eager_number_is_open_before_the_reply() -> None:
    async with desk(ring_min_s=0, ring_max_s=0) as it:
        await it.dial("0901234590")
        record = it.simulator.ledger.as_json()["calls"][0]
        events = [line["event"] for line in record["events"]]
        assert events.index("connected") < events.index("replied")


async def test_recordings_need_the_token_and_the_end_of_the_call() -> None:
    async with desk(HANGING_UP) as it:
        call_id = (await it.dial("0901234500")).json()["data"]["call_id"]
        assert (await it.recording(call_id)).status_code == 404
        await it.ended()
        assert (await it.recording(call_id)).headers["content-type"] == "audio/wav"
        it.client.headers["Authorization"] = "Bearer wrong"
        assert (await it.recording(call_id)).status_code == 401


@pytest.mark.parametrize("name", ["../ledger", "x.wav", "full_..%2f..%2fetc%2fpasswd", ""])
async def test_only_recordings_can_be_fetched(name: str) -> None:
    async with desk() as it:
        assert (await it.client.get(f"/psr/v1/call/record/{name}")).status_code == 404


async def test_the_ledger_shows_no_token_and_still_identifies_the_call() -> None:
    async with desk(HANGING_UP) as it:
        record = await it.call("0901234500", parameter=json.dumps({"cx": "secret-token", "name": "Lan"}))
        digest = sha256(b"secret-token").hexdigest()
        assert "secret-token" not in json.dumps(record)
        assert record["token_sha256"] == digest
        assert record["parameter"] == {"cx": f"sha256:{digest[:12]}", "name": "Lan"}
        assert record["url_sha256"] == sha256(it.bot.url.encode()).hexdigest()


async def test_health_counts_open_calls() -> None:
    async with desk() as it:
        await it.dial("0901234555")
        assert (await it.client.get("/sim/health")).json() == {"status": "ok", "open_calls": 1}


@pytest.mark.parametrize("wav", [b"not audio", EIGHT_BIT_WAV])
async def test_an_opening_file_that_cannot_be_played_is_refused(wav: bytes) -> None:
    async with desk() as it:
        form = {"url": (None, it.bot.url), "destination": (None, "0901234500"), "app": (None, "bot")}
        response = await it.client.post("/psr/v1/call/stream", files=form | {"audio_file": ("a.wav", wav)})
        assert (response.status_code, list(response.json()["errors"])) == (400, ["audio_file"])
        assert it.simulator.ledger.as_json()["refusals"][0]["status"] == 400
