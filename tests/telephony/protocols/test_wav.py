import io
import struct
import wave
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.protocols.wav import WavFormatError, WavHeader, build_wav, read_wav_header


def chunk(name, body):
    return struct.pack("<4sI", name, len(body)) + body + b"\x00" * (len(body) % 2)


def riff(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return chunk(b"RIFF", body)


PCM_FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))


@pytest.mark.parametrize("channels", [1, 2])
@given(frames=st.integers(0, 50))
def test_build_wav_is_read_by_another_reader(channels, frames):
    pcm = bytes(index % 256 for index in range(frames * 2 * channels))

    with wave.open(io.BytesIO(build_wav(pcm, 8000, channels))) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (channels, 2, 8000)
        assert reader.readframes(frames) == pcm


def test_read_wav_header_steps_over_other_parts_and_ignores_what_follows():
    wav = riff(chunk(b"LIST", b"odd"), PCM_FORMAT, chunk(b"data", b"\x01\x02"), chunk(b"LIST", b"tail"))
    header = read_wav_header(wav)

    assert header == WavHeader(1, 8000, 16, is_pcm=True, data_start_bytes=56, data_bytes=2)
    assert header.is_pcm16
    assert header.samples_in(wav) == b"\x01\x02"


@pytest.mark.parametrize("length_bytes", [0, 0xFFFFFFFF])
def test_read_wav_header_takes_all_where_the_length_was_left_open(length_bytes):
    wav = riff(PCM_FORMAT) + struct.pack("<4sI", b"data", length_bytes) + b"\x01\x02\x03\x04"
    header = read_wav_header(wav)

    assert header.data_bytes is None
    assert header.samples_in(wav) == b"\x01\x02\x03\x04"


@pytest.mark.parametrize(("subformat", "is_pcm16"), [(1, True), (3, False)])
def test_read_wav_header_looks_into_the_extensible_format(subformat, is_pcm16):
    body = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4, subformat) + bytes(14)

    assert read_wav_header(riff(chunk(b"fmt ", body), chunk(b"data", b""))).is_pcm16 is is_pcm16


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3\x04",
        b"RIFF\x00\x00\x00\x00AVI ",
        riff(chunk(b"data", b"")),
        riff(PCM_FORMAT),
        riff(chunk(b"fmt ", b"\x01\x00")),
        riff(PCM_FORMAT)[:30],
    ],
    ids=["empty", "mp3", "avi", "no format", "no audio", "short format", "cut"],
)
def test_read_wav_header_refuses_what_is_not_a_wav(data):
    with pytest.raises(WavFormatError):
        read_wav_header(data)


@given(st.binary(max_size=200).map(lambda tail: b"RIFF\x00\x00\x00\x00WAVE" + tail) | st.binary(max_size=100))
def test_read_wav_header_raises_nothing_else(data):
    with suppress(WavFormatError):
        assert read_wav_header(data).data_start_bytes <= len(data)
