"""Which of a few phrases was said: pocketsphinx with a closed grammar, its own English model, no network.

A grammar always finds something, so two things guard it: decoys (words people say that are no answer) compete with the
phrases, and a free run over phonemes tells how much better the sound could have been explained; far better means that
something else was said.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np
from pocketsphinx import Decoder  # type: ignore[attr-defined]  # it lists no exports

from bridge.agents.prompt_library import PromptLibrary
from bridge.audio.resample import Resampler
from telephony.protocols.events import PCM16_SAMPLE_BYTES

# Source: the en-us model inside the pocketsphinx wheel is trained on 16 kHz speech, 100 frames a second.
MODEL_RATE_HZ: Final = 16_000
_FRAMES_PER_S: Final = 100
TELEPHONE_RATE_HZ: Final = 8_000
LINE_SAMPLE_PROMPTS: Final = ("greeting", "q_solved", "goodbye_thanks")
_LOG_BASE: Final = math.log(1.0001)

# The decoder holds the interpreter lock while it works: pieces this short leave the event loop its turns.
PIECE_BYTES: Final = MODEL_RATE_HZ // 1000 * 40 * PCM16_SAMPLE_BYTES
# It wants quiet around the words, and no digital silence: noise of a line's own level and band is laid under all of it.
PAD_BEFORE_MS: Final = 300
PAD_AFTER_MS: Final = 400
NOISE_LEVEL: Final = 60.0
NOISE_SEED: Final = 20_260_101

# Measured: a best-path pass over the lattice ends in half phrases ("speak to a") on a noisy line, and narrow beams lose
# last sounds. The sets of phrases are small, so wide beams cost little.
DECODING: Final[Mapping[str, Any]] = {"bestpath": False, "beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}

# Of the words people say that are no answer, those that sound like no phrase: shorter ones take answers away.
DECOYS: Final = (
    "hello",
    "what",
    "maybe",
    "sorry",
    "excuse me",
    "good morning",
    "one moment",
    "i am busy",
    "i don't know",
    "what time is it",
    "can you repeat that",
    "my name is",
    "where do you",
    "the weather is",
)
_PHONEMES: Final = "phonemes"
# Worse than the phonemes by this much per frame, in the decoder's log units, is confidence 0.
# Measured over the simulator's line: phrases -21 to 0, other speech down to -29.
FULL_DOUBT_PER_FRAME: Final = 50.0
MIN_CONFIDENCE: Final = 0.59
DECODE_DEADLINE_S: Final = 3.0
WARM_UP_DEADLINE_S: Final = 30.0
THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was understood: `phrase` is None where it was none of them. `confidence` is 0 to 1."""

    phrase: str | None
    confidence: float


UNCLEAR: Final = Hearing(None, 0.0)


class Recogniser(Protocol):
    """Hears one of a few phrases."""

    async def recognise(self, pcm: bytes, rate_hz: int, phrases: Sequence[str]) -> Hearing:
        """The phrase in PCM16 mono; takes at most its own deadline, after which nothing was understood."""


class SphinxRecogniser:
    """Pocketsphinx on a few threads of its own, each with its own decoder."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="recogniser")

    def warm_up(self) -> None:
        """Load the model on every thread now: it takes a fifth of a second each, in which no call would get a turn."""
        together = threading.Barrier(THREADS)
        for loading in [self._executor.submit(_load, together) for _ in range(THREADS)]:
            loading.result(timeout=WARM_UP_DEADLINE_S)

    async def recognise(self, pcm: bytes, rate_hz: int, phrases: Sequence[str]) -> Hearing:
        """See `Recogniser`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DECODE_DEADLINE_S):
                return await loop.run_in_executor(self._executor, decode, pcm, rate_hz, tuple(phrases))
        except TimeoutError:
            return UNCLEAR


@lru_cache(maxsize=1)
def shared_recogniser() -> SphinxRecogniser:
    """The recogniser of this process."""
    return SphinxRecogniser()


_per_thread = threading.local()


def decode(pcm: bytes, rate_hz: int, phrases: tuple[str, ...]) -> Hearing:
    """The phrase in an utterance. Takes some 50 ms per second of speech, on the calling thread."""
    audio = _prepare(pcm, rate_hz)
    ear = _ear()
    said, score = ear.run(ear.grammar_of(phrases), audio)
    if said not in phrases:
        return UNCLEAR
    _, free_score = ear.run(_PHONEMES, audio)
    frames = len(audio) / (MODEL_RATE_HZ / _FRAMES_PER_S * PCM16_SAMPLE_BYTES)
    confidence = min(1.0, max(0.0, 1.0 + (score - free_score) / frames / FULL_DOUBT_PER_FRAME))
    return Hearing(said if confidence >= MIN_CONFIDENCE else None, round(confidence, 2))


def _prepare(pcm: bytes, rate_hz: int) -> bytes:
    speech = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    padded = np.pad(speech, (rate_hz * PAD_BEFORE_MS // 1000, rate_hz * PAD_AFTER_MS // 1000))
    # Before resampling: noise above the telephone band would look like the sounds the band has cut off.
    padded += np.random.default_rng(NOISE_SEED).normal(0, NOISE_LEVEL, len(padded)).astype(np.float32)
    noisy = np.clip(padded, -32768, 32767).astype("<i2").tobytes()
    resampler = Resampler(rate_hz, MODEL_RATE_HZ)
    return resampler.process(noisy) + resampler.flush()


class _Ear:
    """One decoder, the grammars it has learned, and its idea of a telephone line.

    The decoder compares sounds with a running mean of the channel. Of one short word it learns too little, and from one
    caller to the next it must not learn: so it hears our own prompts over a telephone band once, and starts every
    utterance from there.
    """

    def __init__(self) -> None:
        self._decoder: Any = Decoder(lm=None, samprate=MODEL_RATE_HZ, loglevel="FATAL", **DECODING)
        self._decoder.add_allphone_file(_PHONEMES, None)
        self._grammars: dict[tuple[str, ...], str] = {}
        self._line: str = self._decoder.get_cmn(False)
        self.run(_PHONEMES, _prepare(_line_sample(), TELEPHONE_RATE_HZ))
        self._line = self._decoder.get_cmn(True)

    def grammar_of(self, phrases: tuple[str, ...]) -> str:
        name = self._grammars.get(phrases)
        if name is None:
            name = self._grammars[phrases] = f"grammar{len(self._grammars)}"
            choices = " | ".join((*phrases, *(decoy for decoy in DECOYS if decoy not in phrases)))
            self._decoder.add_jsgf_string(name, f"#JSGF V1.0; grammar {name}; public <phrase> = [ {choices} ];")
        return name

    def run(self, search: str, audio: bytes) -> tuple[str, float]:
        """The words found, and the logarithm of their score."""
        self._decoder.activate_search(search)
        self._decoder.set_cmn(self._line)
        self._decoder.start_utt()
        for start in range(0, len(audio), PIECE_BYTES):
            self._decoder.process_raw(audio[start : start + PIECE_BYTES])
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        if hypothesis is None or hypothesis.score <= 0:
            return "", 0.0
        return hypothesis.hypstr, math.log(hypothesis.score) / _LOG_BASE


def _line_sample() -> bytes:
    """Some seconds of speech as a telephone carries it."""
    library = PromptLibrary()
    samples = []
    for name in LINE_SAMPLE_PROMPTS:
        pcm = library.get(name).pcm
        samples.append(Resampler(pcm.rate_hz, TELEPHONE_RATE_HZ).process(pcm.samples))
    return b"".join(samples)


def _load(together: threading.Barrier) -> None:
    _ear()
    # Nobody takes a second turn before everybody had one.
    together.wait(WARM_UP_DEADLINE_S)


def _ear() -> _Ear:
    if not hasattr(_per_thread, "ear"):
        _per_thread.ear = _Ear()
    ear: _Ear = _per_thread.ear
    return ear
