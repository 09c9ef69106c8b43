"""What an agent may be set up with: the shape of its configuration, and the recordings it or the switch can play."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from telephony.protocols.wav import WavFormatError, read_wav_header
from telephony.psr.payloads import AUDIO_RATE_HZ

MAX_CONFIG_BYTES = 65_536
MAX_PROMPT_S = 60
MIN_PROMPT_HZ = 8_000
MAX_PROMPT_HZ = 48_000
PCM16_BYTES = 2


@dataclass(frozen=True, slots=True)
class PromptAudio:
    """What a good recording is like."""

    rate_hz: int
    duration_s: float


def check_agent_config(config: Any) -> None:
    """Accept a JSON object of a sensible size; what stands in it is judged by the agent's kind when a call begins.

    Raises:
        ValueError: it is something else; the text says what to change.
    """
    if not isinstance(config, dict):
        raise ValueError("Write a JSON object, for example {} for the bundled script.")  # noqa: TRY004  a person's input
    if len(orjson.dumps(config)) > MAX_CONFIG_BYTES:
        raise ValueError(f"The configuration is larger than {MAX_CONFIG_BYTES // 1024} KiB. Shorten it.")


def check_prompt_wav(data: bytes) -> PromptAudio:
    """Accept a WAV recording that agents can play: PCM, 16 bit, mono, 8 to 48 kHz, at most a minute.

    Raises:
        ValueError: it cannot be played; the text says what to change.
    """
    try:
        header = read_wav_header(data)
    except WavFormatError as error:
        raise ValueError(f"The file cannot be read: {error}.") from error
    if not header.is_pcm16 or header.channels != 1:
        raise ValueError("Export the recording as WAV, 16-bit PCM, mono.")
    if not MIN_PROMPT_HZ <= header.rate_hz <= MAX_PROMPT_HZ:
        raise ValueError(f"The sample rate is {header.rate_hz} Hz; export it at 8,000 to 48,000 Hz.")
    samples = len(header.samples_in(data)) // PCM16_BYTES
    duration_s = samples / header.rate_hz
    if not samples:
        raise ValueError("The recording is empty.")
    if duration_s > MAX_PROMPT_S:
        raise ValueError(f"The recording lasts {duration_s:.0f} s; at most {MAX_PROMPT_S} s are played. Shorten it.")
    return PromptAudio(header.rate_hz, duration_s)


def check_opening_wav(data: bytes) -> PromptAudio:
    """Accept a recording that PSR can play at the answer: as for agents, but at 8 kHz, which PSR does not convert to.

    Raises:
        ValueError: it cannot be played; the text says what to change.
    """
    audio = check_prompt_wav(data)
    if audio.rate_hz != AUDIO_RATE_HZ:
        raise ValueError(f"The sample rate is {audio.rate_hz:,} Hz; PSR plays {AUDIO_RATE_HZ:,} Hz. Export it at that.")
    return audio
