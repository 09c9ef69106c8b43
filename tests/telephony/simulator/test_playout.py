"""What is heard of what was sent, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.simulator.audio import SAMPLES_PER_MS, TICK_SAMPLES, Samples
from telephony.simulator.playout import (
    MAX_QUEUED_SAMPLES,
    HeardItem,
    Hypothesis,
    Kind,
    Playout,
    PlayoutSettings,
    Replacement,
)

AT_ONCE = {hypothesis: PlayoutSettings(hypothesis, start_delay_ms=0) for hypothesis in Hypothesis}


def ramp(samples: int, first: int = 1) -> Samples:
    """Samples that are all different and none of them silence."""
    return np.arange(first, first + samples, dtype=np.int16)


def listen(playout: Playout, ticks: int) -> Samples:
    return np.concatenate([playout.take(TICK_SAMPLES) for _ in range(ticks)])


def audible(heard: Samples) -> list[int]:
    return heard[heard != 0].tolist()


@pytest.mark.parametrize("hypothesis", Hypothesis)
@given(lengths=st.lists(st.integers(1, 700), max_size=12))
def test_every_sample_is_heard_once_and_in_order(hypothesis: Hypothesis, lengths: list[int]) -> None:
    playout = Playout(AT_ONCE[hypothesis])
    sent = ramp(sum(lengths))
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        assert playout.receive_chunk(sent[end - length : end].tobytes())
    heard = listen(playout, sum(lengths) // TICK_SAMPLES + len(lengths) + 1)
    assert audible(heard) == sent.tolist()
    assert (playout.heard_samples, playout.queued_samples, playout.is_playing) == (sum(lengths), 0, False)


@given(st.binary(max_size=4000), st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_a_stream_may_be_cut_anywhere(pcm: bytes, cuts: list[int]) -> None:
    playout = Playout(AT_ONCE[Hypothesis.STREAM])
    rest = pcm
    for cut in cuts:
        playout.receive_chunk(rest[:cut])
        rest = rest[cut:]
    playout.receive_chunk(rest)
    whole = len(pcm) // 2
    assert listen(playout, 14)[:whole].tobytes() == pcm[: whole * 2]


def test_a_stream_has_no_seam() -> None:
    playout = Playout(AT_ONCE[Hypothesis.STREAM])
    playout.receive_chunk(ramp(100).tobytes())
    playout.receive_chunk(ramp(100, 101).tobytes())
    assert listen(playout, 2)[:200].tolist() == ramp(200).tolist()


def test_a_file_begins_on_a_frame_and_may_have_padding() -> None:
    playout = Playout(PlayoutSettings(Hypothesis.FILES, start_delay_ms=0, file_gap_ms=20))
    playout.receive_chunk(ramp(100).tobytes())
    playout.receive_chunk(ramp(100, 101).tobytes())
    heard = listen(playout, 4)
    assert np.flatnonzero(heard).tolist() == [*range(100), *range(260, 360)]


def test_audio_on_an_idle_line_starts_after_the_delay() -> None:
    playout = Playout(PlayoutSettings(start_delay_ms=30))
    listen(playout, 3)
    playout.receive_chunk(ramp(160).tobytes())
    heard = listen(playout, 4)
    assert np.flatnonzero(heard).tolist() == list(range(240, 400))


@pytest.mark.parametrize(("replacement", "heard_after"), [(Replacement.PLAYING, [2, 3]), (Replacement.QUEUE, [3])])
def test_a_file_that_does_not_wait_replaces(replacement: Replacement, heard_after: list[int]) -> None:
    playout = Playout(PlayoutSettings(replacement=replacement, start_delay_ms=0))
    for value in (1, 2):
        playout.receive_file(np.full(800, value, np.int16), is_queued=True)
    listen(playout, 1)
    playout.receive_file(np.full(800, 3, np.int16), is_queued=False)
    heard = listen(playout, 12)
    assert sorted(set(audible(heard))) == heard_after
    assert playout.dropped_samples == (640 if replacement is Replacement.PLAYING else 1440)


def test_what_was_heard_is_told_in_stretches() -> None:
    playout = Playout(PlayoutSettings(start_delay_ms=40))
    playout.receive_chunk(ramp(800).tobytes())
    listen(playout, 30)
    playout.receive_chunk(ramp(1600).tobytes())
    listen(playout, 7)
    assert playout.close() == [
        HeardItem(1, Kind.CHUNK, received_ms=0, from_ms=40, to_ms=140, heard_ms=100, gap_ms=0, dropped_ms=0, pieces=1),
        HeardItem(
            2, Kind.CHUNK, received_ms=600, from_ms=640, to_ms=740, heard_ms=100, gap_ms=0, dropped_ms=100, pieces=1
        ),
    ]


def test_an_underrun_inside_an_utterance_is_a_gap_in_it() -> None:
    playout = Playout(PlayoutSettings(start_delay_ms=0))
    playout.receive_chunk(ramp(160).tobytes())
    listen(playout, 5)
    playout.receive_chunk(ramp(160).tobytes())
    listen(playout, 1)
    (item,) = playout.close()
    assert (item.heard_ms, item.gap_ms, item.pieces) == (40, 80, 2)


def test_the_queue_has_an_end() -> None:
    playout = Playout(PlayoutSettings())
    minute = bytes(60_000 * SAMPLES_PER_MS * 2)
    assert [playout.receive_chunk(minute) for _ in range(11)] == [True] * 10 + [False]
    assert playout.queued_samples == MAX_QUEUED_SAMPLES
