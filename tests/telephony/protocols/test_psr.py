import base64
import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    AudioReceived,
    Channel,
    Closed,
    Flush,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlayFile,
    Side,
    Transfer,
    TransferTarget,
)
from telephony.protocols.psr import (
    ChunkAction,
    FileAction,
    FlushMode,
    HangupAction,
    PsrClientCodec,
    PsrServerCodec,
    TransferAction,
    TransferSpelling,
    UnknownAction,
)
from telephony.protocols.psr_chunks import ChunkFormat
from telephony.protocols.psr_media import MAX_ACTION_CHARS
from telephony.protocols.wav import build_wav, read_wav_header

CALL_ID = "3f0c9a34-5a5e-4b0f-9a0e-1f6f0f6f0f6f"
SAMPLES = (0, 1000, -1000, 32767, -32768, 1, -1, 256)
SAMPLES_BASE64 = "AADoAxj8/38AgAEA//8AAQ=="
STEREO_BASE64 = "ZACc/8gAOP8sAdT+kAFw/g=="


def pcm_of(*samples):
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def media(payload, **data):
    return json.dumps({"timestamp": 1, "event": "media", "media": {"payload": payload}, "data": data})


def media_of(audio, **data):
    return media(base64.b64encode(audio).decode(), **data)


def heard(events):
    return b"".join(event.pcm for event in events if isinstance(event, AudioReceived))


def understood(messages, kind):
    """What PSR understands in messages that must all be actions of one kind."""
    actions = [PsrClientCodec(CALL_ID).receive(message) for message in messages]
    assert {type(action) for action in actions} <= {kind}
    return actions


def opened_codec(**settings):
    codec = PsrServerCodec(**settings)
    codec.receive('{"event":"connected"}')
    return codec


def test_server_codec_reads_the_documented_stream():
    codec = PsrServerCodec(Channel.MONO_A)
    peer = PsrClientCodec(CALL_ID, Channel.MONO_A)
    audio = bytes(range(256)) * 3 + bytes(192)

    opened = codec.receive(peer.connected(1_763_700_000_123))
    events = []
    for piece in (audio[:320], audio[320:641], audio[641:]):
        events += codec.receive(peer.media(1_763_700_000_143, piece))
    closed = codec.receive(peer.closed(1_763_700_042_000))

    assert opened == [Opened(CALL_ID)]
    assert [len(heard([event])) for event in events] == [320, 320, 320]
    assert heard(events) == audio
    assert closed == [Closed()]


def test_server_codec_decodes_the_sample_vector():
    assert opened_codec().receive(media(SAMPLES_BASE64)) == [AudioReceived(pcm_of(*SAMPLES), 8000)]


TONE = pcm_of(*(100 * (at % 8) for at in range(160)))
OTHER_TONE = pcm_of(*(100 * (at % 5) for at in range(160)))


def audio_of(*told):
    """What is heard of messages, each an offset in ms and its audio, and what is ignored."""
    codec, peer = PsrServerCodec(), PsrClientCodec(CALL_ID)
    codec.receive(peer.connected(1_763_700_000_000))
    codec.receive(peer.media(1_763_700_000_000, bytes(320)))
    events = [event for at_ms, audio in told for event in codec.receive(peer.media(1_763_700_000_000 + at_ms, audio))]
    return [event.code if isinstance(event, Ignored) else heard([event]) for event in events]


def test_audio_that_comes_twice_is_heard_once_in_the_order_it_comes():
    assert audio_of((20, OTHER_TONE), (60, TONE), (40, TONE), (60, TONE), (60, TONE), (80, TONE)) == [
        OTHER_TONE,
        TONE,
        TONE,
        "repeated_media",
        "repeated_media",
        TONE,
    ]


def test_other_audio_of_the_same_millisecond_is_heard():
    assert audio_of((20, TONE), (20, OTHER_TONE), (20, TONE[:160])) == [TONE, OTHER_TONE, TONE[:160]]


@pytest.mark.parametrize("audio", [bytes(320), TONE[:78]])
def test_silence_and_short_pieces_are_never_taken_for_repeated(audio):
    assert audio_of((20, audio), (20, audio)) == [audio, audio]


PAYLOADS = [base64.b64encode(audio).decode() for audio in (TONE, OTHER_TONE, TONE[:160])]
USUAL = '{"timestamp":AT,"event":"EVENT","media":{"payload":"AUDIO"},"data":{"call_id":"CALL","channel":"LEGS"}}'
usual_parts = st.fixed_dictionaries(
    {
        "AT": st.sampled_from(["1763700000020", "1763700000040", "1763700000060"]),
        "AUDIO": st.sampled_from(PAYLOADS),
        "CALL": st.just("a"),
        "LEGS": st.just("mono_a"),
        "EVENT": st.just("media"),
    }
)
odd_parts = st.sampled_from(
    [
        *[{"AT": number} for number in ("0", "007", "1.5", "-3", '"5"', "١٢", "")],
        *[{"AUDIO": text} for text in ("", "-_8A", "AAA", "AA AA", "*", 'AAAA","payload":"AAAA', "AAAA\\u003d", "é")],
        *[{"AUDIO": base64.b64encode(audio).decode()} for audio in (TONE[:161], bytes(320), build_wav(TONE, 8000))],
        *[{"CALL": name} for name in ("b", 'a","channel":"stereo')],
        *[{"LEGS": name} for name in ("stereo", "other")],
        *[{"EVENT": name} for name in ("closed", "connected", "other")],
    ]
)
like_media = usual_parts | usual_parts | st.builds(dict.__or__, usual_parts, odd_parts)


@given(told=st.lists(like_media, max_size=12))
def test_messages_like_the_one_before_are_heard_as_if_they_were_read_in_full(told):
    def heard_of(codec, message):
        try:
            return codec.receive(message)
        except RemoteProtocolError as error:
            return error.code

    in_short, in_full = PsrServerCodec(), PsrServerCodec()
    for number, parts in enumerate(each for each in told for _ in range(2)):
        message = USUAL
        for name, value in parts.items():
            message = message.replace(name, value)
        # No two messages begin with as many spaces: each is another text.
        assert heard_of(in_short, message) == heard_of(in_full, " " * number + message)


def test_dates_that_are_texts_tell_nothing():
    codec = PsrServerCodec()
    dated = [
        USUAL.replace("AT", f'"{at}"').replace("EVENT", "media").replace("LEGS", "mono_a") for at in (1, 2, 3, 4, 4)
    ]
    events = [event for message in dated for event in codec.receive(message.replace("AUDIO", PAYLOADS[0]))]
    assert heard(events[1:]) == TONE * 5


def test_clock_that_stands_still_tells_nothing():
    assert audio_of((0, OTHER_TONE), *[(0, TONE)] * 9) == [OTHER_TONE, *[TONE] * 9]


@pytest.mark.parametrize(
    ("side", "customer", "other"),
    [
        (Side.LEFT, (100, 200, 300, 400), (-100, -200, -300, -400)),
        (Side.RIGHT, (-100, -200, -300, -400), (100, 200, 300, 400)),
    ],
)
def test_server_codec_splits_stereo_by_the_customers_side(side, customer, other):
    codec = opened_codec(channel=Channel.STEREO, customer_side=side)

    assert codec.receive(media(STEREO_BASE64, channel="stereo")) == [
        AudioReceived(pcm_of(*customer), 8000, other=pcm_of(*other))
    ]


@pytest.mark.parametrize("channel", list(Channel))
@given(frames=st.binary(max_size=400).map(lambda data: data[: len(data) // 4 * 4]), cuts=st.lists(st.integers(0, 400)))
def test_any_split_of_a_stream_gives_the_same_samples(channel, frames, cuts):
    peer = PsrClientCodec(CALL_ID, channel)
    codec = PsrServerCodec(channel)
    codec.receive(peer.connected(0))
    edges = [0, *sorted(min(cut, len(frames)) for cut in cuts), len(frames)]
    events = []
    for start, end in pairwise(edges):
        events += codec.receive(peer.media(0, frames[start:end]))

    audio = [event for event in events if isinstance(event, AudioReceived)]
    if channel is Channel.STEREO:
        left = b"".join(frames[at : at + 2] for at in range(0, len(frames), 4))
        right = b"".join(frames[at : at + 2] for at in range(2, len(frames), 4))
        assert heard(audio) == left
        assert b"".join(event.other or b"" for event in audio) == right
    else:
        assert heard(audio) == frames


def test_media_before_connected_opens_the_stream():
    codec = PsrServerCodec()

    assert codec.receive(media(SAMPLES_BASE64, call_id=CALL_ID)) == [
        Opened(CALL_ID),
        AudioReceived(pcm_of(*SAMPLES), 8000),
    ]
    assert codec.receive('{"event":"connected"}') == [Ignored("late_connected")]
    assert codec.receive('{"event":"connected"}') == [Ignored("repeated_connected")]


def test_connected_twice_opens_once():
    assert opened_codec().receive('{"event":"connected"}') == [Ignored("repeated_connected")]


@pytest.mark.parametrize("event", ["connected", "media", "closed", "other"])
def test_nothing_after_closed_is_acted_on(event):
    codec = opened_codec()
    codec.receive('{"event":"closed"}')

    assert codec.receive(json.dumps({"event": event, "media": {"payload": SAMPLES_BASE64}})) == [
        Ignored("after_closed", event)
    ]


def test_unknown_events_are_ignored_by_a_short_printable_name():
    assert opened_codec().receive(json.dumps({"event": "d\nt" + "x" * 100})) == [
        Ignored("unknown_event", "d\\nt" + "x" * 37)
    ]


@pytest.mark.parametrize(
    "timestamp", [{}, {"timestamp": None}, {"timestamp": "noon"}, {"timestamp": -1}, {"timestamp": 1e30}]
)
def test_no_timestamp_is_believed(timestamp):
    message = {"event": "media", "media": {"payload": SAMPLES_BASE64}, **timestamp}
    assert heard(opened_codec().receive(json.dumps(message))) == pcm_of(*SAMPLES)


def test_first_valid_channel_replaces_the_assumed_one_and_stays():
    codec = PsrServerCodec(Channel.MONO_A)
    codec.receive('{"event":"connected","data":{"channel":"stereo"}}')

    assert codec.receive(media(STEREO_BASE64, channel="stereo")) == [
        AudioReceived(pcm_of(100, 200, 300, 400), 8000, other=pcm_of(-100, -200, -300, -400))
    ]
    assert codec.receive(media(SAMPLES_BASE64, channel="mono_a")) == [Ignored("channel_changed", "mono_a")]
    assert codec.receive(media(SAMPLES_BASE64, channel="quad")) == [Ignored("channel_changed", "quad")]


def test_channel_that_was_asked_for_is_frozen_once_named():
    codec = opened_codec(channel=Channel.MONO_B)
    codec.receive(media(SAMPLES_BASE64, channel="mono_b"))

    assert codec.receive(media(SAMPLES_BASE64, channel="stereo")) == [Ignored("channel_changed", "stereo")]


def test_another_call_id_is_counted_and_the_audio_kept():
    codec = PsrServerCodec()
    codec.receive(json.dumps({"event": "connected", "data": {"call_id": CALL_ID}}))

    assert codec.receive(media(SAMPLES_BASE64, call_id="another")) == [
        Ignored("call_id_changed"),
        AudioReceived(pcm_of(*SAMPLES), 8000),
    ]


def test_empty_media_is_ignored():
    assert opened_codec().receive(media("")) == [Ignored("empty_media")]


@pytest.mark.parametrize("payload", ["__8AAQ==", "__8AAQ", "//8AAQ"])
def test_payload_with_another_alphabet_or_no_padding_is_repaired(payload):
    assert opened_codec().receive(media(payload)) == [AudioReceived(pcm_of(-1, 256), 8000)]


@pytest.mark.parametrize("payload", ["A", "AA AA", "AAAA\n", "A=AA", "é", "AAAAA", "!!!!", "\x00AAA"])
def test_payload_that_is_not_base64_is_refused(payload):
    with pytest.raises(RemoteProtocolError) as refusal:
        opened_codec().receive(media(payload))
    assert refusal.value.code == "bad_base64"


def test_wav_payload_loses_its_header_and_the_remainder_before_it():
    codec = opened_codec()
    codec.receive(media_of(b"\x01"))

    assert codec.receive(media_of(build_wav(pcm_of(*SAMPLES), 8000))) == [AudioReceived(pcm_of(*SAMPLES), 8000)]


@pytest.mark.parametrize(
    "wav",
    [build_wav(bytes(4), 16000), build_wav(bytes(4), 8000, channels=2), build_wav(b"", 8000)[:20]],
    ids=["rate", "channels", "cut short"],
)
def test_wav_payload_of_another_format_is_refused(wav):
    with pytest.raises(RemoteProtocolError) as refusal:
        opened_codec().receive(media_of(wav))
    assert refusal.value.code == "bad_audio_format"


def test_stream_that_lost_a_byte_is_realigned_after_five_seconds():
    codec = opened_codec()
    second = pcm_of(*range(8000))
    codec.receive(media_of(b"\x7f"))
    noise = [codec.receive(media_of(second)) for _ in range(5)]

    assert [events[1:] for events in noise] == [[], [], [], [], [Ignored("audio_realigned")]]
    assert codec.receive(media_of(second)) == [AudioReceived(second, 8000)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("\ufeff{}", "bad_json"),
        ('{"event":"media","n":NaN}', "bad_json"),
        ('{"event":"media","n":-Infinity}', "bad_json"),
        ('{"event":"media","n":' + "9" * 5000 + "}", "bad_json"),
        ('{"event":"\ud800"}', "bad_json"),
        ('{"event":"\\ud800"}', "bad_json"),
        ("[" * 100_000, "bad_json"),
        ("[]", "not_an_object"),
        ("null", "not_an_object"),
        ('{"event":"closed","event":"closed"}', "repeated_key"),
        ('{"event":"x","\\u0065vent":"closed"}', "repeated_key"),
        ('{"event":"x","data":{"a":1,"b":2,"a":3}}', "repeated_key"),
        ('{"a":' + "[" * 1000 + "]" * 1000 + ',"a":1,"event":"x"}', "repeated_key"),
        ('{"event":"x","a":' + "[" * 32 + "]" * 32 + "}", "too_deep"),
        ('{"event":"x","a":' + '{"a":' * 500 + "1" + "}" * 500 + "}", "too_deep"),
        ('{"event":"' + "x" * 262_144 + '"}', "message_too_large"),
        (b'{"event":"closed"}', "binary_frame"),
        ("{}", "no_event"),
        ('{"event":7}', "no_event"),
        ('{"event":"media"}', "no_payload"),
        ('{"event":"media","media":"AAAA"}', "no_payload"),
        ('{"event":"media","media":{"payload":[0]}}', "no_payload"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_malformed_messages_are_refused_and_the_call_goes_on(message, code):
    codec = opened_codec()

    with pytest.raises(RemoteProtocolError) as refusal:
        codec.receive(message)

    assert refusal.value.code == code
    assert codec.receive(media(SAMPLES_BASE64)) == [AudioReceived(pcm_of(*SAMPLES), 8000)]


def test_deepest_allowed_message_is_read():
    message = '{"event":"x","a":' + "[" * 31 + "]" * 31 + "}"

    assert opened_codec().receive(message) == [Ignored("unknown_event", "x")]


def test_escaped_text_is_not_taken_for_a_repeated_key():
    message = '{"event":"media","media":{"payload":"\\/\\/8AAQ=="},"data":{"note":"\\"a\\":1"}}'

    assert opened_codec().receive(message) == [AudioReceived(pcm_of(-1, 256), 8000)]


NAMES = ["event", "media", "payload", "data", "channel", "call_id", "format", "is_sync", "extension"]
EVENTS = ["connected", "media", "closed", "chunk", "transfer", "tranfer", "hangup"]
payloads = st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
psr_shaped = st.fixed_dictionaries(
    {"event": st.sampled_from(EVENTS) | json_values},
    optional={
        "media": json_values | st.fixed_dictionaries({"payload": payloads}),
        "data": json_values | st.fixed_dictionaries({"channel": st.sampled_from(list(Channel)) | json_values}),
    },
)
any_message = st.text() | st.binary() | json_values.map(json.dumps) | psr_shaped.map(json.dumps)


@given(st.lists(any_message, max_size=5))
def test_server_codec_raises_nothing_but_remote_protocol_error(messages):
    codec = PsrServerCodec(Channel.STEREO)
    for message in messages:
        with suppress(RemoteProtocolError):
            for event in codec.receive(message):
                assert isinstance(event, Opened | AudioReceived | Closed | Ignored)


@given(any_message)
def test_client_codec_raises_nothing_but_remote_protocol_error(message):
    with suppress(RemoteProtocolError):
        action = PsrClientCodec(CALL_ID).receive(message)
        assert isinstance(action, ChunkAction | FileAction | TransferAction | HangupAction | UnknownAction)


def test_play_audio_says_pcm16_in_order():
    assert PsrServerCodec().send(PlayAudio(pcm_of(*SAMPLES))) == [
        '{"event":"chunk","media":{"payload":"AADoAxj8/38AgAEA//8AAQ==","is_sync":true,"format":"pcm16"}}'
    ]


@given(samples=st.integers(0, 4000), chunk_ms=st.sampled_from([20, 200, 1000]))
def test_play_audio_is_cut_to_the_chunk_size(samples, chunk_ms):
    pcm = bytes(index % 251 for index in range(2 * samples))

    actions = understood(PsrServerCodec(chunk_ms=chunk_ms).send(PlayAudio(pcm)), ChunkAction)

    assert b"".join(action.audio for action in actions) == pcm
    assert all(0 < len(action.audio) <= chunk_ms * 16 for action in actions)
    assert all(action.chunk_format is ChunkFormat.PCM16 and action.is_sync for action in actions)


def test_play_audio_refuses_half_a_sample():
    with pytest.raises(LocalProtocolError):
        PsrServerCodec().send(PlayAudio(b"\x00"))


@pytest.mark.parametrize("is_queued", [True, False])
def test_play_file_goes_out_whole_when_it_fits(is_queued):
    wav = build_wav(pcm_of(*SAMPLES), 8000)

    (message,) = PsrServerCodec().send(PlayFile(wav, is_queued=is_queued))

    assert PsrClientCodec(CALL_ID).receive(message) == FileAction(wav, is_sync=is_queued)


def test_long_play_file_goes_out_as_queued_files_that_fit():
    pcm = bytes(index % 251 for index in range(200_000))

    messages = PsrServerCodec().send(PlayFile(build_wav(pcm, 8000), is_queued=False))
    actions = understood(messages, FileAction)

    assert max(map(len, messages)) <= MAX_ACTION_CHARS
    assert [action.is_sync for action in actions] == [False, True, True, True, True]
    assert b"".join(read_wav_header(action.wav).samples_in(action.wav) for action in actions) == pcm


@pytest.mark.parametrize(
    "wav",
    [b"mp3", build_wav(bytes(4), 16000), build_wav(bytes(4), 8000, channels=2), build_wav(bytes(3), 8000)],
    ids=["not a WAV", "rate", "stereo", "half a sample"],
)
def test_play_file_refuses_what_psr_does_not_play(wav):
    with pytest.raises(LocalProtocolError):
        PsrServerCodec().send(PlayFile(wav))


def test_flush_is_silent_unless_switched_on():
    assert PsrServerCodec().send(Flush()) == []
    assert PsrServerCodec().capabilities.has_flush is False


def test_flush_by_file_stops_what_is_playing_with_silence():
    codec = PsrServerCodec(flush_mode=FlushMode.SILENCE_WAV)

    (message,) = codec.send(Flush())

    assert codec.capabilities.has_flush is True
    assert PsrClientCodec(CALL_ID).receive(message) == FileAction(build_wav(bytes(640), 8000), is_sync=False)


@pytest.mark.parametrize("spelling", list(TransferSpelling))
def test_transfer_is_understood_in_both_spellings(spelling):
    (message,) = PsrServerCodec(transfer_spelling=spelling).send(Transfer((TransferTarget("101"),)))

    assert json.loads(message) == {"event": spelling.value, "data": {"extension": "101"}}
    assert PsrClientCodec(CALL_ID).receive(message) == TransferAction("101", is_misspelled=spelling == "tranfer")


def test_transfer_is_spelt_as_in_the_vendors_example():
    messages = PsrServerCodec().send(Transfer((TransferTarget("101"),)))
    assert messages == ['{"event":"transfer","data":{"extension":"101"}}']


@pytest.mark.parametrize("extension", ["", "1", "1234567", "10a", '1","x":"', "１０１", "101\n"])
def test_transfer_refuses_what_is_not_an_extension(extension):
    with pytest.raises(LocalProtocolError):
        PsrServerCodec().send(Transfer((TransferTarget(extension),)))


def test_hangup_says_only_that():
    assert PsrServerCodec().send(Hangup()) == ['{"event":"hangup"}']
    assert PsrClientCodec(CALL_ID).receive('{"event":"hangup"}') == HangupAction()


@pytest.mark.parametrize("options", [{"chunk_ms": 0}, {"chunk_ms": 4000}])
def test_server_codec_refuses_settings_it_cannot_keep(options):
    with pytest.raises(LocalProtocolError):
        PsrServerCodec(**options)


@pytest.mark.parametrize(
    ("action", "meaning"),
    [
        ({"event": "chunk", "media": {"payload": "AAA="}}, ChunkAction(b"\x00\x00", ChunkFormat.MP3, is_sync=False)),
        ({"event": "media", "media": {"payload": "AAA="}}, FileAction(b"\x00\x00", is_sync=False)),
        ({"event": "dance"}, UnknownAction("dance")),
    ],
)
def test_client_codec_takes_the_documented_defaults(action, meaning):
    assert PsrClientCodec(CALL_ID).receive(json.dumps(action)) == meaning


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"event": "chunk"}, "no_media"),
        ({"event": "chunk", "media": {"payload": "", "format": "pcm16"}}, "no_payload"),
        ({"event": "chunk", "media": {"payload": "AAA=", "format": "opus"}}, "bad_format"),
        ({"event": "chunk", "media": {"payload": "AAA=", "format": []}}, "bad_format"),
        ({"event": "media", "media": {"payload": "AAA=", "is_sync": "true"}}, "bad_is_sync"),
        ({"event": "transfer", "data": {"extension": 101}}, "no_extension"),
        ({"event": None}, "no_event"),
    ],
)
def test_client_codec_refuses_malformed_actions(action, code):
    with pytest.raises(RemoteProtocolError) as refusal:
        PsrClientCodec(CALL_ID).receive(json.dumps(action))
    assert refusal.value.code == code


def test_client_codec_interleaves_two_legs():
    message = PsrClientCodec(CALL_ID, Channel.STEREO).media(
        7, pcm_of(100, 200, 300, 400), pcm_of(-100, -200, -300, -400)
    )

    assert json.loads(message) == {
        "timestamp": 7,
        "event": "media",
        "media": {"payload": STEREO_BASE64},
        "data": {"call_id": CALL_ID, "channel": "stereo"},
    }


def test_client_codec_refuses_a_second_leg_on_a_mono_stream():
    with pytest.raises(LocalProtocolError):
        PsrClientCodec(CALL_ID, Channel.MONO_A).media(0, b"", b"")


@pytest.mark.parametrize(("left", "right"), [(b"\x00\x00", b""), (b"\x00", b"\x00")])
def test_client_codec_refuses_legs_that_do_not_fit_together(left, right):
    with pytest.raises(LocalProtocolError):
        PsrClientCodec(CALL_ID, Channel.STEREO).media(0, left, right)


def test_capabilities_follow_the_settings():
    capabilities = PsrServerCodec(chunk_ms=500, lead_ms=700, link_ms=90).capabilities

    assert (capabilities.in_rate_hz, capabilities.out_rate_hz) == (8000, 8000)
    assert (capabilities.chunk_ms, capabilities.lead_ms, capabilities.link_ms) == (500, 700, 90)
    assert (capabilities.has_playback_ack, capabilities.has_dtmf) == (False, False)
    assert (capabilities.has_transfer, capabilities.has_hangup) == (True, True)
