import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.g711 import Law, decode, encode
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
from telephony.protocols.repeats import MAX_IN_A_ROW
from telephony.protocols.twilio import (
    ClearAction,
    MarkAction,
    MediaAction,
    TwilioClientCodec,
    TwilioServerCodec,
    UnknownAction,
)
from telephony.protocols.wav import build_wav

STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
CALL = "CA2d1f7f2c5f0e4f7f9c1e0b0a0d0c0b0a"
SAMPLES = (0, 1000, -1000, 32767, -32768, 1, -1, 256)
SAMPLES_MULAW_BASE64 = "/85OgAD/fuc="
HEARD = (0, 988, -988, 32124, -32124, 0, -8, 260)


def pcm_of(*samples):
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def client():
    return TwilioClientCodec(STREAM, CALL)


def started_codec(**options):
    codec = TwilioServerCodec(**options)
    codec.receive(client().connected())
    codec.receive(client().start())
    return codec


def refusal_of(codec, message):
    with pytest.raises(RemoteProtocolError) as refusal:
        codec.receive(message)
    return refusal.value.code, refusal.value.close_code


def start(**changes):
    message = json.loads(client().start())
    message["start"] = {**message["start"], **changes}
    return json.dumps(message)


def media(payload=SAMPLES_MULAW_BASE64, **changes):
    return json.dumps({"event": "media", "streamSid": STREAM, "media": {"payload": payload, **changes}})


def test_the_documented_stream_is_understood_from_beginning_to_end():
    codec, vendor = TwilioServerCodec(), client()
    parameters = {"customer_number": "+84901234567", "own_number": "+842871234567", "vip": "1"}

    events = codec.receive(vendor.connected())
    events += codec.receive(
        vendor.start({"customer_number": "+84901234567", "own_number": "+842871234567", "vip": "1"})
    )
    events += codec.receive(vendor.media(pcm_of(*SAMPLES)))
    events += codec.receive(vendor.dtmf("5"))
    events += codec.receive(vendor.stop())

    assert events == [
        Opened(CALL, "AC0", parameters, customer_number="+84901234567", own_number="+842871234567"),
        AudioReceived(pcm_of(*HEARD), 8000),
        DtmfReceived("5"),
        Closed("stop"),
    ]


def test_twilio_writes_its_numbers_as_strings():
    vendor = client()
    vendor.start()

    assert json.loads(vendor.media(pcm_of(*SAMPLES), timestamp_ms=20)) == {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": STREAM,
        "media": {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": SAMPLES_MULAW_BASE64},
    }


def test_nothing_but_start_opens_the_stream():
    codec = TwilioServerCodec()

    assert codec.receive(media()) == [Ignored("media_before_start")]
    assert codec.receive(client().mark("1")) == [Ignored("unknown_mark")]
    assert codec.receive(client().start()) == [Opened(CALL, "AC0")]
    assert codec.receive(client().start()) == [Ignored("repeated_start")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"callSid": None}, ("bad_start", 4400)),
        ({"callSid": 'x"}'}, ("bad_start", 4400)),
        ({"callSid": "x" * 129}, ("bad_start", 4400)),
        ({"mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1}}, ("unsupported_audio", 4415)),
        ({"mediaFormat": []}, ("unsupported_audio", 4415)),
    ],
)
def test_bad_start_ends_the_stream_with_its_code(changes, code):
    assert refusal_of(TwilioServerCodec(), start(**changes)) == code


def test_clone_that_says_little_is_understood():
    message = json.dumps(
        {"event": "start", "start": {"streamSid": "1", "callSid": "2", "accountSid": 3, "mediaFormat": {"x": 1}}}
    )
    codec = TwilioServerCodec()

    assert codec.receive(message) == [Opened("2")]
    assert codec.receive('{"event":"media","media":{"payload":"/w=="}}') == [AudioReceived(bytes(2), 8000)]


@pytest.mark.parametrize("custom", [None, [], {"a": 1}, {"a": "x" * 512}])
def test_parameters_that_are_no_short_texts_are_left_out(custom):
    assert TwilioServerCodec().receive(start(customParameters=custom)) == [Opened(CALL, "AC0")]


def test_parameters_are_bounded_in_number():
    (opened,) = TwilioServerCodec().receive(start(customParameters={str(at): "" for at in range(100)}))

    assert isinstance(opened, Opened)
    assert len(opened.parameters) == 32


def test_other_tracks_other_streams_and_empty_media_are_ignored():
    codec = started_codec()

    assert codec.receive(media(track="outbound")) == [Ignored("another_track")]
    assert codec.receive(json.dumps({"event": "media", "streamSid": "MZ0"})) == [Ignored("another_stream", "media")]
    assert codec.receive(media("")) == [Ignored("empty_media")]
    assert codec.receive('{"event":"dance"}') == [Ignored("unknown_event", "dance")]


@pytest.mark.parametrize("message", [client().start(), media(), client().stop()])
def test_nothing_after_stop_is_acted_on(message):
    codec = started_codec()
    codec.receive(client().stop())

    assert codec.receive(message) == [Ignored("after_stop", json.loads(message)["event"])]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("[]", "not_an_object"),
        (b"{}", "binary_frame"),
        ("{}", "no_event"),
        ('{"event":"media","media":[]}', "no_media"),
        ('{"event":"media","media":{}}', "no_payload"),
        ('{"event":"media","media":{"payload":"A A"}}', "bad_base64"),
        ('{"event":"dtmf","dtmf":{}}', "bad_digit"),
        ('{"event":"dtmf","dtmf":{"digit":"12"}}', "bad_digit"),
        ('{"event":"mark"}', "no_mark"),
    ],
)
def test_malformed_messages_are_refused_and_the_call_goes_on(message, code):
    codec = started_codec()

    assert refusal_of(codec, message) == (code, None)
    assert codec.receive(media()) == [AudioReceived(pcm_of(*HEARD), 8000)]


NAMES = ["event", "streamSid", "start", "media", "dtmf", "mark", "payload", "digit", "name", "callSid", "track"]
payloads = st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
twilio_shaped = st.fixed_dictionaries(
    {"event": st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "clear"]) | json_values},
    optional={
        "streamSid": st.just(STREAM) | json_values,
        "start": st.fixed_dictionaries(
            {"callSid": st.just(CALL) | json_values, "streamSid": st.just(STREAM) | json_values},
            optional={"mediaFormat": json_values, "customParameters": json_values, "accountSid": json_values},
        )
        | json_values,
        "media": st.fixed_dictionaries({"payload": payloads | json_values}) | json_values,
        "dtmf": st.fixed_dictionaries({"digit": json_values}) | json_values,
        "mark": st.fixed_dictionaries({"name": json_values | st.integers().map(str)}) | json_values,
    },
)
any_message = st.text() | st.binary() | json_values.map(json.dumps) | twilio_shaped.map(json.dumps)


@given(st.lists(any_message, max_size=5))
def test_server_codec_raises_nothing_but_remote_protocol_error(messages):
    codec = TwilioServerCodec()
    for message in messages:
        with suppress(RemoteProtocolError):
            for event in codec.receive(message):
                assert isinstance(event, Opened | AudioReceived | DtmfReceived | Closed | Ignored)


@given(any_message)
def test_client_codec_raises_nothing_but_remote_protocol_error(message):
    with suppress(RemoteProtocolError):
        action = client().receive(message)
        assert isinstance(action, MediaAction | MarkAction | ClearAction | UnknownAction)


def test_audio_goes_out_as_mu_law_with_a_mark_behind_it():
    messages = started_codec().send(PlayAudio(pcm_of(*SAMPLES), "a"))

    assert messages == [
        f'{{"event":"media","streamSid":"{STREAM}","media":{{"payload":"{SAMPLES_MULAW_BASE64}"}}}}',
        f'{{"event":"mark","streamSid":"{STREAM}","mark":{{"name":"1"}}}}',
    ]
    vendor = client()
    assert [vendor.receive(message) for message in messages] == [MediaAction(pcm_of(*HEARD)), MarkAction("1")]


@given(st.binary(max_size=2000).map(lambda audio: audio[: len(audio) // 2 * 2]))
def test_the_client_hears_what_was_said(pcm):
    codec, vendor = started_codec(), client()

    actions = [vendor.receive(message) for message in codec.send(PlayAudio(pcm, "a"))]

    heard = b"".join(action.pcm for action in actions if isinstance(action, MediaAction))
    assert heard == decode(encode(pcm, Law.MU), Law.MU)


def test_marks_tell_how_much_of_an_utterance_was_heard():
    codec = started_codec()
    codec.send(PlayAudio(bytes(1600), "a"))
    codec.send(PlayAudio(bytes(800), "a", offset_ms=100))
    codec.send(PlayAudio(bytes(1600), "b"))

    events = [codec.receive(client().mark(name)) for name in ("1", "2", "3", "3", "4", "x", "9" * 5000)]

    assert events == [
        [PlaybackAcknowledged("a", 100)],
        [PlaybackAcknowledged("a", 150)],
        [PlaybackAcknowledged("b", 100)],
        *[[Ignored("unknown_mark")]] * 4,
    ]


def test_marks_that_a_clear_brings_back_were_not_played():
    codec = started_codec()
    codec.send(PlayAudio(bytes(1600), "a"))
    (clear,) = codec.send(Flush())
    codec.send(PlayAudio(bytes(1600), "b"))

    assert client().receive(clear) == ClearAction()
    assert codec.receive(client().mark("1")) == [PlaybackAcknowledged("a", 100, was_played=False)]
    assert codec.receive(client().mark("2")) == [PlaybackAcknowledged("b", 100)]


def test_another_stream_of_the_same_call_takes_over():
    """As where TwiML connects the call again after its socket was lost."""
    codec = started_codec()
    codec.send(PlayAudio(bytes(1600), "a"))
    again = TwilioClientCodec("MZ-again", CALL)

    assert codec.receive(again.connected()) == []
    assert codec.receive(again.start()) == [Ignored("stream_again")]
    assert codec.receive(again.media(bytes(320))) == [AudioReceived(bytes(320), 8000)]
    assert again.receive(codec.send(Flush())[0]) == ClearAction()
    assert codec.receive(again.mark("1")) == [Ignored("unknown_mark")]
    assert codec.receive(media()) == [Ignored("another_stream", "media")]


def test_another_stream_that_is_named_in_start_alone_takes_over():
    """A clone that names the stream once, and sends messages without its name."""

    def first(stream):
        message = json.loads(TwilioClientCodec(stream, CALL).start())
        del message["streamSid"]
        return json.dumps(message)

    codec = TwilioServerCodec()
    assert [type(event) for event in codec.receive(first(STREAM))] == [Opened]
    assert codec.receive(first(STREAM)) == [Ignored("repeated_start")]

    assert codec.receive(first("MZ-again")) == [Ignored("stream_again")]
    assert TwilioClientCodec("MZ-again", CALL).receive(codec.send(Flush())[0]) == ClearAction()


@pytest.mark.parametrize("kind", ["media", "dtmf"])
def test_message_that_comes_twice_is_taken_once(kind):
    codec, vendor = started_codec(), client()
    say = {"media": lambda: vendor.media(pcm_of(*SAMPLES)), "dtmf": lambda: vendor.dtmf("5")}[kind]
    vendor.start()
    first, second, third = say(), say(), say()

    events = [codec.receive(message)[0] for message in (first, first, third, second, third, first, second)]

    # In the order in which they come, each once, however late it comes again.
    repeated = Ignored("repeated_message")
    heard = codec.receive(say())[0]
    assert events == [heard, repeated, heard, heard, repeated, repeated, repeated]


def test_chunk_numbers_the_audio_of_a_clone_that_does_not_number_its_messages():
    codec = started_codec()

    events = [codec.receive(media(chunk=chunk))[0] for chunk in ("1", "1", "2", 3, 3)]

    assert [isinstance(event, AudioReceived) for event in events] == [True, False, True, True, False]


def test_audio_without_numbers_is_all_heard():
    codec = started_codec()

    assert all(codec.receive(media()) == [AudioReceived(pcm_of(*HEARD), 8000)] for _ in range(3))


def test_numbers_that_stand_still_are_not_believed():
    codec = started_codec()

    events = [codec.receive(media(chunk="1"))[0] for _ in range(100)]

    assert [isinstance(event, AudioReceived) for event in events] == [True, *[False] * MAX_IN_A_ROW, *[True] * 49]


def test_stream_again_numbers_anew():
    codec, again = started_codec(), TwilioClientCodec("MZ-again", CALL)
    codec.receive(json.dumps({**json.loads(media()), "sequenceNumber": "2"}))
    codec.receive(again.start())

    assert isinstance(codec.receive(again.media(bytes(320)))[0], AudioReceived)


def test_stream_of_another_call_does_not_take_over():
    codec = started_codec()

    assert codec.receive(TwilioClientCodec("MZ-other", "CA-other").start()) == [Ignored("another_stream", "start")]
    assert codec.receive(client().start()) == [Ignored("repeated_start")]
    assert refusal_of(codec, '{"event":"start","streamSid":"MZ-other"}') == ("no_start", None)


def test_marks_that_never_come_back_are_forgotten():
    codec = started_codec()
    for _ in range(1001):
        codec.send(PlayAudio(bytes(2), "a"))

    assert codec.receive(client().mark("1")) == [Ignored("unknown_mark")]
    assert codec.receive(client().mark("2")) == [PlaybackAcknowledged("a", 0)]


@pytest.mark.parametrize("command", [EndUtterance("a"), Hangup(), ReportError("gone", is_ours=True), PlayAudio(b"")])
def test_what_the_closing_of_the_socket_says_needs_no_message(command):
    assert started_codec().send(command) == []


def test_flush_before_the_start_has_nothing_to_drop():
    assert TwilioServerCodec().send(Flush()) == []


@pytest.mark.parametrize(
    "command",
    [PlayAudio(b"\x00"), PlayFile(build_wav(pcm_of(*SAMPLES), 8000)), Transfer((TransferTarget("101"),))],
)
def test_what_twilio_cannot_be_told_is_refused(command):
    with pytest.raises(LocalProtocolError):
        started_codec().send(command)


def test_nothing_can_be_said_before_the_start():
    with pytest.raises(LocalProtocolError):
        TwilioServerCodec().send(PlayAudio(bytes(2)))


@pytest.mark.parametrize("chunk_ms", [0, -1])
def test_server_codec_refuses_a_chunk_without_audio(chunk_ms):
    with pytest.raises(LocalProtocolError):
        TwilioServerCodec(chunk_ms=chunk_ms)


def test_client_codec_refuses_messages_of_another_stream():
    message = '{"event":"clear","streamSid":"MZ0"}'
    assert refusal_of(client(), message) == ("another_stream", None)
    assert client().receive(json.dumps({"event": "dance", "streamSid": STREAM})) == UnknownAction("dance")


def test_capabilities_say_what_twilio_can_do():
    capabilities = TwilioServerCodec(chunk_ms=60, lead_ms=300, link_ms=90).capabilities

    assert (capabilities.in_rate_hz, capabilities.out_rate_hz) == (8000, 8000)
    assert (capabilities.chunk_ms, capabilities.lead_ms, capabilities.link_ms) == (60, 300, 90)
    assert (capabilities.has_flush, capabilities.has_playback_ack, capabilities.has_dtmf) == (True, True, True)
    assert (capabilities.has_transfer, capabilities.has_hangup, capabilities.confirms_hangup) == (False, False, False)
