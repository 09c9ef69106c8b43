"""The ear and the mind, in frames instead of seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.simulator.audio import TICK_MS, TICK_SAMPLES, Samples, mixed, read_wav_8k
from telephony.simulator.behaviour_table import TABLE
from telephony.simulator.behaviours import Persona
from telephony.simulator.callee import MAX_REPEATS, MIN_PROMPT_MS, Callee, Ear, HangUp, Say, Sound

PROMPTS = sorted((Path(__file__).parents[3] / "bridge/agents/prompts/customer_survey").glob("*.wav"))
LOUD: Samples = np.tile(np.array([3000, -3000], np.int16), TICK_SAMPLES // 2)
QUIET: Samples = np.random.default_rng(1).normal(0, 100, TICK_SAMPLES).astype(np.int16)


def frames(*parts: tuple[Samples, int]) -> list[Samples]:
    """Each sound for so many ms."""
    return [sound for sound, duration_ms in parts for _ in range(duration_ms // TICK_MS)]


def heard(ear: Ear, sounds: list[Samples]) -> list[tuple[int, Sound]]:
    noticed = [(at, ear.hear(sound)) for at, sound in enumerate(sounds, start=1)]
    return [(at * TICK_MS, sound) for at, sound in noticed if sound]


def acts(persona: Persona, sounds: list[Samples]) -> list[tuple[int, Say | HangUp]]:
    callee = Callee(persona)
    return [
        (at * TICK_MS, act) for at, sound in enumerate(sounds, start=1) for act in callee.tick(sound, is_speaking=False)
    ]


def test_a_prompt_is_loud_for_long_enough_and_ends_with_a_pause() -> None:
    assert heard(Ear(600), frames((QUIET, 500), (LOUD, 1000), (QUIET, 1000))) == [
        (500 + MIN_PROMPT_MS, Sound.PROMPT_BEGAN),
        (500 + 1000 + 600, Sound.PROMPT_ENDED),
    ]


def test_a_breath_inside_a_prompt_does_not_end_it() -> None:
    assert heard(Ear(600), frames((LOUD, 1000), (QUIET, 580), (LOUD, 1000), (QUIET, 600))) == [
        (MIN_PROMPT_MS, Sound.PROMPT_BEGAN),
        (1000 + 580 + 1000 + 600, Sound.PROMPT_ENDED),
    ]


def test_clicks_are_no_prompts() -> None:
    assert heard(Ear(600), frames((LOUD, 100), (QUIET, 700), (LOUD, 100), (QUIET, 700))) == []


@pytest.mark.parametrize("wav", PROMPTS, ids=lambda path: path.stem)
def test_each_prompt_of_the_survey_is_heard_as_one(wav: Path) -> None:
    samples = read_wav_8k(wav.read_bytes())
    padded = np.concatenate([samples, np.zeros(-len(samples) % TICK_SAMPLES, np.int16)]).reshape(-1, TICK_SAMPLES)
    sounds = [mixed(frame, QUIET) for frame in padded] + frames((QUIET, 700))
    assert [sound for _, sound in heard(Ear(600), sounds)] == [Sound.PROMPT_BEGAN, Sound.PROMPT_ENDED]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 80)), max_size=30))
def test_prompts_begin_and_end_in_turn(parts: list[tuple[bool, int]]) -> None:
    ear = Ear(600)
    sounds = frames(*((LOUD if is_loud else QUIET, count * TICK_MS) for is_loud, count in parts))
    noticed = [sound for _, sound in heard(ear, sounds)]
    assert noticed == [Sound.PROMPT_BEGAN, Sound.PROMPT_ENDED] * (len(noticed) // 2) + [Sound.PROMPT_BEGAN] * (
        len(noticed) % 2
    )
    assert ear.is_in_prompt == bool(len(noticed) % 2)


def test_a_reply_follows_each_prompt() -> None:
    persona = Persona(replies=("yes", "no"), pause_ms=500, reaction_ms=200)
    prompt = frames((LOUD, 1000), (QUIET, 1000))
    assert acts(persona, prompt * 2) == [(1700, Say("yes")), (3700, Say("no"))]


def test_the_last_reply_is_repeated_a_few_times_where_it_is_asked_for_again() -> None:
    persona = Persona(replies=("maybe", "call_me_back"), pause_ms=500, reaction_ms=200)
    said = [act for _, act in acts(persona, frames((LOUD, 1000), (QUIET, 1000)) * 9)]
    assert said == [Say("maybe"), *[Say("call_me_back")] * (1 + MAX_REPEATS)]


def test_a_person_who_barges_in_does_not_answer_that_prompt_again() -> None:
    persona = Persona(replies=("yes", "no"), barges_into=1, barge_ms=600, pause_ms=500, reaction_ms=0)
    prompt = frames((LOUD, 2000), (QUIET, 1000))
    assert acts(persona, prompt * 2) == [(600, Say("yes")), (5500, Say("no"))]


def wav_frames(*names: str, seed: int = 1) -> list[Samples]:
    """Prompts of the survey one after the other, over the line's noise, and a pause."""
    directory = PROMPTS[0].parent
    samples = np.concatenate([read_wav_8k((directory / f"{name}.wav").read_bytes()) for name in names])
    padded = np.concatenate([samples, np.zeros(-len(samples) % TICK_SAMPLES, np.int16)]).reshape(-1, TICK_SAMPLES)
    noise = np.random.default_rng(seed).normal(0, 80, padded.shape).astype(np.int16)
    return [mixed(*pair) for pair in zip(padded, noise, strict=True)] + frames((QUIET, 1500))


ASKED_TWICE = Persona(replies=("yes", "no", "maybe", "call_me_back"), asks_after_ms=None)


def replies_to(persona: Persona, sounds: list[Samples]) -> list[str]:
    return [act.phrase for _, act in acts(persona, sounds) if isinstance(act, Say)]


def test_a_question_that_is_asked_again_gets_the_same_reply_again() -> None:
    asked = wav_frames("q_recommend") + wav_frames("not_understood", "q_recommend", seed=2) + wav_frames("q_price")
    assert replies_to(ASKED_TWICE, asked) == ["yes", "yes", "no"]


@pytest.mark.parametrize("second", [path.stem for path in PROMPTS if path.stem.startswith(("q_", "who", "goodbye"))])
def test_another_question_gets_the_next_reply(second: str) -> None:
    first = "greeting" if second == "q_recommend" else "q_recommend"
    assert replies_to(ASKED_TWICE, wav_frames(first) + wav_frames(second, seed=2)) == ["yes", "no"]


def test_a_question_that_was_cut_off_is_known_again_by_its_beginning() -> None:
    persona = Persona(replies=("yes", "no"), barges_into=1, barge_ms=2500)
    cut = wav_frames("greeting")[: 2900 // TICK_MS] + frames((QUIET, 1500))
    assert replies_to(persona, cut + wav_frames("greeting", seed=2) + wav_frames("q_solved")) == ["yes", "yes", "no"]


def test_a_mumble_is_said_clearly_when_asked_again() -> None:
    persona = Persona(replies=("mumble", "yes", "no"))
    asked = wav_frames("q_price") + wav_frames("not_understood", "q_price", seed=2)
    assert replies_to(persona, asked) == ["mumble", "yes"]


def test_nobody_repeats_a_reply_for_ever() -> None:
    asked = [frame for seed in range(2 + MAX_REPEATS) for frame in wav_frames("q_price", seed=seed)]
    assert replies_to(ASKED_TWICE, asked) == [*["yes"] * (1 + MAX_REPEATS), "no"]


def test_a_scrap_of_a_prompt_that_was_spoken_over_is_not_answered() -> None:
    callee = Callee(Persona(opening=("hello",), replies=("yes",)))
    sounds = frames((LOUD, 900), (QUIET, 1500), (LOUD, 2000), (QUIET, 1500))
    done = [act for at, sound in enumerate(sounds) for act in callee.tick(sound, is_speaking=at * TICK_MS < 700)]
    assert done == [Say("hello"), Say("yes")]


def test_a_person_leaves_in_mid_prompt() -> None:
    persona = Persona(replies=("yes",), leaves_during=2, leave_ms=300, pause_ms=500, reaction_ms=0)
    prompt = frames((LOUD, 2000), (QUIET, 1000))
    assert acts(persona, prompt * 2) == [
        (2500, Say("yes")),
        (3300, HangUp("left in mid-prompt")),
    ]


def test_a_person_who_has_said_everything_waits_and_leaves() -> None:
    persona = Persona(replies=("yes",), pause_ms=500, reaction_ms=0, linger_ms=2000)
    assert acts(persona, frames((LOUD, 1000), (QUIET, 5000))) == [
        (1500, Say("yes")),
        (3500, HangUp("nothing more to say")),
    ]


def test_a_person_who_hears_nothing_asks_once_and_gives_up() -> None:
    persona = Persona(replies=("yes",), asks_after_ms=2000, gives_up_after_ms=5000)
    assert acts(persona, frames((QUIET, 9000))) == [(2000, Say("hello")), (5000, HangUp("heard nothing"))]


def test_a_call_never_outlasts_its_limit() -> None:
    persona = Persona(replies=("yes",) * 9, hangs_up_after_ms=700)
    assert acts(persona, frames((LOUD, 5000))) == [(700, HangUp("had enough"))]


def test_the_opening_is_said_at_once() -> None:
    assert acts(Persona(opening=("voicemail_greeting", "beep")), frames((QUIET, 60))) == [
        (20, Say("voicemail_greeting")),
        (20, Say("beep")),
    ]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.behaviour.name)
def test_everybody_hangs_up_on_a_bot_that_never_speaks(row) -> None:
    last = acts(row.behaviour.persona, frames((QUIET, 61_000)))[-1][1]
    assert isinstance(last, HangUp)


def test_a_person_who_interrupts_hears_what_follows_soon_as_another_prompt() -> None:
    persona = Persona(replies=("yes", "no"), barges_into=1, barge_ms=1000, asks_after_ms=None)
    sounds = frames((LOUD, 1600), (QUIET, 400), (LOUD, 2000), (QUIET, 1500))
    assert replies_to(persona, sounds) == ["yes", "no"]
