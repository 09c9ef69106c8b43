import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import AudioReceived, Ignored, PlayAudio
from telephony.protocols.ucid_audio import MAX_SAMPLES, PacketReader, PacketWriter, read_samples

SAMPLES = [0, 1000, -1000, 32767, -32768, 1, -1, 256]
int16s = st.integers(-32768, 32767)


def pcm_of(*samples):
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def packet(samples, **data):
    return {"samples": samples, "bitsPerSample": 16, "sampleRate": 8000, "channelCount": 1, "type": "data", **data}


def heard(events):
    return b"".join(event.pcm for event in events if isinstance(event, AudioReceived))


def codes(events):
    return [event.code for event in events if isinstance(event, Ignored)]


def test_read_samples_reads_the_vector():
    assert read_samples(SAMPLES) == (bytes.fromhex("0000e80318fcff7f00800100ffff0001"), 0)


@pytest.mark.parametrize(
    ("samples", "pcm", "clipped"),
    [
        ([], b"", 0),
        ([1.0, -2.0, 3], pcm_of(1, -2, 3), 0),
        ([32768, -32769, 5], pcm_of(32767, -32768, 5), 2),
        ([1e300, -(2**63)], pcm_of(32767, -32768), 2),
        ([0] * MAX_SAMPLES, bytes(2 * MAX_SAMPLES), 0),
    ],
    ids=["none", "floats", "clipped", "far out", "longest"],
)
def test_read_samples_takes_whole_numbers_and_clips_them(samples, pcm, clipped):
    assert read_samples(samples) == (pcm, clipped)


@pytest.mark.parametrize(
    "samples",
    [None, 7, {}, "AAAA", [True], [0, False], [None], ["1"], [[1]], [{}], [0.5], [0] * (MAX_SAMPLES + 1)],
    ids=lambda value: str(value)[:12],
)
def test_read_samples_refuses_everything_else(samples):
    with pytest.raises(RemoteProtocolError) as refusal:
        read_samples(samples)
    assert refusal.value.code == "bad_samples"


def test_packets_are_handed_on_in_pairs():
    reader = PacketReader()
    first, second = [1] * 80, [2] * 80

    assert reader.read(packet(first)) == []
    assert reader.read(packet(second)) == [AudioReceived(pcm_of(*first, *second), 8000)]
    assert reader.read(packet([3] * 160)) == [AudioReceived(pcm_of(*[3] * 160), 8000)]
    assert reader.rest() == []


def test_packet_of_another_rate_lets_go_of_what_waits():
    reader = PacketReader()
    reader.read(packet([1] * 80))

    assert reader.read(packet([2] * 160, sampleRate=16000)) == [AudioReceived(pcm_of(*[1] * 80), 8000)]
    assert reader.rest() == [AudioReceived(pcm_of(*[2] * 160), 16000)]


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_supported_rates_are_passed_on_as_they_are(rate_hz):
    reader = PacketReader()
    reader.read(packet([]))

    assert reader.read(packet([1, 2] * 1000, sampleRate=rate_hz)) == [AudioReceived(pcm_of(*[1, 2] * 1000), rate_hz)]


def test_only_the_first_packet_is_dropped_for_being_wide():
    reader = PacketReader()
    wide = packet([1] * 160, sampleRate=16000)

    assert reader.read(wide) == [Ignored("wide_first_packet")]
    reader.read(wide)
    assert reader.rest() == [AudioReceived(pcm_of(*[1] * 160), 16000)]


def test_two_channels_are_mixed_into_one():
    reader = PacketReader()

    reader.read(packet([100, 300, -32768, -32768, 32767, 32767], channelCount=2, numberOfFrames=3))

    assert reader.rest() == [AudioReceived(pcm_of(200, -32768, 32767), 8000)]


@pytest.mark.parametrize(
    ("data", "pcm"),
    [
        (packet([1, 2], numberOfFrames=80), pcm_of(1, 2)),
        (packet([1, 2], numberOfFrames="2"), pcm_of(1, 2)),
        (packet([10, 20, 30], channelCount=2, numberOfFrames=2), pcm_of(15)),
    ],
    ids=["count", "kind", "half a frame"],
)
def test_length_of_the_array_wins_over_the_number_of_frames(data, pcm):
    reader = PacketReader()

    assert codes(reader.read(data)) == ["wrong_number_of_frames"]
    assert heard(reader.rest()) == pcm


def test_oddities_are_counted_beside_the_audio():
    reader = PacketReader()

    assert reader.read(packet([])) == [Ignored("empty_media")]
    assert reader.read(packet([40_000] * 160)) == [
        Ignored("clipped_samples", "160"),
        AudioReceived(pcm_of(*[32767] * 160), 8000),
    ]


def test_format_that_is_not_named_is_the_usual_one():
    reader = PacketReader()
    reader.read({"samples": [7] * 160})

    assert reader.read({"samples": [7] * 160}) == [AudioReceived(pcm_of(*[7] * 160), 8000)]


BAD_FORMATS = [
    *({"sampleRate": rate} for rate in (0, -8000, "8000", 44100, 10**9, None, [8000], 16000.5)),
    *({"channelCount": channels} for channels in (0, 3, "1", None, -1)),
    *({"bitsPerSample": bits} for bits in (8, 24, "16", None)),
]


@pytest.mark.parametrize("data", BAD_FORMATS, ids=str)
def test_tenth_packet_in_a_row_without_a_supported_format_ends_the_stream(data):
    reader = PacketReader()
    close_codes = []
    for _ in range(9):
        with pytest.raises(RemoteProtocolError) as refusal:
            reader.read(packet([0] * 80, **data))
        close_codes.append((refusal.value.code, refusal.value.close_code))
    with pytest.raises(RemoteProtocolError) as last:
        reader.read(packet([0] * 80, **data))

    assert close_codes == [("bad_audio_format", None)] * 9
    assert last.value.close_code == 4415


def test_one_good_packet_forgives_nine_of_another_format():
    reader = PacketReader()
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(RemoteProtocolError) as refusal:
                reader.read(packet([0] * 80, sampleRate=44100))
            assert refusal.value.close_code is None
        reader.read(packet([0] * 80))


def test_message_of_a_remembered_shape_is_read_by_its_samples_alone():
    reader = PacketReader()
    first = json.dumps({"event": "media", "data": packet([1] * 80)})
    reader.read(json.loads(first)["data"])
    reader.remember(first, json.loads(first)["data"])

    events = reader.read_familiar(json.dumps({"event": "media", "data": packet([-7] * 80)}))

    assert events == [AudioReceived(pcm_of(*[1] * 80, *[-7] * 80), 8000)]


def remembered(samples=(1, 2, 3)):
    reader = PacketReader()
    text = f'{{"event":"media","data":{{"samples":{json.dumps(samples)},"sampleRate":8000,"channelCount":1,'
    text += '"bitsPerSample":16}}'
    reader.read(json.loads(text)["data"])
    reader.remember(text, json.loads(text)["data"])
    before, after = text.split(json.dumps(samples))
    return reader, before + "[", "]" + after


@pytest.mark.parametrize(
    "between",
    [
        "",
        "1,2",
        "1,2,3,4",
        "1,2,3.0",
        "1,2,true",
        "1,2,null",
        '1,2,"3"',
        "1,2,[3]",
        "1,2,40000",
        "1,2,1e2",
        "1,2,03",
        "1,2,",
        "1,2,\ud800",
        '1,2],"samples":[1,2,3',
        "1,2,3],[1,2,3",
        "1,2,3" + " " * 100,
    ],
)
def test_anything_but_as_many_samples_is_read_in_full(between):
    reader, before, after = remembered()

    assert reader.read_familiar(before + between + after) is None


def test_message_that_is_shorter_than_the_remembered_shape_is_read_in_full():
    reader, before, after = remembered()

    assert reader.read_familiar(before) is None
    assert reader.read_familiar(before[:-1] + after) is None


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"data":{"samples":[1],"sampleRate":16000,"channelCount":1,"bitsPerSample":16}}', {"sampleRate": 16000}),
        ('{"x":"\\"samples\\":[2]","data":{"samples":[1]}}', {}),
        ('{"samples":[2],"data":{"samples":[1]}}', {}),
        ('{"x":"samples","data":{"s\\u0061mples":[1]}}', {}),
    ],
    ids=["another rate", "escapes", "two keys", "no such key"],
)
def test_unusual_message_is_not_remembered(text, data):
    reader = PacketReader()
    reader.remember(text, packet([1], **data))

    assert reader.read_familiar(text) is None


def test_value_that_only_looks_like_the_key_is_not_remembered():
    reader = PacketReader()
    text = '{"x":"samples","data":{}}'
    reader.remember(text, packet([1]))

    assert reader.read_familiar(text) is None


def test_vendor_that_writes_something_new_into_each_packet_is_given_up_on():
    reader = PacketReader()
    texts = [json.dumps({"n": number, "data": packet([number] * 80)}) for number in range(9)]
    for text in texts:
        reader.remember(text, json.loads(text)["data"])

    assert reader.read_familiar(texts[8]) is None
    assert reader.read_familiar(texts[7]) is not None
    reader.forget()
    assert reader.read_familiar(texts[7]) is None


odd_values = st.sampled_from(["true", "null", "1.0", "99999", "[1]", '"a"', "]", ""])


@given(between=st.lists(int16s.map(str) | odd_values, min_size=1, max_size=3).map(",".join))
def test_familiar_reading_hears_what_full_reading_hears(between):
    reader, before, after = remembered((1, 2))

    events = reader.read_familiar(before + between + after)

    if events is not None:
        full = PacketReader()
        full.read(json.loads(before + between + after)["data"])
        assert heard([*events, *reader.rest()]) == pcm_of(1, 2) + heard(full.rest())


def played(packets):
    return b"".join(pcm_of(*json.loads(message)["data"]["samples"]) for message in packets)


def test_packets_look_as_the_vendor_wants_them():
    writer = PacketWriter()

    packets = writer.play(PlayAudio(pcm_of(*range(-80, 80)), "item"), "u-1")

    assert [json.loads(message) for message in packets] == [
        {
            "event": "media",
            "type": "media",
            "ucid": "u-1",
            "seqid": seqid,
            "data": {
                "samples": samples,
                "bitsPerSample": 16,
                "sampleRate": 8000,
                "channelCount": 1,
                "numberOfFrames": 80,
                "type": "data",
            },
        }
        for seqid, samples in [("utt1-00000", list(range(-80, 0))), ("utt1-00001", list(range(80)))]
    ]


@given(
    utterances=st.lists(
        st.tuples(st.binary(max_size=700).map(lambda data: data[: len(data) // 2 * 2]), st.lists(st.integers(0, 350))),
        max_size=4,
    )
)
def test_any_split_of_the_agents_audio_gives_the_same_samples(utterances):
    writer = PacketWriter()
    packets = []
    expected = b""
    for number, (pcm, cuts) in enumerate(utterances):
        edges = [0, *sorted(min(2 * cut, len(pcm)) for cut in cuts), len(pcm)]
        for start, end in pairwise(edges):
            packets += writer.play(PlayAudio(pcm[start:end], f"item-{number}"), "u")
        packets += writer.finish(f"item-{number}")
        expected += pcm + bytes(-len(pcm) % 160)

    assert played(packets) == expected
    assert all(json.loads(message)["data"]["numberOfFrames"] == 80 for message in packets)
    numbers = [int(json.loads(message)["seqid"].split("-")[1]) for message in packets]
    assert numbers == list(range(len(packets)))


def test_another_utterance_fills_up_the_one_before():
    writer = PacketWriter()

    assert writer.play(PlayAudio(pcm_of(7), "a"), "u") == []
    packets = writer.play(PlayAudio(pcm_of(*[8] * 80), "b"), "u")

    assert played(packets) == pcm_of(7, *[0] * 79, *[8] * 80)
    assert writer.finish("a") == []


def test_end_of_an_earlier_utterance_leaves_the_next_alone():
    writer = PacketWriter()
    writer.play(PlayAudio(pcm_of(7), "b"), "u")

    assert writer.finish("a") == []
    assert played(writer.finish("b")) == pcm_of(7, *[0] * 79)
    assert writer.finish("b") == []


def test_dropped_remainder_is_never_played():
    writer = PacketWriter()
    writer.play(PlayAudio(pcm_of(7), "a"), "u")
    writer.drop()

    assert writer.finish("a") == []
    assert played(writer.play(PlayAudio(pcm_of(*[8] * 80), "b"), "u")) == pcm_of(*[8] * 80)


def test_half_a_sample_is_refused():
    with pytest.raises(LocalProtocolError):
        PacketWriter().play(PlayAudio(b"\x00"), "u")


def test_packet_tells_how_far_its_utterance_was_played():
    writer = PacketWriter()
    packets = writer.play(PlayAudio(bytes(480), "a"), "u")
    packets += writer.play(PlayAudio(bytes(160 + 80), "b", offset_ms=500), "u") + writer.finish("b")
    seqids = [json.loads(message)["seqid"] for message in packets]

    assert seqids == ["utt1-00000", "utt1-00001", "utt1-00002", "utt2-00003", "utt2-00004"]
    assert [writer.played(seqid) for seqid in seqids] == [("a", 10), ("a", 20), ("a", 30), ("b", 510), ("b", 515)]


@pytest.mark.parametrize("seqid", [None, 0, "", "utt1-00001", "utt1-0", "x-00000", "utt1-00000\n", "utt1--0001"])
def test_packet_that_was_not_sent_tells_nothing(seqid):
    writer = PacketWriter()
    writer.play(PlayAudio(bytes(160), "a"), "u")

    assert writer.played(seqid) is None


def test_utterances_are_forgotten_after_a_while():
    writer = PacketWriter()
    for number in range(100):
        writer.play(PlayAudio(bytes(160), str(number)), "u")

    assert writer.played("utt1-00000") is None
    assert writer.played("utt99-00099") == ("99", 10)
