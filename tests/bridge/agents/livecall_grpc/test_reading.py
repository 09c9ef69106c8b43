"""What the service says, as events."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import (
    Audio,
    AudioDone,
    EndCall,
    Failed,
    Speaker,
    StopSpeaking,
    ToolCall,
    Transcript,
    Transfer,
    UserSpeech,
)
from bridge.agents.livecall_grpc.config import AudioEncoding, LiveCallConfig, LiveCallServer
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.reading import BadToolCall, Reader
from telephony.protocols.events import TransferTarget

CONFIG = LiveCallConfig(LiveCallServer("a:1"))
PCM = b"\x01\x00" * 4
AUDIO = pb.ServerResponse(
    status=True, audio_output=pb.AudioChunk(sample_rate=24_000, sample_width=2, audio_content=PCM)
)


def reader(config: LiveCallConfig = CONFIG) -> Reader:
    return Reader("call-1", config)


def response(**fields) -> pb.ServerResponse:
    return pb.ServerResponse(status=True, **fields)


def signal(**fields) -> pb.ServerResponse:
    return response(signal=pb.Signal(**fields))


def transfer(*staff: pb.Staff, **fields) -> pb.ServerResponse:
    return signal(transfer_call=pb.TransferCall(call_id="call-1", target_staff=staff, **fields))


@pytest.mark.parametrize(
    ("message", "events"),
    [
        (signal(end_call=pb.EndCall(call_id="call-1")), [EndCall()]),
        (signal(end_call=pb.EndCall()), [EndCall()]),
        (
            signal(end_call=pb.EndCall(call_id="call-1", tool_call_id="t", reason="done")),
            [EndCall("done", "t")],
        ),
        (signal(kill_audio=pb.KillAudio(call_id="call-1")), [StopSpeaking()]),
        (
            transfer(pb.Staff(name="Lan", phone_number=" 102 "), pb.Staff(phone_number="101"), pb.Staff(name="nobody")),
            [Transfer((TransferTarget("102", "Lan"), TransferTarget("101")))],
        ),
        (transfer(pb.Staff(phone_number="101"), tool_call_id="t"), [Transfer((TransferTarget("101"),), "t")]),
        (response(text_output=pb.Text(text="Good day")), [Transcript(Speaker.AGENT, "ai#1", "Good day", False)]),
        (response(text_output=pb.Text()), []),
        (
            response(transcript=pb.Transcript(role="agent", text="Good day", final=True, item_id="a")),
            [Transcript(Speaker.AGENT, "ai-a", "Good day")],
        ),
        (
            response(transcript=pb.Transcript(role="Assistant", text="Good", item_id="a")),
            [Transcript(Speaker.AGENT, "ai-a", "Good", False)],
        ),
        (
            response(
                transcript=pb.Transcript(role="user", text="yes", final=True, item_id="u", start_ms=40, end_ms=900)
            ),
            [Transcript(Speaker.CUSTOMER, "customer-1", "yes", True, 40, 900)],
        ),
        (
            response(transcript=pb.Transcript(role="customer", text="yes", final=True)),
            [Transcript(Speaker.CUSTOMER, "customer-1", "yes")],
        ),
        (
            response(transcript=pb.Transcript(role="customer", text="yes", final=True, start_ms=900, end_ms=40)),
            [Transcript(Speaker.CUSTOMER, "customer-1", "yes")],
        ),
        (response(user_speech=pb.UserSpeech(speaking=True, audio_ms=700)), [UserSpeech(True, 700)]),
        (response(user_speech=pb.UserSpeech(audio_ms=-7)), [UserSpeech(False, 0)]),
        (
            response(tool_call=pb.ToolCall(tool_call_id="t", name="add_to_dnc", arguments_json='{"reason": "asked"}')),
            [ToolCall("t", "add_to_dnc", {"reason": "asked"})],
        ),
        (response(tool_call=pb.ToolCall(tool_call_id="t", name="add_to_dnc")), [ToolCall("t", "add_to_dnc", {})]),
    ],
)
def test_each_message_is_its_event(message, events):
    read = reader()
    assert read.read(message, 0) == events
    assert read.counts == {}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (signal(end_call=pb.EndCall(call_id="another")), "other_call"),
        (signal(transfer_call=pb.TransferCall(call_id="another")), "other_call"),
        (signal(kill_audio=pb.KillAudio(call_id="another")), "other_call"),
        (response(signal=pb.Signal()), "unknown_message"),
        (response(), "unknown_message"),
        (response(transcript=pb.Transcript(role="narrator", text="then")), "unknown_role"),
        (response(audio_output=pb.AudioChunk(audio_content=b"")), None),
    ],
)
def test_what_is_not_for_this_call_is_counted(message, code):
    read = reader()
    assert read.read(message, 0) == []
    assert read.counts == ({code: 1} if code else {})


@pytest.mark.parametrize("arguments", ["[]", "{", "1", '{"a":' * 5_000])
def test_arguments_that_cannot_be_read_are_refused(arguments):
    (refused,) = reader().read(response(tool_call=pb.ToolCall(tool_call_id="t", arguments_json=arguments)), 0)
    assert refused == BadToolCall("t", "arguments_json is no JSON object")


def test_a_transfer_to_nobody_is_refused():
    (refused,) = reader().read(transfer(pb.Staff(name="Lan"), tool_call_id="t"), 0)
    assert isinstance(refused, BadToolCall)


@pytest.mark.parametrize(
    ("error", "is_retryable"),
    [
        (pb.Error(error_code=500), True),
        (pb.Error(error_code=80_100, internal_error_code=503), True),
        (pb.Error(error_code=80_100, internal_error_code=404), False),
        (pb.Error(error_code=429), True),
        (pb.Error(error_code=401), False),
        (pb.Error(), False),
        (pb.Error(error_code=401, retryable=True), True),
    ],
)
def test_an_error_says_whether_another_try_may_help(error, is_retryable):
    for status in (False, True):
        (failed,) = reader().read(pb.ServerResponse(status=status, error=error), 0)
        assert isinstance(failed, Failed)
        assert failed.retryable is is_retryable


def test_an_errors_text_is_fit_for_a_log():
    error = pb.Error(error_code=500, message="no\nsuch customer +84900000001 " + "x" * 300)
    (failed,) = reader().read(pb.ServerResponse(error=error), 0)
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("the AI service reports error 500/0: no such customer +########### xxx")
    assert len(failed.reason) < 200


def test_a_forgotten_status_is_no_error():
    read = reader()
    message = pb.ServerResponse(audio_output=AUDIO.audio_output)
    assert read.read(message, 0) == [Audio("ai#1", PCM)]
    assert read.counts == {"status_not_set": 1}


def test_the_end_ends_the_utterance_first():
    for message, last in (
        (signal(end_call=pb.EndCall()), EndCall()),
        (transfer(pb.Staff(phone_number="101")), Transfer((TransferTarget("101"),))),
    ):
        read = reader()
        read.read(AUDIO, 0)
        assert read.read(message, 1) == [AudioDone("ai#1"), last]


def test_what_follows_kill_audio_is_said():
    read = reader()
    read.read(AUDIO, 0)
    assert read.read(signal(kill_audio=pb.KillAudio()), 1) == [StopSpeaking()]
    assert read.read(AUDIO, 2) == [Audio("ai#2", PCM)]


def test_audio_that_can_never_be_played_fails_the_agent():
    (failed,) = reader().read(response(audio_output=pb.AudioChunk(sample_rate=44_100, audio_content=PCM)), 0)
    assert isinstance(failed, Failed)
    assert "44100 Hz" in failed.reason
    assert not failed.retryable


def test_one_bad_chunk_is_skipped():
    read = reader(replace(CONFIG, audio_encoding=AudioEncoding.BASE64_TEXT))
    assert read.read(AUDIO, 0) == []
    assert read.counts == {"bad_audio": 1}


def test_base64_is_suspected_once():
    read = reader()
    for _ in range(2):
        read.read(response(audio_output=pb.AudioChunk(audio_content=b"QUJD" * 40)), 0)
    assert read.counts == {"base64_suspected": 1}


def test_words_of_a_skipped_utterance_are_dropped():
    read = reader()
    read.read(AUDIO, 0)
    read.voice.interrupted("ai#1", 0)
    assert read.read(response(text_output=pb.Text(text="more")), 1) == []
    assert read.read(response(transcript=pb.Transcript(role="agent", text="more")), 1) == []


numbers = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, 2, 8, 16, 8_000, 16_000, 24_000, 48_000])
longs = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=12) | st.sampled_from(["call-1", "agent", "customer", "{}", '{"a": 1}', "a"])
messages = st.one_of(
    st.builds(
        pb.AudioChunk,
        sample_rate=numbers,
        sample_width=numbers,
        num_channels=st.sampled_from([0, 1, 2, -1]),
        duration=st.floats(width=32),
        audio_content=st.binary(max_size=100),
        item_id=texts,
        offset_ms=longs,
        is_last=st.booleans(),
    ).map(lambda data: {"audio_output": data}),
    st.builds(pb.EndCall, call_id=texts, tool_call_id=texts, reason=texts).map(
        lambda data: {"signal": pb.Signal(end_call=data)}
    ),
    st.builds(
        pb.TransferCall,
        call_id=texts,
        target_staff=st.lists(st.builds(pb.Staff, name=texts, phone_number=texts), max_size=3),
    ).map(lambda data: {"signal": pb.Signal(transfer_call=data)}),
    st.builds(pb.KillAudio, call_id=texts).map(lambda data: {"signal": pb.Signal(kill_audio=data)}),
    st.builds(pb.Error, error_code=numbers, internal_error_code=numbers, message=texts).map(
        lambda data: {"error": data}
    ),
    st.builds(pb.Text, text=texts).map(lambda data: {"text_output": data}),
    st.builds(
        pb.Transcript, role=texts, text=texts, final=st.booleans(), item_id=texts, start_ms=longs, end_ms=longs
    ).map(lambda data: {"transcript": data}),
    st.builds(pb.UserSpeech, speaking=st.booleans(), audio_ms=longs).map(lambda data: {"user_speech": data}),
    st.builds(pb.ToolCall, tool_call_id=texts, name=texts, arguments_json=texts).map(lambda data: {"tool_call": data}),
    st.just({}),
)


@given(
    st.lists(st.tuples(st.booleans(), messages, st.sampled_from(["", "interrupt", "pause"])), max_size=12),
    st.sampled_from(AudioEncoding),
)
def test_no_service_can_break_the_reader(said, encoding):
    read = reader(replace(CONFIG, audio_encoding=encoding))
    for at_ms, (status, data, then) in enumerate(said):
        for event in read.read(pb.ServerResponse(status=status, **data), at_ms):
            if isinstance(event, Audio):
                assert len(event.pcm) % 2 == 0
                if then == "interrupt":
                    read.voice.interrupted(event.item_id, at_ms)
        if then == "pause":
            read.voice.end()


@given(st.binary(max_size=200))
def test_no_bytes_can_break_the_reader(wire_bytes):
    try:
        message = pb.ServerResponse.FromString(wire_bytes)
    except Exception:  # noqa: BLE001  whatever protobuf raises, gRPC catches
        return
    reader().read(message, 0)
