"""Whole calls over real sockets: what a bot sees, and whether the ledger tells the truth about it."""

from __future__ import annotations

import base64
import io
import json
import wave
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from telephony.protocols.events import EndUtterance, PlayAudio
from telephony.protocols.psr import PsrServerCodec
from telephony.protocols.psr_chunks import ChunkCodec
from telephony.protocols.wav import build_wav
from telephony.simulator import stream
from telephony.simulator.audio import RATE_HZ, TICK_MS
from telephony.simulator.faults import MALFORMED
from telephony.simulator.options import CHUNK_LENGTHS_MS
from telephony.simulator.playout import Hypothesis, PlayoutSettings
from tests.telephony.simulator.desk import Script, chunk, desk, echo, named, once_connected, payloads_of, tone

HANGUP = '{"event": "hangup"}'
LEAVES_AT_2_S = "0901234552"
SILENT = "0901234551"


def file(pcm: bytes, *, is_sync: bool, rate_hz: int = RATE_HZ) -> str:
    payload = base64.b64encode(build_wav(pcm, rate_hz)).decode()
    return json.dumps({"event": "media", "media": {"payload": payload, "is_sync": is_sync}})


async def test_a_call_is_connected_media_closed() -> None:
    async with desk() as it:
        record = await it.call(LEAVES_AT_2_S)
        (socket,) = it.bot.sockets
        assert (socket.sent, socket.close_code) == (["connected", "media", "closed"], 1000)
        assert {message["data"]["call_id"] for message in socket.messages} == {record["call_id"]}
        assert {message["data"]["channel"] for message in socket.messages} == {"mono_a"}
        assert record["ended_by"] == "callee"


async def test_the_url_keeps_its_query_and_gains_the_call_and_the_parameters() -> None:
    async with desk(once_connected(HANGUP), tenant="acme") as it:
        record = await it.call(SILENT, parameter='{"name": "Ánh & co", "a": {"b": 1}, "tenant": "mine"}')
        (socket,) = it.bot.sockets
        assert socket.query == [
            ("kept", "1"),
            ("call_id", record["call_id"]),
            ("tenant", "acme"),
            ("name", "Ánh & co"),
            ("a.b", "1"),
        ]


@pytest.mark.parametrize("packet_ms", CHUNK_LENGTHS_MS)
async def test_media_has_the_chosen_length_and_keeps_real_time(packet_ms: int) -> None:
    async with desk(chunk_ms=packet_ms) as it:
        await it.call(LEAVES_AT_2_S)
        payloads = it.bot.sockets[0].payloads()
        assert {len(payload) for payload in payloads} == {packet_ms * 16}
        assert sum(map(len, payloads)) == pytest.approx(2000 * 16, abs=packet_ms * 16 + 20 * 16)


async def test_audio_comes_in_real_time() -> None:
    async with desk(speed=1.0, ring_min_s=0, ring_max_s=0) as it:
        record = await it.call(LEAVES_AT_2_S)
        (answered,), (closed,) = named(record, "answered"), named(record, "closed")
        assert closed["monotonic_s"] - answered["monotonic_s"] == pytest.approx(2.0, abs=0.3)


async def test_the_line_is_never_digitally_silent() -> None:
    async with desk() as it:
        await it.call(LEAVES_AT_2_S)
        audio = it.bot.sockets[0].audio().astype(float)
        assert 60 < audio.std() < 100


async def test_a_bots_hangup_ends_the_call() -> None:
    async with desk(once_connected(HANGUP)) as it:
        record = await it.call(SILENT)
        assert (record["ended_by"], named(record, "hangup")[0]["by"]) == ("bot", "bot")
        assert it.bot.sockets[0].sent[-1] == "closed"


async def test_a_server_that_closes_the_socket_ends_the_call() -> None:
    async def closing(socket, message) -> None:
        await socket.close(4000)

    async with desk(closing) as it:
        record = await it.call(SILENT)
        assert (record["ended_by"], named(record, "closed")[0]["code"]) == ("server", 4000)


@pytest.mark.parametrize("status", [403, 410, 500])
async def test_a_server_that_refuses_the_socket_is_on_record(status: int) -> None:
    async with desk(refusal=status) as it:
        record = await it.call(SILENT)
        assert record["ended_by"] == "not_connected"
        assert [(line["error"], line["status"]) for line in named(record, "connect_failed")] == [
            ("InvalidStatus", status)
        ]


async def test_a_server_that_stops_reading_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stops_reading(socket: ServerConnection, message: dict[str, Any]) -> None:
        await socket.wait_closed()

    monkeypatch.setattr(stream, "SEND_DEADLINE_S", 0.3)
    monkeypatch.setattr(stream, "CLOSE_DEADLINE_S", 0.1)
    async with desk(stops_reading, speed=16.0, chunk_ms=200) as it:
        record = await it.call("0901234595", channel="stereo")
        assert record["ended_by"] == "server_stalled"


async def test_a_server_that_is_not_there_is_on_record() -> None:
    async with desk() as it:
        record = await it.call(SILENT, url="ws://127.0.0.1:9/psr/x")
        assert (record["ended_by"], named(record, "connect_failed")[0]["status"]) == ("not_connected", None)


@pytest.mark.parametrize("spelling", ["transfer", "tranfer"])
async def test_a_transfer_ends_the_stream_and_a_person_is_recorded(spelling: str) -> None:
    action = json.dumps({"event": spelling, "data": {"extension": "101"}})
    async with desk(once_connected(action)) as it:
        record = await it.call(SILENT)
        (transfer,) = named(record, "transfer")
        assert (record["ended_by"], transfer["extension"]) == ("transfer", "101")
        assert transfer["is_misspelled"] is (spelling == "tranfer")
        (ended,) = named(record, "ended")
        assert ended["recorded_ms"] - ended["streamed_ms"] >= 4000


@pytest.mark.parametrize("hypothesis", Hypothesis)
async def test_chunks_are_heard_whole_and_in_order(hypothesis: Hypothesis) -> None:
    async with desk(
        once_connected(*(chunk(tone(200)) for _ in range(5))), playout=PlayoutSettings(hypothesis=hypothesis)
    ) as it:
        record = await it.call(LEAVES_AT_2_S)
        (item,) = named(record, "heard_item")
        assert (item["kind"], item["heard_ms"], item["gap_ms"], item["pieces"]) == ("chunk", 1000, 0, 5)
        assert record["heard_ms"] == 1000


@pytest.mark.parametrize(
    ("hypothesis", "chunk_codec", "least_ms", "most_ms"),
    [
        (Hypothesis.FILES, ChunkCodec.MP3_INDEPENDENT, 1000, 1000),
        (Hypothesis.STREAM, ChunkCodec.MP3_STREAM, 1138, 1471),
    ],
)
async def test_mp3_is_heard_whole_where_it_suits_how_chunks_are_played(
    hypothesis: Hypothesis, chunk_codec: ChunkCodec, least_ms: int, most_ms: int
) -> None:
    codec = PsrServerCodec(chunk_codec=chunk_codec)
    said = [*codec.send(PlayAudio(tone(1000), "a")), *codec.send(EndUtterance("a"))]
    async with desk(once_connected(*map(str, said)), playout=PlayoutSettings(hypothesis=hypothesis)) as it:
        record = await it.call(LEAVES_AT_2_S)
        (item,) = named(record, "heard_item")
        assert (item["kind"], item["gap_ms"]) == ("chunk", 0)
        assert least_ms <= record["heard_ms"] <= most_ms


async def test_chunks_of_uneven_length_gap_as_files_and_not_as_a_stream() -> None:
    gaps = {}
    for hypothesis in Hypothesis:
        async with desk(
            once_connected(*(chunk(tone(90)) for _ in range(4))), playout=PlayoutSettings(hypothesis=hypothesis)
        ) as it:
            (item,) = named(await it.call(LEAVES_AT_2_S), "heard_item")
            gaps[hypothesis] = item["gap_ms"]
            assert item["heard_ms"] == 360
    assert gaps == {Hypothesis.FILES: 30, Hypothesis.STREAM: 0}


@pytest.mark.parametrize(("is_sync", "heard"), [(True, 900), (False, 300)])
async def test_a_file_queues_or_replaces(is_sync: bool, heard: int) -> None:
    first, second = file(tone(600), is_sync=True), file(tone(300), is_sync=is_sync)
    async with desk(once_connected(first, second)) as it:
        record = await it.call(LEAVES_AT_2_S)
        assert record["heard_ms"] == heard
        assert named(record, "ended")[0]["dropped_ms"] == 900 - heard


async def test_a_file_at_another_rate_is_resampled() -> None:
    async with desk(once_connected(file(tone(500), is_sync=True, rate_hz=16000))) as it:
        assert (await it.call(LEAVES_AT_2_S))["heard_ms"] == 250


async def test_what_cannot_be_played_is_noted_and_the_call_goes_on() -> None:
    async with desk(
        once_connected(
            chunk(b"ID3", format="mp3"),
            chunk(b"", format="ogg"),
            json.dumps({"event": "media", "media": {"payload": base64.b64encode(b"RIFF").decode()}}),
            json.dumps({"event": "dance"}),
            "{",
            chunk(tone(100)),
        )
    ) as it:
        record = await it.call(LEAVES_AT_2_S)
        assert [line["code"] for line in named(record, "action_ignored")] == [
            "bad_mp3",
            "bad_format",
            "bad_wav",
            "unknown_event",
            "bad_json",
        ]
        assert (record["ended_by"], record["heard_ms"]) == ("callee", 100)


async def test_stereo_is_the_customer_left_and_the_bot_right() -> None:
    async with desk(once_connected(chunk(tone(1000)))) as it:
        await it.call(LEAVES_AT_2_S, channel="stereo")
        left, right = it.bot.sockets[0].audio().reshape(-1, 2).astype(float).T
        assert left.std() < 100 < 3000 < right.std()


@pytest.mark.parametrize(("channel", "is_bot_heard"), [("mono_a", False), ("mono_b", True)])
async def test_a_mono_channel_is_one_leg(channel: str, is_bot_heard: bool) -> None:
    async with desk(once_connected(chunk(tone(1000)))) as it:
        await it.call(LEAVES_AT_2_S, channel=channel)
        assert bool(it.bot.sockets[0].audio().astype(float).std() > 3000) is is_bot_heard


async def test_with_dial_the_extension_answers_first_and_is_the_left_leg() -> None:
    async with desk() as it:
        record = await it.call(LEAVES_AT_2_S, app="dial", extension="101", channel="stereo")
        assert [(line["event"], line["who"]) for line in record["events"] if "who" in line] == [
            ("ringing", "extension"),
            ("answered", "extension"),
            ("ringing", "destination"),
            ("answered", "destination"),
        ]
        left, right = it.bot.sockets[0].audio().reshape(-1, 2).astype(float).T
        assert right.std() < 100 < 500 < left.std()


@pytest.mark.parametrize(("is_silence", "heard"), [("false", 700), ("true", 0)])
async def test_the_opening_file_is_played_unless_silence_is_asked_for(is_silence: str, heard: int) -> None:
    async with desk() as it:
        form = {"url": it.bot.url, "destination": LEAVES_AT_2_S, "app": "bot", "is_silence": is_silence}
        fields = {name: (None, text) for name, text in form.items()}
        wav = ("opening.wav", build_wav(tone(700), RATE_HZ), "audio/wav")
        response = await it.client.post("/psr/v1/call/stream", files={**fields, "audio_file": wav})
        assert response.status_code == 200
        record = await it.ended()
        assert record["heard_ms"] == heard
        assert [item["kind"] for item in named(record, "heard_item")] == (["opening"] if heard else [])


async def test_a_person_takes_an_echo_for_no_question_and_leaves() -> None:
    async with desk(echo) as it:
        record = await it.call("0901234550")
        said = [line["phrase"] for line in named(record, "said")]
        assert (said, record["ended_by"]) == (["hello", "hello"], "callee")


async def test_a_person_who_barges_in_had_heard_a_part() -> None:
    async with desk(once_connected(chunk(tone(5000)))) as it:
        record = await it.call("0901234548")
        first = named(record, "said")[0]
        (item,) = named(record, "heard_item")
        # The frame in which the person speaks up has been heard by then.
        assert first["phrase"] == "yes"
        assert first["bot_heard_ms"] == first["from_ms"] + TICK_MS - item["from_ms"]
        assert first["bot_heard_ms"] == pytest.approx(2500, abs=TICK_MS)


async def test_busy_and_unanswered_phones_open_no_socket() -> None:
    async with desk(no_answer_s=2.0) as it:
        assert [(await it.call(f"09012345{ending}"))["ended_by"] for ending in ("64", "55")] == ["busy", "no_answer"]
        assert it.bot.sockets == []


async def test_an_abort_is_no_orderly_end() -> None:
    async with desk() as it:
        await it.call("0901234597")
        (socket,) = it.bot.sockets
        assert (socket.sent, socket.close_code) == (["connected", "media"], 1006)


async def test_a_stream_may_close_without_saying_so() -> None:
    async with desk(once_connected(chunk(tone(600)))) as it:
        await it.call("0901234598")
        (socket,) = it.bot.sockets
        assert (socket.sent, socket.close_code) == (["connected", "media"], 1000)


async def test_a_stream_may_close_twice() -> None:
    async with desk() as it:
        await it.call("0901234599")
        assert it.bot.sockets[0].events[-2:] == ["closed", "closed"]


async def test_a_second_socket_has_the_same_url() -> None:
    async with desk() as it:

        async def until_second(socket, message) -> None:
            if len(it.bot.sockets) == 2 and message["event"] == "media":
                await socket.send(HANGUP)

        it.bot._script = until_second
        record = await it.call("0901234592")
        first, second = it.bot.sockets
        assert (first.path, [line["socket"] for line in named(record, "connected")]) == (second.path, [1, 2])


async def test_a_late_socket_comes_after_the_wait() -> None:
    async with desk(once_connected(HANGUP), late_connect_s=4.0) as it:
        record = await it.call("0901234591")
        (answered,), (connected,) = named(record, "answered"), named(record, "connected")
        assert connected["monotonic_s"] - answered["monotonic_s"] >= 4.0 / 8


async def test_malformed_messages_come_between_good_ones_and_odd_bytes_join_up() -> None:
    async with desk(hanging_up_after(2400)) as it:
        record = await it.call("0901234593")
        (socket,) = it.bot.sockets
        assert [fault["name"] for fault in named(record, "sent_fault")] == [fault.name for fault in MALFORMED]
        assert sum(len(payload) % 2 for payload in socket.payloads()) > 50
        # Bytes put together wrongly would be noise louder than any speech.
        joined = b"".join(socket.payloads())
        assert np.frombuffer(joined[: len(joined) // 2 * 2], "<i2").astype(float).std() < 100


async def test_a_dead_line_keeps_its_socket_and_sends_nothing() -> None:
    async with desk(speed=40.0) as it:
        record = await it.call("0901234596")
        assert sum(map(len, it.bot.sockets[0].payloads())) == 3000 * 16
        assert named(record, "ended")[0]["streamed_ms"] == 40_000


async def test_a_flood_is_ten_times_real_time() -> None:
    async with desk(hanging_up_after(5000)) as it:
        record = await it.call("0901234595")
        streamed_ms = named(record, "ended")[0]["streamed_ms"]
        assert sum(map(len, it.bot.sockets[0].payloads())) == streamed_ms * 160


async def test_a_huge_message_is_sent_once() -> None:
    async with desk(hanging_up_after(2400)) as it:
        record = await it.call("0901234594")
        big = [message for message in it.bot.sockets[0].messages if isinstance(message, dict) and "pad" in message]
        assert [len(message["pad"]) for message in big] == [300 * 1024]
        assert [fault["name"] for fault in named(record, "sent_fault")] == ["huge_message"]


async def test_the_recordings_hold_what_was_said() -> None:
    async with desk(once_connected(chunk(tone(1000)))) as it:
        record = await it.call(LEAVES_AT_2_S)
        (ended,) = named(record, "ended")
        mono, full = await it.recording(record["call_id"]), await it.recording(record["call_id"], full=True)
        mono_channels, mono_audio = decoded(mono.content)
        full_channels, full_audio = decoded(full.content)
        assert (mono_channels, full_channels) == (1, 2)
        assert len(mono_audio) == ended["streamed_ms"] * 8
        assert len(full_audio) == ended["recorded_ms"] * 8 * 2
        assert ended["recorded_ms"] > ended["streamed_ms"]
        spectrum = np.abs(np.fft.rfft(mono_audio.astype(float)))
        assert np.argmax(spectrum) * RATE_HZ / len(mono_audio) == pytest.approx(440, abs=2)


def decoded(wav: bytes) -> tuple[int, np.ndarray]:
    with wave.open(io.BytesIO(wav)) as reader:
        assert (reader.getframerate(), reader.getsampwidth()) == (RATE_HZ, 2)
        return reader.getnchannels(), np.frombuffer(reader.readframes(reader.getnframes()), "<i2")


def hanging_up_after(media_ms: int) -> Script:
    """A bot that only listens, and hangs up when it has been sent so much audio."""
    received_bytes = 0

    async def script(socket: ServerConnection, message: dict[str, Any]) -> None:
        nonlocal received_bytes
        received_bytes += sum(map(len, payloads_of([message])))
        if received_bytes >= media_ms * 16:
            await socket.send(HANGUP)

    return script
