"""The simulator's recorded callers, by voice and phrase."""

from __future__ import annotations

from pathlib import Path

import telephony

SPEECH_DIR = Path(telephony.__file__).parent / "simulator" / "speech"
VOICES = sorted(path.name for path in SPEECH_DIR.iterdir() if path.is_dir())


def recording(voice: str, phrase: str) -> Path:
    return SPEECH_DIR / voice / f"{phrase.replace(' ', '_')}.wav"
