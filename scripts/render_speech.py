"""Render every recorded word of Trunkline again: the scripted agent's prompts and the simulated callees' speech.

Needs `flite` and `espeak-ng` on the PATH. The results are kept in the repository: running the platform needs neither.

    python scripts/render_speech.py            # both sets
    python scripts/render_speech.py prompts    # only bridge/agents/prompts
    python scripts/render_speech.py callees    # only telephony/simulator/speech
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

Samples: TypeAlias = npt.NDArray[np.float32]

ROOT = Path(__file__).resolve().parent.parent
PROMPTS_DIR = ROOT / "bridge/agents/prompts/customer_survey"
CALLEES_DIR = ROOT / "telephony/simulator/speech"

PROMPT_RATE_HZ = 16000
PHONE_RATE_HZ = 8000
PROMPT_PEAK_DBFS = -3.0
CALLEE_PEAK_DBFS = -6.0
LEAD_IN_MS = 40
TAIL_MS = 80
SILENCE_DBFS = -46.0
MUFFLED = frozenset({"mumble"})
MUFFLED_CUTOFF_HZ = 1000
MUFFLED_PEAK_DBFS = -14.0


@dataclass(frozen=True, slots=True)
class Voice:
    """One synthetic speaker: `engine` is the program, `name` its voice, `words_per_min` its pace (espeak-ng only)."""

    key: str
    engine: str
    name: str
    words_per_min: int = 160
    duration_stretch: float = 1.0


PROMPT_VOICE = Voice("slt", "flite", "slt")

CUSTOMER_SURVEY: dict[str, str] = {
    "greeting": (
        "Hello, this is Trunkline, calling on behalf of your service center. This call is recorded. "
        "Do you have one minute for three short questions?"
    ),
    "who_we_are": (
        "This is Trunkline, an automatic assistant. Your service center asked us to find out if you are satisfied. "
        "Do you have one minute?"
    ),
    "q_solved": "Was your last problem solved? Please say yes or no.",
    "q_recommend": "Would you recommend us to a friend? Please say yes, no, or maybe.",
    "q_price": "Are you happy with the price? Please say yes, no, or maybe.",
    "q_person": "Would you like to speak to a person? Please say yes or no.",
    "repeat_yes_no": "Please say yes, or no.",
    "not_understood": "Sorry, I did not catch that.",
    "still_there": "Are you still there?",
    "one_moment": "One moment, please.",
    "goodbye_thanks": "Thank you very much. That is all. Have a nice day. Goodbye.",
    "goodbye_no_time": "No problem. Thank you, and have a nice day. Goodbye.",
    "goodbye_callback": "Certainly. We will call you back later. Goodbye.",
    "goodbye_stop": "I understand. We will not call you again. Goodbye.",
    "goodbye_no_answer": "We could not hear you, so we will end this call now. Goodbye.",
    "transferring": "One moment, please. I am connecting you to a person.",
    "apology": "We are sorry, we have a technical problem. We will call you again another time. Goodbye.",
}

CALLEE_VOICES: tuple[Voice, ...] = (
    Voice("anna", "flite", "slt"),
    Voice("bruno", "flite", "rms"),
    Voice("colin", "espeak-ng", "en-us+Alex", words_per_min=130),
    Voice("dave", "flite", "kal16"),
    Voice("emma", "espeak-ng", "en-gb+f3", words_per_min=135),
    Voice("frank", "espeak-ng", "en-us+m6", words_per_min=130),
    Voice("henry", "espeak-ng", "en-us", words_per_min=130),
)

CALLEE_PHRASES: dict[str, str] = {
    "yes": "Yes.",
    "yes_please": "Yes, please.",
    "no": "No.",
    "no_thanks": "No, thanks.",
    "maybe": "Maybe.",
    "call_me_back": "Call me back.",
    "not_interested": "Not interested.",
    "remove_me": "Remove me.",
    "stop_calling_me": "Stop calling me.",
    "who_is_this": "Who is this?",
    "speak_to_a_person": "Speak to a person.",
    "hello": "Hello?",
}

# Said this way where the engine's own way is taken for another phrase.
PRONOUNCED: dict[tuple[str, str], str] = {
    ("anna", "who_is_this"): "Who. is this?",
    ("emma", "no_thanks"): "No, [[T'ENks]].",
}

SINGLE_RECORDINGS: dict[str, tuple[Voice, str]] = {
    "voicemail_greeting": (
        CALLEE_VOICES[1],
        "Hello. You have reached the voice mail of the person you called. I am not able to come to the phone now. "
        "Please leave your name, your number and a short message after the tone, and I will call you back.",
    ),
    "mumble": (Voice("mumbler", "espeak-ng", "en-us"), "Hmm."),
    "extension_hello": (Voice("desk", "flite", "awb"), "Service desk, hello."),
    "person_hello": (CALLEE_VOICES[0], "Hello, you are speaking with the service desk. How can I help you?"),
}


def main() -> int:
    """Render the wanted sets; the exit code is 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="?", choices=("all", "prompts", "callees"), default="all")
    which = parser.parse_args().which
    if which in ("all", "prompts"):
        render_prompts()
    if which in ("all", "callees"):
        render_callees()
    return 0


def render_prompts() -> None:
    """Write the scripted agent's prompts (16 kHz) and their manifest."""
    PROMPTS_DIR.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, text in CUSTOMER_SURVEY.items():
        samples = finished(*synthesise(PROMPT_VOICE, text), PROMPT_RATE_HZ, PROMPT_PEAK_DBFS)
        duration_ms = write_wav(PROMPTS_DIR / f"{name}.wav", samples, PROMPT_RATE_HZ)
        entries[name] = {"text": text, "file": f"{name}.wav", "duration_ms": duration_ms}
    manifest = {"script": "customer_survey", "voice": PROMPT_VOICE.name, "rate_hz": PROMPT_RATE_HZ, "prompts": entries}
    write_json(PROMPTS_DIR / "manifest.json", manifest)


def render_callees() -> None:
    """Write every callee's phrases (8 kHz) and the manifest of all of them."""
    recordings = []
    for voice in CALLEE_VOICES:
        for phrase, text in CALLEE_PHRASES.items():
            recordings.append(_render_callee(f"{voice.key}/{phrase}", voice, phrase, text))
    for name, (voice, text) in SINGLE_RECORDINGS.items():
        recordings.append(_render_callee(name, voice, name, text))
    write_json(CALLEES_DIR / "manifest.json", {"rate_hz": PHONE_RATE_HZ, "recordings": recordings})


def _render_callee(path: str, voice: Voice, phrase: str, text: str) -> dict[str, object]:
    samples, rate_hz = synthesise(voice, PRONOUNCED.get((voice.key, phrase), text))
    if phrase in MUFFLED:
        samples = finished(muffled(samples, rate_hz), rate_hz, PHONE_RATE_HZ, MUFFLED_PEAK_DBFS)
    else:
        samples = finished(samples, rate_hz, PHONE_RATE_HZ, CALLEE_PEAK_DBFS)
    target = CALLEES_DIR / f"{path}.wav"
    target.parent.mkdir(parents=True, exist_ok=True)
    duration_ms = write_wav(target, samples, PHONE_RATE_HZ)
    speaker = voice.key if "/" in path else ""
    return {
        "file": f"{path}.wav",
        "phrase": phrase,
        "text": text,
        "speaker": speaker,
        "voice": f"{voice.engine} {voice.name}",
        "duration_ms": duration_ms,
    }


def synthesise(voice: Voice, text: str) -> tuple[Samples, int]:
    """The engine's own samples and rate in Hz.

    Raises:
        SystemExit: the engine is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "speech.wav"
        commands = {
            "flite": [
                "flite", "--setf", f"duration_stretch={voice.duration_stretch}",
                "-voice", voice.name, "-t", text, "-o", str(target),
            ],
            "espeak-ng": ["espeak-ng", "-v", voice.name, "-s", str(voice.words_per_min), "-w", str(target), text],
        }  # fmt: skip
        try:
            subprocess.run(commands[voice.engine], check=True, capture_output=True)
        except FileNotFoundError as error:
            raise SystemExit(
                f"{voice.engine} is needed to render speech; on Debian: apt install {voice.engine}"
            ) from error
        return read_wav(target.read_bytes())


def read_wav(data: bytes) -> tuple[Samples, int]:
    """Mono samples in -1..1 and the rate in Hz of a PCM16 WAV."""
    with wave.open(io.BytesIO(data)) as reader:
        pcm = reader.readframes(reader.getnframes())
        rate_hz = reader.getframerate()
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768), rate_hz


def finished(samples: Samples, rate_hz: int, wanted_rate_hz: int, peak_dbfs: float) -> Samples:
    """The samples resampled, trimmed to short quiet edges, and brought to the wanted peak."""
    if rate_hz != wanted_rate_hz:
        samples = soxr.resample(samples, rate_hz, wanted_rate_hz, quality="VHQ")
    peak = float(np.max(np.abs(samples)))
    loud = np.flatnonzero(np.abs(samples) > peak * 10 ** (SILENCE_DBFS / 20))
    first = max(0, int(loud[0]) - LEAD_IN_MS * wanted_rate_hz // 1000)
    last = min(len(samples), int(loud[-1]) + TAIL_MS * wanted_rate_hz // 1000)
    return (samples[first:last] * (10 ** (peak_dbfs / 20) / peak)).astype(np.float32)


def muffled(samples: Samples, rate_hz: int) -> Samples:
    """The samples with nothing above a low cut-off, as through a hand: no word of it can be made out."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate_hz) > MUFFLED_CUTOFF_HZ] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def write_wav(path: Path, samples: Samples, rate_hz: int) -> int:
    """Write mono PCM16; returns the duration in ms."""
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
    return round(len(samples) * 1000 / rate_hz)


def write_json(path: Path, value: object) -> None:
    """Write readable, stable JSON."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
