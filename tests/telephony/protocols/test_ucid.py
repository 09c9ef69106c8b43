import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    AudioReceived,
    Closed,
    DtmfReceived,
    EndUtterance,
    Flush,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlaybackAcknowledged,
    PlayFile,
    ReportError,
    Transfer,
    TransferTarget,
)
from telephony.protocols.ucid import (
    DEDUPLICATED_PACKETS,
    ClearAction,
    DisconnectAction,
    ErrorAction,
    PacketAction,
    UcidClientCodec,
    UcidServerCodec,
    UnknownAction,
)
from telephony.protocols.wav import build_wav

UCID = "9171763700000123"
START = '{"event":"start","ucid":"9171763700000123","type":"text"}'
STOP = '{"event":"stop","ucid":"9171763700000123","type":"text"}'
SAMPLES = [0, 1000, -1000, 32767, -32768, 1, -1, 256]


def pcm_of(*samples):
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def media(samples, ucid=UCID, **data):
    data = {"samples": samples, "bitsPerSample": 16, "sampleRate": 8000, "channelCount": 1, "type": "data", **data}
    return json.dumps({"event": "media", "type": "media", "ucid": ucid, "data": data})


def opened_codec(**settings):
    codec = UcidServerCodec(**settings)
    codec.receive(START)
    return codec


def heard(events):
    return b"".join(event.pcm for event in events if isinstance(event, AudioReceived))


def received(codec, *messages):
    return [event for message in messages for event in codec.receive(message)]


def refusal_of(codec, message):
    with pytest.raises(RemoteProtocolError) as refusal:
        codec.receive(message)
    return refusal.value.code, refusal.value.close_code


def test_start_says_who_called_whom():
    start = {
        "event": "start",
        "type": "text",
        "ucid": UCID,
        "did": "918012345678",
        "call_id": "919812345610",
        "x_account": "acc",
        "x_headers": '{"cid":"42","outbound_sid":"7"}',
        "media": {"encoding": "PCMU", "sampleRate": 8000, "channels": 1, "bitsPerSample": 16, "payloadType": 0},
    }

    assert UcidServerCodec().receive(json.dumps(start)) == [
        Opened(
            UCID,
            tenant="acc",
            parameters={"cid": "42", "outbound_sid": "7"},
            customer_number="919812345610",
            own_number="918012345678",
            is_outbound=True,
        )
    ]


def test_start_of_the_guide_is_enough():
    assert UcidServerCodec().receive(START) == [Opened(UCID)]


def test_callers_number_is_taken_in_e164_where_it_is_told():
    start = json.dumps({"event": "start", "ucid": UCID, "call_id": "9198", "x_headers": '{"cid_e164":"+9198"}'})

    assert UcidServerCodec().receive(start) == [
        Opened(UCID, parameters={"cid_e164": "+9198"}, customer_number="+9198"),
    ]


def test_bad_x_headers_are_counted_and_the_call_goes_on():
    start = json.dumps({"event": "start", "ucid": UCID, "x_headers": "cid=42"})

    assert UcidServerCodec().receive(start) == [Ignored("bad_x_headers"), Opened(UCID)]


def test_stream_of_kookoo_is_read():
    codec = UcidServerCodec()
    peer = UcidClientCodec(UCID)
    audio = pcm_of(*range(800))

    events = received(codec, peer.start(), peer.media(bytes(320), rate_hz=16000))
    for at in range(0, len(audio), 160):
        events += codec.receive(peer.media(audio[at : at + 160]))
    events += received(codec, peer.dtmf("5"), peer.stop(433))

    assert events[:2] == [Opened(UCID), Ignored("wide_first_packet")]
    assert heard(events) == audio
    assert events[-2:] == [DtmfReceived("5"), Closed("433")]


def test_sample_vector_is_heard_as_pcm16():
    events = received(opened_codec(), media(SAMPLES), STOP)

    assert events == [AudioReceived(bytes.fromhex("0000e80318fcff7f00800100ffff0001"), 8000), Closed()]


def test_json_may_come_in_binary_frames():
    events = received(UcidServerCodec(), START.encode(), media(SAMPLES).encode(), STOP.encode())

    assert events == [Opened(UCID), AudioReceived(pcm_of(*SAMPLES), 8000), Closed()]


@pytest.mark.parametrize("ucid", [None, 7, "", "x" * 129, "a b", "../a", ["a"]])
def test_start_with_a_bad_ucid_is_answered_and_ends_the_stream(ucid):
    codec = UcidServerCodec()
    assert codec.send(ReportError("", is_ours=False)) == []

    assert refusal_of(codec, json.dumps({"event": "start", "ucid": ucid, "type": "text"})) == ("bad_ucid", 4400)

    (answer,) = codec.send(ReportError("bad_ucid", is_ours=False))
    assert json.loads(answer) == {"event": "error", "code": "bad_ucid"}
    assert UcidClientCodec(UCID).receive(answer) == ErrorAction("bad_ucid")


def test_second_start_is_ignored_or_refused_and_the_third_other_one_ends_the_stream():
    codec = opened_codec()
    other = json.dumps({"event": "start", "ucid": "another"})

    assert codec.receive(START) == [Ignored("repeated_start")]
    assert refusal_of(codec, other) == ("other_start", None)
    assert refusal_of(codec, '{"event":"start"}') == ("other_start", None)
    assert refusal_of(codec, other) == ("other_start", 4409)


def test_media_before_start_waits_for_it():
    codec = UcidServerCodec()
    early = received(codec, *[media([number] * 80) for number in range(3)])

    assert early == [Ignored("early_media")] * 3
    events = received(codec, START, media([3] * 80))
    assert events[0] == Opened(UCID)
    assert heard(events) == pcm_of(*[0] * 80, *[1] * 80, *[2] * 80, *[3] * 80)


def test_two_seconds_of_media_are_a_start():
    codec = UcidServerCodec()
    early = [codec.receive(media([7] * 160)) for _ in range(99)]
    opening = codec.receive(media([7] * 160))

    assert early == [[Ignored("early_media")]] * 99
    assert opening == [Opened(UCID), *[AudioReceived(pcm_of(*[7] * 160), 8000)] * 100]
    assert codec.receive(START) == [Ignored("repeated_start")]


def test_two_seconds_of_media_without_a_ucid_are_none():
    codec = UcidServerCodec()
    early = received(codec, *[media([7] * 8000, ucid=None)])

    assert early == [Ignored("early_media")]
    assert refusal_of(codec, media([7] * 8000, ucid="a b")) == ("bad_ucid", 4400)


def test_keys_before_start_are_ignored():
    assert UcidServerCodec().receive('{"event":"media","type":"dtmf","signal":"5"}') == [Ignored("early_dtmf")]


def test_nothing_after_stop_is_acted_on():
    codec = opened_codec()
    received(codec, media([1] * 160), media([1] * 160), STOP)

    events = received(codec, media([1] * 160), START, STOP, '{"command":"callDisconnect"}')

    assert events == [Ignored("after_stop", name) for name in ("media", "start", "stop", "callDisconnect")]


def test_stop_lets_go_of_the_last_packet():
    assert received(opened_codec(), media([5] * 80), STOP) == [AudioReceived(pcm_of(*[5] * 80), 8000), Closed()]


def test_stop_before_start_closes_without_a_call():
    assert received(UcidServerCodec(), media([5] * 80), STOP) == [Ignored("early_media"), Closed()]


@pytest.mark.parametrize(("cause", "reason"), [(433, "433"), ("busy\n", "busy\\n"), (None, ""), ([1], "")])
def test_stop_tells_its_cause(cause, reason):
    assert opened_codec().receive(json.dumps({"event": "stop", "ucid": UCID, "cause": cause})) == [Closed(reason)]


def test_stop_with_another_ucid_is_counted_and_ends_the_call():
    assert opened_codec().receive('{"event":"stop","ucid":"TEST-2"}') == [Ignored("other_ucid"), Closed()]


def test_media_with_another_ucid_is_counted_and_heard():
    events = received(opened_codec(), media([1] * 160, ucid="another"))

    assert events == [AudioReceived(pcm_of(*[1] * 160), 8000), Ignored("other_ucid")]


@pytest.mark.parametrize(("signal", "digit"), [("0", "0"), ("9", "9"), ("*", "*"), ("#", "#"), ("a", "A"), ("D", "D")])
def test_keys_are_heard(signal, digit):
    assert opened_codec().receive(UcidClientCodec(UCID).dtmf(signal)) == [DtmfReceived(digit)]


@pytest.mark.parametrize("signal", [None, 5, "", "55", "E", ["5"]])
def test_what_is_no_key_is_refused(signal):
    message = json.dumps({"event": "media", "type": "dtmf", "ucid": UCID, "signal": signal})

    assert refusal_of(opened_codec(), message) == ("bad_signal", None)


def test_our_own_commands_are_tolerated():
    codec = opened_codec()

    assert codec.receive('{"command":"clearBuffer","sessionId":"x"}') == [Ignored("unknown_command", "clearBuffer")]
    assert codec.receive('{"command":"callDisconnect","causeCode":200}') == [Closed("callDisconnect")]


def test_unknown_events_are_ignored_by_a_short_printable_name():
    assert opened_codec().receive(json.dumps({"event": "d\nt" + "x" * 100})) == [
        Ignored("unknown_event", "d\\nt" + "x" * 37)
    ]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("\ufeff{}", "bad_json"),
        (b"\xff", "bad_json"),
        ("[]", "not_an_object"),
        ('{"event":"stop","event":"stop"}', "repeated_key"),
        ('{"event":"x","a":' + "[" * 32 + "]" * 32 + "}", "too_deep"),
        ('{"event":"' + "x" * 262_144 + '"}', "message_too_large"),
        ("{}", "no_event"),
        ('{"event":7}', "no_event"),
        ('{"command":7}', "no_event"),
        ('{"event":"media"}', "no_data"),
        ('{"event":"media","data":[1]}', "no_data"),
        (media(None), "bad_samples"),
        (media("AAAA"), "bad_samples"),
        (media([[1]]), "bad_samples"),
        (media([0] * 24_001), "bad_samples"),
        (media([True]), "bad_samples"),
        (media([0], sampleRate=44100), "bad_audio_format"),
        (media([0], channelCount=3), "bad_audio_format"),
        (media([0], bitsPerSample=8), "bad_audio_format"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_malformed_messages_are_refused_and_the_call_goes_on(message, code):
    codec = opened_codec()

    assert refusal_of(codec, message) == (code, None)
    assert codec.receive(media([1] * 160)) == [AudioReceived(pcm_of(*[1] * 160), 8000)]


def test_ten_packets_of_an_unsupported_format_end_the_stream():
    codec = opened_codec()
    odd = media([0] * 80, sampleRate=44100)

    refusals = [refusal_of(codec, odd) for _ in range(10)]

    assert refusals == [("bad_audio_format", None)] * 9 + [("bad_audio_format", 4415)]


@given(frames=st.lists(st.lists(st.integers(-32768, 32767), min_size=1, max_size=90), max_size=8))
def test_audio_is_heard_whole_whatever_the_size_of_packets(frames):
    codec = UcidServerCodec()
    peer = UcidClientCodec(UCID)

    events = received(codec, peer.start(), *[peer.media(pcm_of(*frame)) for frame in frames], peer.stop())

    assert heard(events) == b"".join(pcm_of(*frame) for frame in frames)


NAMES = ["event", "type", "ucid", "data", "samples", "sampleRate", "command", "seqid", "signal", "cause", "x_headers"]
EVENTS = ["start", "media", "mark", "stop", "dtmf", "error"]
COMMANDS = ["clearBuffer", "callDisconnect"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([UCID, "utt1-00000"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
    max_leaves=12,
)
data_values = st.fixed_dictionaries(
    {"samples": st.lists(st.integers(-40_000, 40_000), max_size=20) | json_values},
    optional={
        "sampleRate": st.sampled_from([8000, 16000, 44100]) | json_values,
        "channelCount": st.integers(0, 3) | json_values,
        "numberOfFrames": json_values,
    },
)
ucid_shaped = st.fixed_dictionaries(
    {"event": st.sampled_from(EVENTS) | json_values},
    optional={
        "type": st.sampled_from(["text", "media", "dtmf", "ack"]),
        "ucid": st.just(UCID) | json_values,
        "data": data_values | json_values,
        "command": st.sampled_from(COMMANDS) | json_values,
        "signal": json_values,
        "seqid": json_values,
        "cause": json_values,
        "causeCode": json_values,
        "x_headers": json_values | st.dictionaries(st.text(), json_values).map(json.dumps),
    },
)
commands_shaped = st.fixed_dictionaries({"command": st.sampled_from(COMMANDS)}, optional={"causeCode": json_values})
shaped = (ucid_shaped | commands_shaped).map(json.dumps)
any_message = st.text() | st.binary() | json_values.map(json.dumps) | shaped | shaped.map(str.encode)


@given(st.lists(any_message, max_size=5), st.booleans())
def test_server_codec_raises_nothing_but_remote_protocol_error(messages, is_open):
    codec = opened_codec() if is_open else UcidServerCodec()
    codec.send(PlayAudio(bytes(320), "item"))
    for message in messages:
        with suppress(RemoteProtocolError):
            for event in codec.receive(message):
                assert isinstance(
                    event, Opened | AudioReceived | DtmfReceived | PlaybackAcknowledged | Closed | Ignored
                )


@given(any_message)
def test_client_codec_raises_nothing_but_remote_protocol_error(message):
    with suppress(RemoteProtocolError):
        action = UcidClientCodec(UCID).receive(message)
        assert isinstance(action, PacketAction | ClearAction | DisconnectAction | ErrorAction | UnknownAction)


def test_play_audio_is_understood_as_packets_of_ten_ms():
    audio = pcm_of(*range(200))
    codec = opened_codec()
    peer = UcidClientCodec(UCID)

    messages = codec.send(PlayAudio(audio, "a")) + codec.send(EndUtterance("a"))

    assert [peer.receive(message) for message in messages] == [
        PacketAction(audio[:160], "utt1-00000", is_repeated=False),
        PacketAction(audio[160:320], "utt1-00001", is_repeated=False),
        PacketAction(audio[320:] + bytes(80), "utt1-00002", is_repeated=False),
    ]


def test_nobody_hears_audio_before_the_start():
    codec = UcidServerCodec()
    file = PlayFile(build_wav(bytes(160), 8000), is_queued=False)

    assert [codec.send(command) for command in (PlayAudio(bytes(160), "a"), EndUtterance("a"), Flush(), file)] == [
        [],
        [],
        [],
        [],
    ]


def test_play_audio_refuses_half_a_sample():
    with pytest.raises(LocalProtocolError):
        opened_codec().send(PlayAudio(b"\x00"))


@pytest.mark.parametrize("is_queued", [True, False])
def test_play_file_is_packets_after_or_instead_of_what_is_queued(is_queued):
    codec = opened_codec()
    peer = UcidClientCodec(UCID)

    messages = codec.send(PlayFile(build_wav(pcm_of(*[7] * 100), 8000), is_queued=is_queued))

    actions = [peer.receive(message) for message in messages]
    packets = [action for action in actions if isinstance(action, PacketAction)]
    assert actions[: len(actions) - len(packets)] == ([] if is_queued else [ClearAction()])
    assert [packet.pcm for packet in packets] == [pcm_of(*[7] * 80), pcm_of(*[7] * 20, *[0] * 60)]


@pytest.mark.parametrize(
    "wav",
    [b"mp3", build_wav(bytes(4), 16000), build_wav(bytes(4), 8000, channels=2), build_wav(bytes(16 * 60_001), 8000)],
    ids=["not a WAV", "rate", "stereo", "longer than the queue"],
)
def test_play_file_refuses_what_the_vendor_does_not_play(wav):
    with pytest.raises(LocalProtocolError):
        opened_codec().send(PlayFile(wav))


def test_flush_clears_the_vendors_buffer_and_our_remainder():
    codec = opened_codec()
    codec.send(PlayAudio(pcm_of(7), "a"))

    (message,) = codec.send(Flush())

    assert json.loads(message) == {"command": "clearBuffer", "sessionId": UCID}
    assert UcidClientCodec(UCID).receive(message) == ClearAction()
    assert codec.send(EndUtterance("a")) == []


def test_hangup_ends_the_stream():
    (message,) = opened_codec().send(Hangup())

    assert json.loads(message) == {"command": "callDisconnect", "causeCode": 200}
    assert UcidClientCodec(UCID).receive(message) == DisconnectAction(200)


def test_transfer_ends_the_stream_too_as_the_vendor_asks_for_the_target_later():
    (message,) = opened_codec().send(Transfer((TransferTarget("+918012345678"),)))

    assert UcidClientCodec(UCID).receive(message) == DisconnectAction(200)


@pytest.mark.parametrize("number", ["", "1", "sip:101", "1 01", "1" * 16, "</dial>"])
def test_transfer_refuses_what_cannot_be_dialed(number):
    with pytest.raises(LocalProtocolError):
        opened_codec().send(Transfer((TransferTarget(number),)))


def test_mark_says_how_far_an_utterance_was_heard():
    codec = opened_codec()
    peer = UcidClientCodec(UCID)
    packets = codec.send(PlayAudio(bytes(800), "greeting"))
    marks = [codec.receive(peer.mark(json.loads(packet)["seqid"], 1_763_700_001_234)) for packet in packets]

    assert marks == [[PlaybackAcknowledged("greeting", heard_ms)] for heard_ms in (10, 20, 30, 40, 50)]


def test_mark_after_a_flush_still_finds_its_utterance():
    codec = opened_codec()
    codec.send(PlayAudio(bytes(800), "greeting"))
    codec.send(Flush())
    codec.send(PlayAudio(bytes(160), "next"))

    assert codec.receive(UcidClientCodec(UCID).mark("utt1-00002", 0)) == [PlaybackAcknowledged("greeting", 30)]


@pytest.mark.parametrize("seqid", [None, 7, "", "utt1-00009", "other"])
def test_mark_of_an_unknown_packet_is_ignored(seqid):
    codec = opened_codec()
    codec.send(PlayAudio(bytes(160), "a"))

    assert codec.receive(json.dumps({"event": "mark", "type": "ack", "seqid": seqid})) == [Ignored("unknown_mark")]


def test_client_codec_drops_repeated_packets_as_the_vendor_does():
    (message,) = opened_codec().send(PlayAudio(bytes(160), "a"))
    peer = UcidClientCodec(UCID)
    assert peer.receive(message) == PacketAction(bytes(160), "utt1-00000", is_repeated=False)
    assert peer.receive(message) == PacketAction(bytes(160), "utt1-00000", is_repeated=True)

    for number in range(DEDUPLICATED_PACKETS):
        peer.receive(message.replace("utt1-00000", f"other-{number}"))

    assert peer.receive(message) == PacketAction(bytes(160), "utt1-00000", is_repeated=False)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"event":"media","seqid":"a"}', "bad_packet"),
        (media([0] * 80), "bad_packet"),
        (media([0] * 80).replace('"type": "media"', '"seqid": 7'), "bad_packet"),
        (media([0] * 79).replace('"type": "media"', '"seqid": "a"'), "bad_packet"),
        (media([40_000] * 80).replace('"type": "media"', '"seqid": "a"'), "bad_packet"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_client_codec_refuses_malformed_actions(message, code):
    with pytest.raises(RemoteProtocolError) as refusal:
        UcidClientCodec(UCID).receive(message)
    assert refusal.value.code == code


def test_client_codec_tells_what_it_does_not_know():
    peer = UcidClientCodec(UCID)

    assert peer.receive('{"event":"what\\n"}') == UnknownAction("what\\n")
    assert peer.receive('{"command":"hold"}') == UnknownAction("hold")
    assert peer.receive('{"command":"callDisconnect","causeCode":"200"}') == DisconnectAction(None)


def test_client_codec_says_what_the_guide_shows():
    peer = UcidClientCodec(UCID)

    assert json.loads(peer.start()) == json.loads(START)
    assert json.loads(peer.stop()) == json.loads(STOP)
    assert json.loads(peer.start(did="91", call_id="92", x_headers={"cid": "42"}, x_account="acc")) == {
        "event": "start",
        "type": "text",
        "ucid": UCID,
        "did": "91",
        "call_id": "92",
        "x_account": "acc",
        "x_headers": '{"cid":"42"}',
    }
    assert json.loads(peer.media(pcm_of(*SAMPLES))) == {
        "event": "media",
        "type": "media",
        "ucid": UCID,
        "data": {
            "samples": SAMPLES,
            "bitsPerSample": 16,
            "sampleRate": 8000,
            "channelCount": 1,
            "numberOfFrames": 8,
            "type": "data",
        },
    }


def test_capabilities_follow_the_settings():
    capabilities = UcidServerCodec(chunk_ms=40, lead_ms=80, link_ms=60, confirms_hangup=False).capabilities

    assert (capabilities.in_rate_hz, capabilities.out_rate_hz) == (8000, 8000)
    assert (capabilities.chunk_ms, capabilities.lead_ms, capabilities.link_ms) == (40, 80, 60)
    assert (capabilities.has_flush, capabilities.has_playback_ack, capabilities.has_dtmf) == (True, False, True)
    assert (capabilities.has_transfer, capabilities.has_hangup, capabilities.confirms_hangup) == (True, True, False)


@pytest.mark.parametrize("chunk_ms", [0, -10, 15])
def test_chunks_are_whole_packets(chunk_ms):
    with pytest.raises(LocalProtocolError):
        UcidServerCodec(chunk_ms=chunk_ms)
