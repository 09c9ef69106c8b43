import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    AudioReceived,
    Closed,
    EndUtterance,
    Flush,
    Handshake,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlayFile,
    ReportError,
    Transfer,
    TransferTarget,
)
from telephony.protocols.livecall import (
    AudioOutput,
    EndCall,
    GatewayFault,
    KillAudio,
    LiveCallClientCodec,
    LiveCallServerCodec,
    TransferCall,
    UnknownAnswer,
)
from telephony.protocols.wav import build_wav

CALL_ID = "call-123"
NUMBER = "+84987654321"
PATH = Handshake(path={"call_id": CALL_ID, "customer_phone_number": NUMBER})
INFO = {
    "workspace_id": "workspace_001",
    "call_id": CALL_ID,
    "customer_phone_number": NUMBER,
    "type_call": "inbound",
    "hotline": "+842871234567",
    "url_audio_file": "",
}
SAMPLES = (0, 1000, -1000, 32767, -32768, 1, -1, 256)
SAMPLES_BASE64 = "AADoAxj8/38AgAEA//8AAQ=="
STEREO_BASE64 = "ZACc/8gAOP8sAdT+kAFw/g=="


def pcm_of(*samples):
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


PCM = pcm_of(*SAMPLES)


def initial_info(**changes):
    return json.dumps({"initial_info": {**INFO, **changes}})


def play_audio(content=SAMPLES_BASE64, **format_):
    return json.dumps({"play_audio": {**format_, "audio_content": content}})


def opened_codec(handshake=PATH, **options):
    codec = LiveCallServerCodec(handshake, **options)
    codec.receive(initial_info())
    return codec


def opened_by(codec, message):
    """What opened the stream, and what else was to be said of it."""
    opened, *others = codec.receive(message)
    assert isinstance(opened, Opened)
    return opened, others


def refusal_of(codec, message):
    with pytest.raises(RemoteProtocolError) as refusal:
        codec.receive(message)
    return refusal.value.code, refusal.value.close_code


def test_the_documented_stream_is_understood_from_beginning_to_end():
    codec = LiveCallServerCodec(PATH)
    client = LiveCallClientCodec(CALL_ID, NUMBER)

    events = codec.receive(client.initial_info(workspace_id="ws_7", type_call="outbound", hotline="+842871234567"))
    events += codec.receive(client.play_audio(PCM, 16_000))
    events += codec.receive(client.disconnect())

    assert events == [
        Opened(CALL_ID, "ws_7", {}, customer_number=NUMBER, own_number="+842871234567", is_outbound=True),
        AudioReceived(PCM, 16_000),
        Closed("disconnect"),
    ]


@pytest.mark.parametrize("audio", [PCM, PCM[:3]])
def test_audio_before_initial_info_is_dropped_with_a_warning(audio):
    codec = LiveCallServerCodec(PATH)

    assert codec.receive(play_audio(base64.b64encode(audio).decode())) == [Ignored("audio_before_initial_info")]
    codec.receive(initial_info())
    assert codec.receive(play_audio()) == [AudioReceived(PCM, 16_000)]


def test_initial_info_opens_once():
    assert opened_codec().receive(initial_info(call_id="another")) == [Ignored("repeated_initial_info")]


def test_what_initial_info_leaves_out_is_taken_from_the_path():
    assert LiveCallServerCodec(PATH).receive('{"initial_info":{}}') == [Opened(CALL_ID, customer_number=NUMBER)]


def test_without_a_path_the_clients_word_is_taken():
    opened, _ = opened_by(LiveCallServerCodec(), initial_info())

    assert (opened.vendor_call_id, opened.customer_number) == (CALL_ID, NUMBER)


def test_the_path_names_the_call_and_another_id_is_counted():
    opened, others = opened_by(LiveCallServerCodec(PATH), initial_info(call_id="call-9"))

    assert opened.vendor_call_id == CALL_ID
    assert others == [Ignored("call_id_differs", "call-9")]


@pytest.mark.parametrize(("in_path", "said"), [(NUMBER, NUMBER[1:]), (NUMBER[1:], NUMBER), (NUMBER, "")])
def test_number_may_lose_its_plus_on_the_way(in_path, said):
    codec = LiveCallServerCodec(Handshake(path={"call_id": CALL_ID, "customer_phone_number": in_path}))

    opened, _ = opened_by(codec, initial_info(customer_phone_number=said))

    assert opened.customer_number == in_path


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"customer_phone_number": "+84987654322"}, ("number_differs", 4400)),
        ({"type_call": "sideways"}, ("bad_type_call", 4400)),
        ({"type_call": 1}, ("bad_initial_info", 4400)),
        ({"call_id": "x" * 129}, ("bad_initial_info", 4400)),
        ({"hotline": "1\n2"}, ("bad_initial_info", 4400)),
        ({"workspace_id": []}, ("bad_initial_info", 4400)),
    ],
)
def test_bad_start_ends_the_stream_with_its_code(changes, code):
    assert refusal_of(LiveCallServerCodec(PATH), initial_info(**changes)) == code


@pytest.mark.parametrize("info", [None, [], "x", 1])
def test_initial_info_that_is_no_object_is_a_bad_start(info):
    message = json.dumps({"initial_info": info})
    assert refusal_of(LiveCallServerCodec(PATH), message) == ("bad_initial_info", 4400)


@pytest.mark.parametrize("number", ["", "0987654321", "+84 987", "abc", "+1234567890123456"])
def test_number_that_is_not_e164_is_a_bad_start(number):
    with pytest.raises(RemoteProtocolError) as refusal:
        LiveCallServerCodec(Handshake(path={"call_id": CALL_ID, "customer_phone_number": number}))
    assert refusal.value.code == "bad_number"
    assert refusal_of(LiveCallServerCodec(), initial_info(customer_phone_number=number)) == ("bad_number", 4400)


@pytest.mark.parametrize("call_id", ["", "a b", "../x", "x" * 129, "a\nb", "é"])
def test_path_must_name_the_call(call_id):
    with pytest.raises(RemoteProtocolError) as refusal:
        LiveCallServerCodec(Handshake(path={"call_id": call_id, "customer_phone_number": NUMBER}))
    assert refusal.value.code == "bad_call_id"


def test_only_the_configured_workspace_is_let_in():
    assert LiveCallServerCodec(PATH, workspace_id="workspace_001").receive(initial_info())
    assert refusal_of(LiveCallServerCodec(PATH, workspace_id="ws_7"), initial_info()) == ("wrong_workspace", 4403)


def test_opening_file_is_only_a_text():
    opened, _ = opened_by(LiveCallServerCodec(PATH), initial_info(url_audio_file="http://169.254.169.254/x.wav"))
    assert opened.parameters == {"url_audio_file": "http://169.254.169.254/x.wav"}


@pytest.mark.parametrize("url", ["ü" * 1025, ["http://x"], 7])
def test_opening_file_that_is_no_short_text_is_left_out(url):
    opened, others = opened_by(LiveCallServerCodec(PATH), initial_info(url_audio_file=url))

    assert opened.parameters == {}
    assert others == [Ignored("url_audio_file_refused")]


@pytest.mark.parametrize("width", [16, 2])
def test_sample_width_in_bits_or_bytes_means_the_same_audio(width):
    assert opened_codec().receive(play_audio(sample_width=width)) == [AudioReceived(PCM, 16_000)]


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000, 8000.0])
def test_rate_is_told_with_the_audio(rate_hz):
    assert opened_codec().receive(play_audio(sample_rate=rate_hz)) == [AudioReceived(PCM, int(rate_hz))]


@pytest.mark.parametrize("duration", [0, 99, -1, "long", None])
def test_bytes_win_over_the_duration(duration):
    assert opened_codec().receive(play_audio(duration=duration)) == [AudioReceived(PCM, 16_000)]


@pytest.mark.parametrize(
    "format_",
    [
        {"sample_width": 1},
        {"sample_width": 24},
        {"sample_width": None},
        {"sample_rate": 44_100},
        {"sample_rate": 0},
        {"sample_rate": "8000"},
        {"sample_rate": [8000]},
        {"num_channels": 3},
        {"num_channels": 0},
        {"num_channels": 1.5},
        {"num_channels": True},
    ],
    ids=str,
)
def test_audio_nobody_understands_ends_the_call(format_):
    assert refusal_of(opened_codec(), play_audio(**format_)) == ("unsupported_audio", 4415)


def test_two_channels_are_mixed_into_one():
    codec = opened_codec()

    assert codec.receive(play_audio(STEREO_BASE64, num_channels=2)) == [AudioReceived(bytes(8), 16_000)]
    loud = base64.b64encode(pcm_of(32767, 32767, -32768, -32768, 100, 201)).decode()
    assert codec.receive(play_audio(loud, num_channels=2)) == [AudioReceived(pcm_of(32767, -32768, 150), 16_000)]


@given(st.lists(st.integers(0, 64), max_size=8), st.sampled_from([1, 2]))
def test_any_split_of_the_audio_gives_the_same_samples(cuts, channels):
    codec, whole = opened_codec(), bytes(range(64))
    heard, start = b"", 0
    for cut in [*sorted(cuts), 64]:
        message = play_audio(base64.b64encode(whole[start:cut]).decode(), num_channels=channels)
        heard += b"".join(event.pcm for event in codec.receive(message) if isinstance(event, AudioReceived))
        start = cut
    message = play_audio(base64.b64encode(whole).decode(), num_channels=channels)
    assert [AudioReceived(heard, 16_000)] == opened_codec().receive(message)


AUDIO = '{"play_audio":{"sample_rate":RATE,"sample_width":2,"num_channels":1,"audio_content":"AUDIO"}MORE}'
usual_parts = st.fixed_dictionaries(
    {"AUDIO": st.sampled_from([SAMPLES_BASE64, STEREO_BASE64]), "RATE": st.just("16000"), "MORE": st.just("")}
)
odd_parts = st.sampled_from(
    [
        *[{"RATE": rate} for rate in ("8000", "7000", '"16000"')],
        {"RATE": "8000", "AUDIO": "*"},
        {"ALL": '{"disconnect":{}}'},
        *[{"AUDIO": text} for text in ("", "AAA", "AAAA", "-_8A", "*", 'AAAA","audio_content":"AAAA', "AAAA\\u003d")],
        *[{"MORE": text} for text in (',"disconnect":{}', ',"other":1', ',"initial_info":{}')],
    ]
)


@given(told=st.lists(usual_parts | usual_parts | st.builds(dict.__or__, usual_parts, odd_parts), max_size=12))
def test_messages_like_the_one_before_are_heard_as_if_they_were_read_in_full(told):
    def heard_of(codec, message):
        try:
            return codec.receive(message)
        except RemoteProtocolError as error:
            return error.code

    in_short, in_full = opened_codec(), opened_codec()
    for number, parts in enumerate(each for each in told for _ in range(2)):
        message = AUDIO.replace("RATE", parts["RATE"]).replace("MORE", parts["MORE"])
        message = parts.get("ALL") or message.replace('"AUDIO"', f'"{parts["AUDIO"]}"')
        # No two messages begin with as many spaces: each is another text.
        assert heard_of(in_short, message) == heard_of(in_full, " " * number + message)


def test_another_format_begins_on_a_sample_of_its_own():
    codec = opened_codec()
    codec.receive(play_audio(base64.b64encode(b"\x7f").decode()))

    assert codec.receive(play_audio(sample_rate=8000)) == [AudioReceived(PCM, 8000)]


def test_stream_that_lost_a_byte_is_realigned_after_five_seconds():
    codec = opened_codec()
    second = base64.b64encode(bytes(16_000)).decode()
    codec.receive(play_audio("fw==", sample_rate=8000))
    events = [codec.receive(play_audio(second, sample_rate=8000))[1:] for _ in range(5)]

    assert events == [[], [], [], [], [Ignored("audio_realigned")]]


def test_empty_audio_is_ignored():
    assert opened_codec().receive(play_audio("")) == [Ignored("empty_audio")]


def test_audio_in_a_message_with_disconnect_is_heard_first():
    codec = opened_codec()
    message = json.dumps({"disconnect": {}, "play_audio": {"audio_content": SAMPLES_BASE64}})

    assert codec.receive(message) == [AudioReceived(PCM, 16_000), Closed("disconnect")]


def test_fault_in_a_message_with_disconnect_does_not_hide_the_end():
    message = json.dumps({"disconnect": {}, "play_audio": {"audio_content": "!"}})

    assert opened_codec().receive(message) == [Ignored("bad_base64"), Closed("disconnect")]


def test_nothing_after_disconnect_is_acted_on():
    codec = opened_codec()
    codec.receive('{"disconnect":null}')

    for message in (initial_info(), play_audio(), '{"disconnect":{}}'):
        (event,) = codec.receive(message)
        assert isinstance(event, Ignored)
        assert event.code == "after_disconnect"


def test_binary_frames_and_unknown_messages_are_ignored():
    assert opened_codec().receive(b"\x00" * 320) == [Ignored("binary_frame")]
    assert opened_codec().receive('{"dance\\n":{}}') == [Ignored("unknown_message", "dance\\n")]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("not json", "bad_json"),
        ("[]", "not_an_object"),
        ("{}", "empty_message"),
        ('{"disconnect":{},"disconnect":{}}', "repeated_key"),
        ('{"play_audio":[]}', "no_payload"),
        ('{"play_audio":{}}', "no_payload"),
        ('{"play_audio":{"audio_content":[0,1]}}', "no_payload"),
        (play_audio("AA AA"), "bad_base64"),
    ],
)
def test_malformed_messages_are_refused_and_the_call_goes_on(message, code):
    codec = opened_codec()

    assert refusal_of(codec, message) == (code, None)
    assert codec.receive(play_audio()) == [AudioReceived(PCM, 16_000)]


NAMES = [*INFO, "sample_rate", "sample_width", "num_channels", "duration", "audio_content"]
payloads = st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
audio = st.fixed_dictionaries(
    {"audio_content": payloads}, optional=dict.fromkeys(NAMES[-5:-1], st.sampled_from([1, 2, 16, 8000]) | json_values)
)
livecall_shaped = st.fixed_dictionaries(
    {},
    optional={
        "initial_info": st.just(INFO) | json_values,
        "play_audio": audio | json_values,
        "disconnect": json_values,
        "audio_output": audio | json_values,
        "signal": st.dictionaries(
            st.sampled_from(["end_call", "kill_audio", "transfer_call"]),
            st.fixed_dictionaries({"call_id": st.just(CALL_ID)}, optional={"target_staff": json_values}) | json_values,
        ),
        "error": st.fixed_dictionaries({"error_code": json_values, "message": json_values}) | json_values,
    },
)
any_message = st.text() | st.binary() | json_values.map(json.dumps) | livecall_shaped.map(json.dumps)


@given(st.lists(any_message, max_size=5))
def test_server_codec_raises_nothing_but_remote_protocol_error(messages):
    codec = LiveCallServerCodec(PATH)
    for message in messages:
        with suppress(RemoteProtocolError):
            for event in codec.receive(message):
                assert isinstance(event, Opened | AudioReceived | Closed | Ignored)


@given(any_message)
def test_client_codec_raises_nothing_but_remote_protocol_error(message):
    with suppress(RemoteProtocolError):
        answer = LiveCallClientCodec(CALL_ID, NUMBER).receive(message)
        assert isinstance(answer, AudioOutput | EndCall | KillAudio | TransferCall | GatewayFault | UnknownAnswer)


def said(codec, command):
    return [json.loads(message) for message in codec.send(command)]


def test_audio_goes_out_as_content_only():
    assert opened_codec().send(PlayAudio(PCM)) == [f'{{"audio_output":{{"audio_content":"{SAMPLES_BASE64}"}}}}']


def test_audio_goes_out_with_its_format_to_clients_that_read_it():
    assert said(opened_codec(tells_audio_format=True), PlayAudio(PCM)) == [
        {
            "audio_output": {
                "sample_rate": 8000,
                "sample_width": 2,
                "num_channels": 1,
                "duration": 0.001,
                "audio_content": SAMPLES_BASE64,
            }
        }
    ]


@given(samples=st.integers(0, 4000), chunk_ms=st.sampled_from([60, 80, 100]), tells=st.booleans())
def test_the_client_hears_what_was_said_in_pieces(samples, chunk_ms, tells):
    pcm = bytes(index % 251 for index in range(2 * samples))
    codec = opened_codec(chunk_ms=chunk_ms, tells_audio_format=tells)
    client = LiveCallClientCodec(CALL_ID, NUMBER)

    pieces = [client.receive(message) for message in codec.send(PlayAudio(pcm))]

    assert b"".join(piece.pcm for piece in pieces if isinstance(piece, AudioOutput)) == pcm
    assert all(isinstance(piece, AudioOutput) and 0 < len(piece.pcm) <= chunk_ms * 16 for piece in pieces)
    assert all(isinstance(piece, AudioOutput) and piece.rate_hz == 8000 for piece in pieces)


def test_transfer_names_all_staff_in_order():
    targets = (TransferTarget("123456", "Lan"), TransferTarget("101"))
    codec = opened_codec()

    assert said(codec, Transfer(targets)) == [
        {
            "signal": {
                "transfer_call": {
                    "call_id": CALL_ID,
                    "customer_phone_number": NUMBER,
                    "target_staff": [{"name": "Lan", "phone_number": "123456"}, {"name": "", "phone_number": "101"}],
                }
            }
        }
    ]
    (message,) = codec.send(Transfer(targets))
    assert LiveCallClientCodec(CALL_ID, NUMBER).receive(message) == TransferCall(targets)


def test_hangup_is_a_signal_of_this_call():
    (message,) = opened_codec().send(Hangup())

    assert json.loads(message) == {"signal": {"end_call": {"call_id": CALL_ID}}}
    assert LiveCallClientCodec(CALL_ID, NUMBER).receive(message) == EndCall()
    assert LiveCallClientCodec("call-9", NUMBER).receive(message) == UnknownAnswer("end_call")


def test_flush_is_said_to_clients_that_know_it():
    assert opened_codec().send(Flush()) == []
    assert opened_codec().capabilities.has_flush is False

    newer = opened_codec(has_kill_audio=True)
    (message,) = newer.send(Flush())
    assert newer.capabilities.has_flush is True
    assert json.loads(message) == {"signal": {"kill_audio": {"call_id": CALL_ID}}}
    assert LiveCallClientCodec(CALL_ID, NUMBER).receive(message) == KillAudio()


@pytest.mark.parametrize(("is_ours", "code"), [(True, 500), (False, 400)])
def test_error_says_whose_fault_it_is(is_ours, code):
    (message,) = LiveCallServerCodec(PATH).send(ReportError("the agent is gone", is_ours))

    assert json.loads(message) == {
        "error": {"error_code": code, "internal_error_code": code, "message": "the agent is gone"}
    }
    assert LiveCallClientCodec(CALL_ID, NUMBER).receive(message) == GatewayFault(code, "the agent is gone")


def test_the_end_of_an_utterance_needs_no_message():
    assert opened_codec().send(EndUtterance("a")) == []


@pytest.mark.parametrize("command", [PlayAudio(b"\x00"), PlayFile(build_wav(PCM, 8000))])
def test_what_cannot_be_streamed_is_refused(command):
    with pytest.raises(LocalProtocolError):
        opened_codec().send(command)


@pytest.mark.parametrize("options", [{"in_rate_hz": 44_100}, {"chunk_ms": 0}])
def test_server_codec_refuses_options_it_cannot_keep(options):
    with pytest.raises(LocalProtocolError):
        LiveCallServerCodec(PATH, **options)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, "not_one_key"),
        ({"signal": {}}, "not_one_key"),
        ({"signal": []}, "not_an_object"),
        ({"audio_output": {"audio_content": 7}}, "bad_audio"),
        ({"audio_output": {"audio_content": "", "sample_rate": 44_100}}, "bad_audio"),
        ({"error": {"message": "x"}}, "bad_error"),
        ({"signal": {"transfer_call": {"call_id": CALL_ID, "target_staff": []}}}, "no_staff"),
        ({"signal": {"transfer_call": {"call_id": CALL_ID, "target_staff": [{"name": 1}]}}}, "no_staff"),
    ],
)
def test_client_codec_refuses_malformed_messages(message, code):
    assert refusal_of(LiveCallClientCodec(CALL_ID, NUMBER), json.dumps(message)) == (code, None)


@pytest.mark.parametrize("message", [{"dance": 1}, {"signal": {"dance": {"call_id": CALL_ID}}}])
def test_client_codec_passes_over_what_it_does_not_know(message):
    assert LiveCallClientCodec(CALL_ID, NUMBER).receive(json.dumps(message)) == UnknownAnswer("dance")


def test_capabilities_say_what_a_client_can_do():
    capabilities = LiveCallServerCodec(PATH, in_rate_hz=8000, chunk_ms=100, lead_ms=300, link_ms=90).capabilities

    assert (capabilities.in_rate_hz, capabilities.out_rate_hz) == (8000, 8000)
    assert (capabilities.chunk_ms, capabilities.lead_ms, capabilities.link_ms) == (100, 300, 90)
    assert (capabilities.takes_target_list, capabilities.confirms_hangup) == (True, False)
    assert LiveCallServerCodec().capabilities.in_rate_hz == 16_000
