"""The simulator's recorded callers, by voice and phrase."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import telephony
from bridge.agents.scripted.listening import Listener, Utterance

SPEECH_DIR = Path(telephony.__file__).parent / "simulator" / "speech"
VOICES = sorted(path.name for path in SPEECH_DIR.iterdir() if path.is_dir())

# As much hiss as the simulator's line has; the detector needs some of it to learn what silence is.
LINE_NOISE = 80.0
LEAD_MS = 2_500
TAIL_MS = 900


def recording(voice: str, phrase: str) -> Path:
    return SPEECH_DIR / voice / f"{phrase.replace(' ', '_')}.wav"


def over_a_line(samples: bytes, *, gain: float = 1.0, seed: int = 1) -> bytes:
    """What the agent's ear cuts out of a noisy line on which these PCM16 samples were said."""
    speech = np.frombuffer(samples, "<i2") * gain
    line = np.random.default_rng(seed).normal(0, LINE_NOISE, 8 * (LEAD_MS + TAIL_MS) + len(speech))
    line[8 * LEAD_MS : 8 * LEAD_MS + len(speech)] += speech
    heard = Listener().feed(np.clip(line, -32768, 32767).astype("<i2").tobytes())
    return next(each.pcm for each in heard if isinstance(each, Utterance) and not each.is_click)
