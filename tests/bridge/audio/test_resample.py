"""Resampling: lengths, chunk invariance, delay and band edges, measured on the samples that come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.resample import SUPPORTED_RATES_HZ, Method, Resampler

PAIRS = [(8_000, 24_000), (24_000, 8_000), (8_000, 16_000), (16_000, 8_000), (16_000, 24_000), (48_000, 8_000)]
AMPLITUDE = 12_000


def tone(frequency_hz: float, rate_hz: int, duration_s: float = 2.0) -> bytes:
    count = round(rate_hz * duration_s)
    wave = AMPLITUDE * np.sin(2 * np.pi * frequency_hz * np.arange(count) / rate_hz)
    return wave.astype("<i2").tobytes()


def level_db(pcm: bytes, frequency_hz: float, rate_hz: int) -> float:
    """Level of one frequency against the tone's own amplitude, without the first and last quarter second."""
    samples = np.frombuffer(pcm, "<i2").astype(float)[rate_hz // 4 : -rate_hz // 4]
    window = np.hanning(len(samples))
    turn = np.exp(-2j * np.pi * frequency_hz * np.arange(len(samples)) / rate_hz)
    amplitude = 2 * abs(np.sum(samples * window * turn)) / window.sum()
    return float(20 * np.log10(max(amplitude, 1e-6) / AMPLITUDE))


def convert(resampler: Resampler, pcm: bytes, chunk_samples: int) -> bytes:
    step = chunk_samples * 2
    return b"".join(resampler.process(pcm[at : at + step]) for at in range(0, len(pcm), step))


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_resampler_keeps_duration_and_adds_only_the_tail(from_hz, to_hz):
    resampler = Resampler(from_hz, to_hz)
    converted = convert(resampler, tone(440, from_hz, 1.0), from_hz // 50)
    tail = resampler.flush()
    assert len(converted) == to_hz * 2
    assert len(tail) // 2 == pytest.approx(resampler.delay_ms * to_hz / 1000, abs=max(from_hz, to_hz) / 8_000)


@settings(max_examples=40, deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    samples=st.lists(st.integers(-32768, 32767), max_size=400),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=60),
)
def test_resampler_output_does_not_depend_on_chunks(pair, samples, cuts):
    pcm = np.array(samples, dtype="<i2").tobytes()
    whole, chunked = Resampler(*pair), Resampler(*pair)
    expected = whole.process(pcm) + whole.flush()
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(chunked.process(pcm[at : at + cut * 2]))
        at += cut * 2
    pieces += [chunked.process(pcm[at:]), chunked.flush()]
    difference = np.frombuffer(b"".join(pieces), "<i2").astype(int) - np.frombuffer(expected, "<i2")
    # One unit: the matrix product may add up in another order for another number of rows.
    assert np.abs(difference).max(initial=0) <= 1


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_resampler_delay_is_short_and_as_declared(from_hz, to_hz):
    resampler = Resampler(from_hz, to_hz)
    impulse = np.zeros(from_hz // 10, dtype="<i2")
    impulse[from_hz // 20] = 20_000
    answer = np.frombuffer(resampler.process(impulse.tobytes()) + resampler.flush(), "<i2").astype(float)
    centre_ms = float(np.sum(np.arange(len(answer)) * answer**2) / np.sum(answer**2)) * 1000 / to_hz
    assert centre_ms - 50 == pytest.approx(resampler.delay_ms, abs=0.07)
    assert resampler.delay_ms < 2.5


@pytest.mark.parametrize("frequency_hz", [300, 1_000, 3_000, 3_400])
@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_resampler_passes_the_telephone_band(from_hz, to_hz, frequency_hz):
    converted = convert(Resampler(from_hz, to_hz), tone(frequency_hz, from_hz), from_hz // 50)
    assert level_db(converted, frequency_hz, to_hz) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("frequency_hz", [4_600, 5_000, 7_500])
@pytest.mark.parametrize("from_hz", [16_000, 24_000, 48_000])
def test_resampler_rejects_what_would_fold_back(from_hz, frequency_hz):
    converted = convert(Resampler(from_hz, 8_000), tone(frequency_hz, from_hz), from_hz // 50)
    assert level_db(converted, 8_000 - frequency_hz, 8_000) < -75


@pytest.mark.parametrize("frequency_hz", [300, 1_000, 3_400])
@pytest.mark.parametrize("to_hz", [16_000, 24_000, 48_000])
def test_resampler_leaves_no_image_above_the_band(to_hz, frequency_hz):
    converted = convert(Resampler(8_000, to_hz), tone(frequency_hz, 8_000), 160)
    assert level_db(converted, 8_000 - frequency_hz, to_hz) < -75


def test_resampler_clips_instead_of_wrapping():
    square = np.tile(np.repeat(np.array([32767, -32768], dtype="<i2"), 20), 50)
    converted = np.frombuffer(Resampler(8_000, 24_000).process(square.tobytes()), "<i2").astype(int)
    # A wrapped overshoot would jump across the whole range between neighbours.
    assert np.abs(np.diff(converted)).max() < 40_000


def test_resampler_flush_starts_afresh():
    resampler = Resampler(24_000, 8_000)
    first = resampler.process(tone(500, 24_000, 0.1)) + resampler.flush()
    second = resampler.process(tone(500, 24_000, 0.1)) + resampler.flush()
    assert first == second


@pytest.mark.parametrize("method", [Method.SOXR_HQ, Method.SOXR_LQ])
@pytest.mark.parametrize(("from_hz", "to_hz"), [(8_000, 24_000), (24_000, 8_000)])
def test_soxr_streams_give_everything_after_a_flush(method, from_hz, to_hz):
    resampler = Resampler(from_hz, to_hz, method)
    converted = convert(resampler, tone(1_000, from_hz), from_hz // 50) + resampler.flush()
    assert len(converted) == to_hz * 4
    assert level_db(converted, 1_000, to_hz) == pytest.approx(0, abs=0.1)
    again = convert(resampler, tone(1_000, from_hz), from_hz // 50) + resampler.flush()
    difference = np.frombuffer(again, "<i2").astype(int) - np.frombuffer(converted, "<i2")
    # soxr dithers its 16-bit output, from one run to the next.
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("rate_hz", SUPPORTED_RATES_HZ)
def test_same_rate_passes_through_untouched(rate_hz):
    resampler = Resampler(rate_hz, rate_hz)
    assert resampler.process(b"\x01\x02") == b"\x01\x02"
    assert resampler.flush() == b""
    assert resampler.delay_ms == 0


def test_unsupported_rate_says_which_are_supported():
    with pytest.raises(ValueError, match=r"supported rates are \(8000, 16000, 24000, 48000\)"):
        Resampler(11_025, 8_000)
