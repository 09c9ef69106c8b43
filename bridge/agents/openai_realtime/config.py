"""What an `openai_realtime` agent can be set up with, and the `session.update` it becomes.

The configuration is data a person writes: every fault is told with its place and what to do. The account's key is no
part of it; it stands in the settings (`RealtimeAccess`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from bridge.agents.openai_realtime.tools import TOOL_NAMES

DEFAULT_URL: Final = "wss://api.openai.com/v1/realtime"
DEFAULT_MODEL: Final = "gpt-realtime-2.1"
BEARER_HEADER: Final = "Authorization"
AUTH_HEADERS: Final = (BEARER_HEADER, "api-key")

MAX_INSTRUCTIONS_CHARS: Final = 32_000
MAX_TEXT_CHARS: Final = 2_000
# Source: OpenAI Realtime API, session object: the limits of its fields.
MAX_OUTPUT_TOKENS: Final = 4_096
EAGERNESS: Final = ("auto", "low", "medium", "high")
NOISE: Final = ("near_field", "far_field")
EFFORTS: Final = ("minimal", "low", "medium", "high")
TRUNCATIONS: Final = ("auto", "disabled")
# Settings of an agent that are the call's, whoever the agent is.
CALL_KEYS: Final = frozenset({"transfer_targets", "fallback_transfer"})

Json: TypeAlias = dict[str, Any]


class RealtimeConfigError(ValueError):
    """A configuration cannot be used; the text says where and what to do."""


class AudioFormat(StrEnum):
    """How audio travels to and from the model. G.711 is 8 kHz and a sixth of the bytes."""

    PCM_24K = "pcm24k"
    PCMU = "pcmu"
    PCMA = "pcma"


WIRE_FORMATS: Final[Mapping[AudioFormat, Json]] = {
    # The rate must be given on both sides, although only one is legal.
    AudioFormat.PCM_24K: {"type": "audio/pcm", "rate": 24_000},
    AudioFormat.PCMU: {"type": "audio/pcmu"},
    AudioFormat.PCMA: {"type": "audio/pcma"},
}


@dataclass(frozen=True, slots=True)
class RealtimeAccess:
    """Where the service is and how it is told who we are: settings of the installation, never of an agent."""

    url: str = DEFAULT_URL
    api_key: str = ""
    auth_header: str = BEARER_HEADER
    model: str = DEFAULT_MODEL

    def __repr__(self) -> str:
        return f"RealtimeAccess({self.url!r})"

    def headers(self) -> dict[str, str]:
        """The header that carries the key: `Authorization: Bearer …`, or Azure's `api-key: …`."""
        return {self.auth_header: f"Bearer {self.api_key}" if self.auth_header == BEARER_HEADER else self.api_key}

    def url_of(self, model: str) -> str:
        """The address of a session; one that already names its model or deployment is left as it is."""
        parts = urlsplit(self.url)
        if parse_qs(parts.query).keys() & {"model", "deployment"}:
            return self.url
        query = "&".join(filter(None, [parts.query, urlencode({"model": model})]))
        return urlunsplit(parts._replace(query=query))


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """A checked configuration. `model` is empty where the installation's is meant, None turns a feature off."""

    instructions: str
    model: str = ""
    greeting: str = "Greet the customer and say who is calling."
    language: str = ""
    voice: str = "marin"
    speed: float = 1.0
    audio_format: AudioFormat = AudioFormat.PCM_24K
    turn_detection: Mapping[str, Any] | None = None
    transcription_model: str | None = "gpt-transcribe"
    transcription_prompt: str = ""
    noise_reduction: str | None = "near_field"
    tools: tuple[str, ...] = TOOL_NAMES
    dispositions: tuple[str, ...] = ()
    max_output_tokens: int = 1_024
    reasoning_effort: str = ""
    truncation: str | float = "auto"


def config_of(source: Mapping[str, Any]) -> RealtimeConfig:
    """The configuration in an agent's JSON object.

    Raises:
        RealtimeConfigError: the first fault found, with its place.
    """
    reader = _Reader(source, "")
    reader.only(*RealtimeConfig.__slots__, *CALL_KEYS)
    return RealtimeConfig(
        instructions=reader.text("instructions", "", MAX_INSTRUCTIONS_CHARS, is_needed=True),
        model=reader.text("model", "", 100),
        greeting=reader.text("greeting", RealtimeConfig("").greeting, MAX_TEXT_CHARS),
        language=reader.text("language", "", 20),
        voice=reader.text("voice", RealtimeConfig("").voice, 100, is_needed=True),
        speed=reader.number("speed", 1.0, 0.25, 1.5),
        audio_format=AudioFormat(reader.one_of("audio_format", AudioFormat.PCM_24K, tuple(AudioFormat))),
        turn_detection=_turn_detection(reader),
        transcription_model=_transcription_model(reader),
        transcription_prompt=reader.text("transcription_prompt", "", MAX_TEXT_CHARS),
        noise_reduction=_noise_reduction(reader),
        tools=reader.texts("tools", TOOL_NAMES, TOOL_NAMES),
        dispositions=reader.texts("dispositions", ()),
        max_output_tokens=reader.whole("max_output_tokens", 1_024, 1, MAX_OUTPUT_TOKENS),
        reasoning_effort=reader.one_of("reasoning_effort", "", EFFORTS),
        truncation=_truncation(reader),
    )


def session_of(config: RealtimeConfig, instructions: str, tools: list[Json]) -> Json:
    """The `session` of a `session.update`; `instructions` are the rendered ones.

    The bridge decides what an interruption is (`interrupt_response` off): two who cancel race each other.
    """
    wire_format = WIRE_FORMATS[config.audio_format]
    transcription: Json | None = None
    if config.transcription_model is not None:
        optional = {"language": config.language, "prompt": config.transcription_prompt}
        transcription = {"model": config.transcription_model} | {name: text for name, text in optional.items() if text}
    session: Json = {
        "type": "realtime",
        "instructions": instructions,
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": wire_format,
                "noise_reduction": {"type": config.noise_reduction} if config.noise_reduction else None,
                "transcription": transcription,
                "turn_detection": {
                    **(config.turn_detection or {}),
                    "create_response": True,
                    "interrupt_response": False,
                },
            },
            "output": {
                "format": wire_format,
                "voice": {"id": config.voice} if config.voice.startswith("voice_") else config.voice,
                "speed": config.speed,
            },
        },
        "tools": tools,
        "tool_choice": "auto",
        "max_output_tokens": config.max_output_tokens,
        "truncation": config.truncation
        if isinstance(config.truncation, str)
        else {"type": "retention_ratio", "retention_ratio": config.truncation},
    }
    if config.reasoning_effort:
        session["reasoning"] = {"effort": config.reasoning_effort}
    return session


class _Reader:
    """Reads one object of the configuration and knows its place."""

    def __init__(self, source: Mapping[str, Any], place: str) -> None:
        self.source = source
        self._place = place

    def fault(self, name: str, advice: str) -> RealtimeConfigError:
        return RealtimeConfigError(f"{self._place}{name}: {advice}")

    def only(self, *names: str) -> None:
        for name in sorted(map(str, self.source.keys() - set(names))):
            if "key" in name.lower() or "token" in name.lower():
                raise self.fault(name, "secrets do not belong here; set OPENAI_API_KEY in the environment or .env")
            raise self.fault(name, f"there is no such option; there are: {', '.join(sorted(names))}")

    def text(self, name: str, default: str, max_chars: int, *, is_needed: bool = False) -> str:
        value = self.source.get(name, default)
        if not isinstance(value, str) or len(value) > max_chars:
            raise self.fault(name, f"must be a text of at most {max_chars:,} characters")
        if is_needed and not value.strip():
            raise self.fault(name, "must not be empty; write what the agent is and what it is to achieve")
        return value.strip()

    def one_of(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.source.get(name, default)
        if value != default and value not in choices:
            raise self.fault(name, f"must be one of {', '.join(choices)}")
        return str(value)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self.source.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.fault(name, f"must be a number from {least:g} to {most:g}")
        return float(value)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.source.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.fault(name, f"must be a whole number from {least} to {most}")
        return value

    def texts(self, name: str, default: tuple[str, ...], choices: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self.source.get(name, list(default))
        if not isinstance(value, list) or not all(isinstance(each, str) and 0 < len(each) <= 60 for each in value):
            raise self.fault(name, "must be a list of short texts")
        if len(value) > 50:
            raise self.fault(name, "must have no more than 50 entries")
        for each in value:
            if choices and each not in choices:
                raise self.fault(name, f"there is no {each!r}; there are: {', '.join(choices)}")
        return tuple(dict.fromkeys(value))


def _turn_detection(top: _Reader) -> Json:
    source = top.source.get("turn_detection", {})
    if not isinstance(source, Mapping):
        raise top.fault("turn_detection", 'must be an object, for example {"type": "semantic_vad"}')
    reader = _Reader(source, "turn_detection.")
    type_ = reader.one_of("type", "server_vad", ("server_vad", "semantic_vad"))
    if type_ == "semantic_vad":
        reader.only("type", "eagerness")
        return {"type": type_, "eagerness": reader.one_of("eagerness", "medium", EAGERNESS)}
    reader.only("type", "threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms")
    detection: Json = {
        "type": type_,
        "threshold": reader.number("threshold", 0.5, 0.0, 1.0),
        "prefix_padding_ms": reader.whole("prefix_padding_ms", 300, 0, 2_000),
        # Shorter pauses cut people off in mid-sentence.
        "silence_duration_ms": reader.whole("silence_duration_ms", 500, 200, 5_000),
    }
    if source.get("idle_timeout_ms", 0) is not None:
        detection["idle_timeout_ms"] = reader.whole("idle_timeout_ms", 15_000, 5_000, 30_000)
    return detection


def _transcription_model(reader: _Reader) -> str | None:
    if reader.source.get("transcription_model", "") is None:
        return None
    return reader.text("transcription_model", "gpt-transcribe", 100, is_needed=True)


def _noise_reduction(reader: _Reader) -> str | None:
    if reader.source.get("noise_reduction", "") is None:
        return None
    return reader.one_of("noise_reduction", "near_field", NOISE)


def _truncation(reader: _Reader) -> str | float:
    value = reader.source.get("truncation", "auto")
    if isinstance(value, str):
        return reader.one_of("truncation", "auto", TRUNCATIONS)
    try:
        return reader.number("truncation", 0.8, 0.1, 1.0)
    except RealtimeConfigError:
        advice = "must be auto, disabled, or the share of the context to keep when it is full, 0.1 to 1"
        raise reader.fault("truncation", advice) from None
