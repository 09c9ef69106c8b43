import sys

import miniaudio
import numpy as np
import pytest

from telephony.errors import LocalProtocolError
from telephony.protocols.events import EndUtterance, PlayAudio
from telephony.protocols.psr import ChunkAction, PsrClientCodec, PsrServerCodec
from telephony.protocols.psr_chunks import ChunkCodec, ChunkFormat
from telephony.protocols.psr_mp3 import FIRST_FILE_MS, FrameStream, GaplessFiles

RATE_HZ = 8000
HEADER_32_KBPS = bytes.fromhex("ffe348c4")
FRAME_32_KBPS_BYTES = 288
ENCODER_AND_DECODER_DELAY_SAMPLES = 1105


def chirp(duration_ms):
    """A tone that rises from 300 Hz, so that audio in the wrong place does not resemble itself."""
    at_s = np.arange(duration_ms * RATE_HZ // 1000) / RATE_HZ
    return (8000 * np.sin(2 * np.pi * (300 + 200 * at_s) * at_s)).astype("<i2")


def decoded(mp3):
    sound = miniaudio.mp3_read_s16(mp3)
    assert (sound.sample_rate, sound.nchannels) == (RATE_HZ, 1)
    return np.array(sound.samples)


def snr_db(heard, said):
    noise = heard.astype(float) - said
    return 10 * np.log10(np.square(said.astype(float)).sum() / np.square(noise).sum())


def one_file(pcm, bit_rate_kbps=32):
    """The file for audio in the middle of an utterance."""
    (mp3,) = GaplessFiles(len(pcm) // 8, bit_rate_kbps).encode(PlayAudio(pcm.tobytes(), "a", offset_ms=FIRST_FILE_MS))
    return mp3


@pytest.mark.parametrize("duration_ms", [20, 100, 200, 500, 1000])
@pytest.mark.parametrize("bit_rate_kbps", [16, 32])
def test_a_file_plays_to_the_exact_sample(duration_ms, bit_rate_kbps):
    said = chirp(duration_ms)

    heard = decoded(one_file(said, bit_rate_kbps))

    assert len(heard) == len(said) == duration_ms * 8
    assert snr_db(heard, said) > 15


def test_a_second_at_16_kbps_is_sixteen_frames_behind_a_tag():
    mp3 = one_file(chirp(1000), bit_rate_kbps=16)
    frames = mp3[72:]

    assert len(mp3) == 2376
    assert len(frames) == 2304
    assert {frames[at : at + 4].hex() for at in range(0, len(frames), 144)} == {"ffe328c4"}
    assert len(decoded(frames)) == 9216
    assert mp3[:17] == bytes.fromhex("ffe318c4") + bytes(9) + b"Info"
    assert int.from_bytes(mp3[50:53], "big") == 576 << 12 | 9216 - 576 - 8000


def test_the_first_file_of_an_utterance_is_short():
    files = GaplessFiles(500)
    said = chirp(1200)

    mp3s = files.encode(PlayAudio(said.tobytes(), "a"))
    mp3s += files.encode(PlayAudio(said.tobytes(), "a", offset_ms=1200))

    assert [len(decoded(mp3)) // 8 for mp3 in mp3s] == [200, 500, 500, 500, 500, 200]
    assert files.finish("a") == []
    assert files.encode(PlayAudio(b"", "b")) == []


@pytest.mark.parametrize("piece_ms", [20, 200, 350])
def test_a_stream_is_whole_frames_that_play_without_a_seam(piece_ms):
    stream, said = FrameStream(), chirp(2000)
    chunks = []
    for at in range(0, len(said), piece_ms * 8):
        chunks += stream.encode(PlayAudio(said[at : at + piece_ms * 8].tobytes(), "a", offset_ms=at // 8))
    chunks += stream.finish("a")

    assert {len(chunk) % FRAME_32_KBPS_BYTES for chunk in chunks} == {0}
    assert {chunk[:4] for chunk in chunks} == {HEADER_32_KBPS}
    heard = decoded(b"".join(chunks))[ENCODER_AND_DECODER_DELAY_SAMPLES:]
    assert len(said) <= len(heard) < len(said) + RATE_HZ // 3
    assert snr_db(heard[: len(said)], said) > 15


def test_a_stream_goes_on_after_the_end_of_an_utterance():
    stream, said = FrameStream(), chirp(1000)
    first = stream.encode(PlayAudio(said.tobytes(), "a")) + stream.finish("a")
    second = stream.encode(PlayAudio(said.tobytes(), "b")) + stream.finish("b")

    second_from = len(decoded(b"".join(first)))
    heard = decoded(b"".join(first + second))
    tail = np.correlate(heard[second_from:].astype(float), said.astype(float), "full")
    # The end of the first is silence, so the second follows whole and once.
    assert tail.max() > 0.9 * np.square(said.astype(float)).sum()
    assert len(heard) < 2 * (len(said) + RATE_HZ // 3)


def test_what_waits_of_an_utterance_that_never_ended_is_not_heard_later():
    stream = FrameStream()
    stream.encode(PlayAudio(chirp(210).tobytes(), "a"))

    chunks = stream.encode(PlayAudio(bytes(16_000), "b")) + stream.finish("b")

    assert np.abs(decoded(b"".join(chunks))).max() < 10


def test_the_end_of_another_utterance_ends_nothing():
    stream = FrameStream()
    stream.encode(PlayAudio(chirp(100).tobytes(), "a"))

    assert stream.finish("b") == []
    assert stream.finish("a") != []
    assert stream.finish("a") == []


@pytest.mark.parametrize(
    ("chunk_codec", "timing"), [(ChunkCodec.MP3_INDEPENDENT, (500, 700, 150)), (ChunkCodec.MP3_STREAM, (200, 500, 390))]
)
def test_codec_sends_mp3_with_the_timing_that_suits_it(chunk_codec, timing):
    codec = PsrServerCodec(chunk_codec=chunk_codec)
    messages = [*codec.send(PlayAudio(chirp(500).tobytes(), "a")), *codec.send(EndUtterance("a"))]

    actions = [PsrClientCodec("c").receive(message) for message in messages]

    assert all(isinstance(action, ChunkAction) and action.chunk_format is ChunkFormat.MP3 for action in actions)
    assert all(isinstance(action, ChunkAction) and action.is_sync for action in actions)
    capabilities = codec.capabilities
    assert (capabilities.chunk_ms, capabilities.lead_ms, capabilities.link_ms) == timing


@pytest.mark.parametrize("chunk_codec", [ChunkCodec.MP3_INDEPENDENT, ChunkCodec.MP3_STREAM])
def test_codec_refuses_half_a_sample_of_mp3(chunk_codec):
    with pytest.raises(LocalProtocolError):
        PsrServerCodec(chunk_codec=chunk_codec).send(PlayAudio(b"\x00"))


def test_missing_lame_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lameenc", None)

    with pytest.raises(LocalProtocolError, match="install the Python package lameenc"):
        PsrServerCodec(chunk_codec=ChunkCodec.MP3_STREAM)
    assert PsrServerCodec(chunk_codec=ChunkCodec.PCM16).send(PlayAudio(bytes(320)))
