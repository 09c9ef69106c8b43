import sys
from itertools import pairwise

import miniaudio
import numpy as np
import pytest

from telephony.protocols.events import PlayAudio
from telephony.protocols.psr_mp3 import FrameStream, GaplessFiles
from telephony.simulator.mp3 import Mp3Decoder, Mp3Error
from telephony.simulator.playout import Hypothesis

FILES, STREAM = Hypothesis.FILES, Hypothesis.STREAM


def tone(duration_ms):
    return (8000 * np.sin(np.arange(duration_ms * 8) / 4)).astype("<i2")


def played(hypothesis, chunks):
    decoder = Mp3Decoder(hypothesis)
    return np.frombuffer(b"".join(decoder.decode(chunk) for chunk in chunks), "<i2")


def stream_of(pcm, piece_samples):
    stream = FrameStream()
    pieces = [pcm[at : at + piece_samples].tobytes() for at in range(0, len(pcm), piece_samples)]
    return [chunk for piece in pieces for chunk in stream.encode(PlayAudio(piece, "a"))] + stream.finish("a")


def files_of(pcm):
    return GaplessFiles(500).encode(PlayAudio(pcm.tobytes(), "a"))


def test_gapless_files_are_heard_to_the_sample_one_by_one_and_padded_as_one_stream():
    chunks = files_of(tone(1200))

    assert len(played(FILES, chunks)) == 9600
    # Three files: 5 + 9 + 9 frames of audio, and a frame for each tag.
    assert len(played(STREAM, chunks)) == (5 + 9 + 9 + 3) * 576


def test_one_stream_is_heard_whole_and_padded_as_files():
    chunks = stream_of(tone(1000), 1600)
    whole = np.array(miniaudio.mp3_read_s16(b"".join(chunks)).samples)

    assert np.array_equal(played(STREAM, chunks), whole)
    assert not np.array_equal(played(FILES, chunks)[: len(whole)], whole)


@pytest.mark.parametrize("cuts", [(100,), (1, 2, 3, 500), (287, 289)])
def test_a_stream_may_be_cut_anywhere(cuts):
    mp3 = b"".join(stream_of(tone(500), 4000))
    edges = [0, *cuts, len(mp3)]
    decoder, heard = Mp3Decoder(STREAM), b""
    for start, end in pairwise(edges):
        try:
            heard += decoder.decode(mp3[start:end])
        except Mp3Error:
            assert end - start < 4
    assert len(heard) // 2 == len(mp3) // 288 * 576


def test_noise_between_frames_is_passed_over():
    chunks = stream_of(tone(300), 2400)

    noisy = [b"ID3\x04\xff\xe0\xff\xf0 no frame" + chunks[0], *chunks[1:]]

    assert np.array_equal(played(STREAM, noisy), played(STREAM, chunks))


@pytest.mark.parametrize("hypothesis", list(Hypothesis))
@pytest.mark.parametrize("chunk", [b"", b"ID3", b"no mp3 at all", b"\xff\xe3\xff\xff" * 20])
def test_what_is_no_mp3_is_told(hypothesis, chunk):
    with pytest.raises(Mp3Error) as fault:
        Mp3Decoder(hypothesis).decode(chunk)
    assert fault.value.code == "bad_mp3"


def test_missing_decoder_is_told(monkeypatch):
    chunks = files_of(tone(100))
    monkeypatch.setitem(sys.modules, "miniaudio", None)

    with pytest.raises(Mp3Error) as fault:
        Mp3Decoder(FILES).decode(chunks[0])
    assert fault.value.code == "no_mp3_decoder"
