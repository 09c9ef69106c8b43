"""Telling a prompt that is asked again from another one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.simulator.audio import TICK_MS
from telephony.simulator.prompt_memory import MAX_SHIFT_FRAMES, MIN_COMPARED_MS, is_asked_again

SHORTEST = MIN_COMPARED_MS // TICK_MS


def sound(seed: int, frames: int = 150) -> list[float]:
    """Syllables of a made-up language."""
    random = np.random.default_rng(seed)
    return [float(level) for level in np.repeat(random.uniform(50, 4000, frames // 5 + 1), 5)[:frames]]


@given(st.integers(0, 1000), st.integers(SHORTEST, 300), st.integers(0, MAX_SHIFT_FRAMES))
def test_a_prompt_is_like_itself_also_a_few_frames_later(seed: int, frames: int, shift: int) -> None:
    prompt = sound(seed, frames)
    assert is_asked_again(prompt, [200.0] * shift + prompt)


def test_a_lead_before_it_or_a_cut_after_it_changes_nothing() -> None:
    assert is_asked_again(sound(1), sound(2, 60) + sound(1))
    assert is_asked_again(sound(1)[:100], sound(1))


@pytest.mark.parametrize("seed", range(2, 30))
def test_other_prompts_are_not_alike(seed: int) -> None:
    assert not is_asked_again(sound(1), sound(seed))


def test_what_is_too_short_or_has_no_shape_is_like_nothing() -> None:
    assert not is_asked_again(sound(1, SHORTEST - 1), sound(1))
    assert not is_asked_again([3000.0] * 200, [3000.0] * 200)
    assert not is_asked_again([], sound(1))
