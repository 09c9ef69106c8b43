"""What an agent may be set up with: the shape of its configuration, and the recordings it or the switch can play."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from telephony.protocols.events import TransferTarget
from telephony.protocols.wav import WavFormatError, read_wav_header
from telephony.psr.payloads import AUDIO_RATE_HZ

MAX_CONFIG_BYTES = 65_536
MAX_PROMPT_S = 60
MIN_PROMPT_HZ = 8_000
MAX_PROMPT_HZ = 48_000
PCM16_BYTES = 2
MAX_TRANSFER_TARGETS = 20
MAX_TARGET_NAME_CHARS = 60
# An extension of the switch, or a number in E.164.
_TARGET_NUMBER = re.compile(r"\+?[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class PromptAudio:
    """What a good recording is like."""

    rate_hz: int
    duration_s: float


def check_agent_config(config: Any) -> None:
    """Accept a JSON object of a sensible size whose `transfer_targets` and `fallback_transfer`, if any, can be read.

    What else stands in it is judged by the agent's kind when a call begins.

    Raises:
        ValueError: it is something else; the text says what to change.
    """
    if not isinstance(config, dict):
        raise ValueError("Write a JSON object, for example {} for the bundled script.")  # noqa: TRY004  a person's input
    if len(orjson.dumps(config)) > MAX_CONFIG_BYTES:
        raise ValueError(f"The configuration is larger than {MAX_CONFIG_BYTES // 1024} KiB. Shorten it.")
    targets = config.get("transfer_targets", [])
    if not isinstance(targets, list) or len(targets) > MAX_TRANSFER_TARGETS:
        raise ValueError(f"transfer_targets: write a list of at most {MAX_TRANSFER_TARGETS} {{number, name}}.")
    for target in targets:
        if _read_target(target) is None:
            raise ValueError(
                'transfer_targets: write each as {"number": "…", "name": "…"}; the number is an extension, or begins '
                f"with + and its country code (16 digits at most), the name has {MAX_TARGET_NAME_CHARS} characters."
            )
    fallback = config.get("fallback_transfer")
    if fallback is not None and (not isinstance(fallback, str) or not _TARGET_NUMBER.fullmatch(fallback)):
        raise ValueError("fallback_transfer: write the number of one of the transfer targets, as text.")


def transfer_targets(config: Mapping[str, Any]) -> tuple[TransferTarget, ...]:
    """To whom an agent of this configuration may hand a customer; what cannot be read is nobody."""
    targets = config.get("transfer_targets", [])
    read = map(_read_target, targets[:MAX_TRANSFER_TARGETS] if isinstance(targets, list) else ())
    return tuple(target for target in read if target is not None)


def _read_target(entry: Any) -> TransferTarget | None:
    if not isinstance(entry, dict) or not entry.keys() <= {"number", "name"}:
        return None
    number, name = entry.get("number"), entry.get("name", "")
    if not isinstance(number, str) or not _TARGET_NUMBER.fullmatch(number):
        return None
    is_name = isinstance(name, str) and name.isprintable() and len(name) <= MAX_TARGET_NAME_CHARS
    return TransferTarget(number, name) if is_name else None


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
