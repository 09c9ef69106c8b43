"""The stereo timeline's arithmetic, and the recorder's file on a real disk."""

from __future__ import annotations

import wave
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio import recorder as recorder_module
from bridge.audio.recorder import PART_SUFFIX, Lane, Recorder, StereoTimeline, repair
from bridge.audio.resample import Resampler


def pcm(value: int, duration_ms: int) -> bytes:
    return np.full(duration_ms * 8, value, dtype="<i2").tobytes()


def lanes(stereo: bytes) -> tuple[list[int], list[int]]:
    """Both lanes, one value per ms."""
    frames = np.frombuffer(stereo, "<i2").reshape(-1, 2)[::8]
    return frames[:, 0].tolist(), frames[:, 1].tolist()


class HeldExecutor(Executor):
    """Remembers what was submitted and runs it when told."""

    def __init__(self) -> None:
        self.held: list[tuple[Future, Callable]] = []

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.held.append((future, fn))
        return future

    def run(self) -> None:
        while self.held:
            future, fn = self.held.pop(0)
            try:
                future.set_result(fn())
            except OSError as error:
                future.set_exception(error)


def test_timeline_puts_each_side_where_it_was_heard():
    timeline = StereoTimeline()
    timeline.lay(Lane.CUSTOMER, 0, pcm(1, 4))
    timeline.lay(Lane.AGENT, 200, pcm(2, 3))
    customer, agent = lanes(timeline.finish())
    assert customer == [1] * 4 + [0] * 199
    assert agent == [0] * 200 + [2] * 3


def test_timeline_closes_up_jitter_but_keeps_real_gaps():
    timeline = StereoTimeline()
    for at_ms, value in ((0, 1), (55, 2), (400, 3)):
        timeline.lay(Lane.CUSTOMER, at_ms, pcm(value, 20))
    customer, _ = lanes(timeline.finish())
    assert customer == [1] * 20 + [2] * 20 + [0] * 360 + [3] * 20


def test_timeline_takes_back_what_was_flushed():
    timeline = StereoTimeline()
    timeline.lay(Lane.AGENT, 0, pcm(5, 300))
    timeline.silence_from(Lane.AGENT, 120)
    timeline.lay(Lane.AGENT, 500, pcm(6, 10))
    _, agent = lanes(timeline.finish())
    assert agent == [5] * 120 + [0] * 380 + [6] * 10


def test_timeline_drops_only_what_is_already_settled():
    timeline = StereoTimeline()
    assert lanes(timeline.settle(30)) == ([0] * 30, [0] * 30)
    timeline.lay(Lane.CUSTOMER, 10, pcm(1, 40))
    assert lanes(timeline.finish())[0] == [1] * 10


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
@given(pieces=st.lists(st.integers(1, 900), min_size=1, max_size=30))
def test_audio_of_another_rate_lies_as_if_it_had_been_converted_at_once(rate_hz, pieces):
    samples = (8_000 * np.sin(np.arange(sum(pieces)) * 2 * np.pi * 300 / rate_hz)).astype("<i2").tobytes()
    timeline = StereoTimeline()
    released, at = b"", 0
    for number, length in enumerate(pieces):
        timeline.lay(Lane.AGENT, at * 1000 / rate_hz, samples[at * 2 : (at + length) * 2], rate_hz)
        at += length
        if number % 7 == 6:
            released += timeline.settle(at * 500 / rate_hz)
    laid = np.frombuffer(released + timeline.finish(), "<i2").reshape(-1, 2)[:, 1]
    assert laid.tobytes() == Resampler(rate_hz, 8_000).process(samples)[: laid.nbytes]
    assert abs(len(laid) - len(samples) // 2 * 8_000 // rate_hz) <= 25


def test_a_rate_that_changes_within_a_call_leaves_no_gap():
    timeline = StereoTimeline()
    timeline.lay(Lane.CUSTOMER, 0, pcm(5, 100))
    timeline.lay(Lane.CUSTOMER, 100, np.full(1_600, 5, dtype="<i2").tobytes(), 16_000)
    timeline.lay(Lane.CUSTOMER, 200, pcm(5, 100))
    customer, _ = lanes(timeline.finish())
    assert len(customer) == 300
    # The filter of a new rate begins from silence.
    assert customer[:100] == customer[200:] == [5] * 100
    assert customer[110:190] == [5] * 80


@given(
    st.lists(
        st.tuples(st.sampled_from(Lane), st.integers(0, 900), st.integers(0, 200), st.integers(0, 1_000)), max_size=12
    )
)
def test_timeline_releases_every_moment_once(steps):
    timeline = StereoTimeline()
    released, latest_ms = b"", 0
    for lane, at_ms, duration_ms, settle_ms in steps:
        timeline.lay(lane, at_ms, pcm(1, duration_ms))
        released += timeline.settle(settle_ms)
        latest_ms = max(latest_ms, settle_ms)
        assert len(released) == latest_ms * 32
    assert (len(released) + len(timeline.finish())) % 32 == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(Lane), st.integers(0, 900), st.integers(0, 200), st.none() | st.integers(0, 1_000)),
        max_size=20,
    )
)
def test_frames_that_wait_to_be_laid_together_lie_where_each_would(steps):
    lazy, prompt = StereoTimeline(), StereoTimeline()
    released = {lazy: b"", prompt: b""}
    for number, (lane, at_ms, duration_ms, settle_ms) in enumerate(steps, 1):
        for timeline in released:
            timeline.lay(lane, at_ms, pcm(number, duration_ms))
            if settle_ms is not None:
                released[timeline] += timeline.settle(settle_ms)
        # Taking back what is far ahead changes nothing but that everything is laid first.
        prompt.silence_from(Lane.CUSTOMER, 1e6)
        prompt.silence_from(Lane.AGENT, 1e6)
    assert released[lazy] + lazy.finish() == released[prompt] + prompt.finish()


def test_recorder_writes_a_stereo_wav_and_renames_it(tmp_path):
    path = tmp_path / "calls" / "one.wav"
    with ThreadPoolExecutor(2) as executor:
        recorder = Recorder(path, executor)
        for second in range(5):
            recorder.customer(second * 1_000, pcm(100 + second, 1_000))
            recorder.agent(second * 1_000 + 500, pcm(-100, 200))
            recorder.tick((second + 1) * 1_000)
        recording = recorder.close().result(timeout=10)
    assert recording.path == path
    assert recording.duration_ms == 5_000
    assert recording.lost_ms == 0
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8_000, 2)
        customer, agent = lanes(file.readframes(file.getnframes()))
    assert customer == [100 + second for second in range(5) for _ in range(1_000)]
    assert agent == ([0] * 500 + [-100] * 200 + [0] * 300) * 5
    assert list(path.parent.iterdir()) == [path]


def test_recorder_left_by_a_crash_can_be_repaired(tmp_path):
    path = tmp_path / "torn.wav"
    executor = HeldExecutor()
    recorder = Recorder(path, executor)
    recorder.customer(0, pcm(7, 4_000))
    recorder.tick(4_000)
    executor.run()
    found = tmp_path / ("found.wav" + PART_SUFFIX)
    found.write_bytes((tmp_path / ("torn.wav" + PART_SUFFIX)).read_bytes() + b"\x01\x02\x03")
    assert repair(found).duration_ms == 2_000
    with wave.open(str(tmp_path / "found.wav")) as file:
        assert lanes(file.readframes(file.getnframes())) == ([7] * 2_000, [0] * 2_000)
    assert not found.exists()
    recorder.close()
    executor.run()


def test_recorder_replaces_what_a_slow_disk_cannot_take_by_silence(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_PENDING_BYTES", 3_000 * 32)
    executor = HeldExecutor()
    recorder = Recorder(tmp_path / "slow.wav", executor)
    for second in range(6):
        recorder.customer(second * 1_000, pcm(9, 1_000))
        recorder.tick((second + 3) * 1_000)
    assert len(executor.held) == 1
    closing = recorder.close()
    executor.run()
    recording = closing.result(timeout=0)
    assert (recording.duration_ms, recording.lost_ms) == (6_000, 3_000)
    with wave.open(str(recording.path)) as file:
        customer, _ = lanes(file.readframes(file.getnframes()))
    assert customer == [9] * 3_000 + [0] * 3_000


def test_recorder_keeps_no_more_of_a_flood_than_ten_seconds_ahead(tmp_path):
    with ThreadPoolExecutor(1) as executor:
        recorder = Recorder(tmp_path / "call.wav", executor)
        # Twenty times as much as can be said: a second every 50 ms, for 10 s.
        for at_ms in range(0, 10_000, 50):
            recorder.customer(at_ms, pcm(1, 1_000))
            recorder.tick(at_ms)
        recording = recorder.close().result(10)
    ahead_ms = 10_000 + recorder_module.MAX_AHEAD_MS
    assert ahead_ms - 1_000 <= recording.duration_ms <= ahead_ms + 1_000
    assert recording.lost_ms == 200_000 - recording.duration_ms


def test_recorder_reports_the_disk_that_failed(tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    executor = HeldExecutor()
    recorder = Recorder(tmp_path / "taken" / "x.wav", executor)
    recorder.customer(0, pcm(1, 3_000))
    recorder.tick(3_000)
    closing = recorder.close()
    executor.run()
    with pytest.raises(OSError, match="taken"):
        closing.result(timeout=0)
