"""What an AI service says (`ServerResponse`), as `AgentEvent`s. Pure; one reader a call.

Anything the service sends is legal here: what cannot be used is counted, and no message raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from bridge.agents.base import (
    AgentEvent,
    EndCall,
    Failed,
    Speaker,
    StopSpeaking,
    ToolCall,
    Transcript,
    Transfer,
    UserSpeech,
)
from bridge.agents.livecall_grpc.config import LiveCallConfig
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.utterances import UnusableAudio, Voice
from telephony.protocols.events import TransferTarget

MAX_TEXT_CHARS: Final = 8_000
MAX_ARGUMENTS_CHARS: Final = 16_000
MAX_STAFF: Final = 20
MAX_NAME_CHARS: Final = 128
MAX_MESSAGE_CHARS: Final = 120
# As in HTTP, whose codes these services use: what a later try may find mended.
_RETRYABLE_CODES: Final = frozenset({408, 429, *range(500, 600)})
_SPEAKERS: Final[Mapping[str, Speaker]] = {
    "agent": Speaker.AGENT,
    "assistant": Speaker.AGENT,
    "bot": Speaker.AGENT,
    "customer": Speaker.CUSTOMER,
    "user": Speaker.CUSTOMER,
}


@dataclass(frozen=True, slots=True)
class BadToolCall:
    """A tool call whose arguments cannot be read: never run, but answered."""

    tool_call_id: str
    error: str


Reading: TypeAlias = AgentEvent | BadToolCall


class Reader:
    """Reads the messages of one call.

    `counts` says how often each kind of oddity was met; its keys are the codes of the reference page.
    """

    def __init__(self, call_id: str, config: LiveCallConfig) -> None:
        self.voice = Voice(config.audio_encoding, config.output_rate_hz)
        self.counts: Counter[str] = Counter()
        self._call_id = call_id
        self._customer_turns = 0

    def read(self, response: pb.ServerResponse, now_ms: float) -> list[Reading]:
        """The events of one message that came at `now_ms` of any clock."""
        field = response.WhichOneof("data")
        # proto3 leaves a forgotten bool at false: only an error says that something failed.
        if not response.status and field != "error":
            self.counts["status_not_set"] += 1
        match field:
            case "audio_output":
                return self._audio(response.audio_output, now_ms)
            case "signal":
                return self._signal(response.signal)
            case "error":
                return [_failed(response.error)]
            case "text_output":
                return self._words(response.text_output.text)
            case "transcript":
                return self._transcript(response.transcript)
            case "user_speech":
                return [UserSpeech(response.user_speech.speaking, max(0, response.user_speech.audio_ms))]
            case "tool_call":
                return [_tool_call(response.tool_call)]
            case _:
                self.counts["unknown_message"] += 1
                return []

    def _audio(self, chunk: pb.AudioChunk, now_ms: float) -> list[Reading]:
        try:
            events = self.voice.chunk(chunk, now_ms)
        except UnusableAudio as error:
            self.counts["bad_audio"] += 1
            return [Failed(f"the AI service sends {error}", retryable=False)] if error.is_lasting else []
        if self.voice.looks_like_base64:
            self.counts["base64_suspected"] = 1
        return [*events]

    def _signal(self, signal: pb.Signal) -> list[Reading]:
        kind = signal.WhichOneof("signal_type")
        if kind is None:
            self.counts["unknown_message"] += 1
            return []
        if getattr(signal, kind).call_id not in ("", self._call_id):
            self.counts["other_call"] += 1
            return []
        match kind:
            case "end_call":
                end = EndCall(_cut(signal.end_call.reason, MAX_NAME_CHARS) or "completed", signal.end_call.tool_call_id)
                return [*self.voice.end(), end]
            case "transfer_call":
                return self._transfer(signal.transfer_call)
            case _:
                self.voice.stopped()
                return [StopSpeaking()]

    def _transfer(self, transfer: pb.TransferCall) -> list[Reading]:
        targets = tuple(
            TransferTarget(number, _cut(staff.name, MAX_NAME_CHARS))
            for staff in transfer.target_staff[:MAX_STAFF]
            if (number := _cut(staff.phone_number.strip(), MAX_NAME_CHARS))
        )
        if not targets:
            self.counts["no_target"] += 1
            return [BadToolCall(transfer.tool_call_id, "target_staff names nobody with a phone_number")]
        return [*self.voice.end(), Transfer(targets, transfer.tool_call_id)]

    def _words(self, text: str) -> list[Reading]:
        words = self.voice.words(_cut(text, MAX_TEXT_CHARS)) if text else None
        return [] if words is None else [Transcript(Speaker.AGENT, words[0], words[1], is_final=False)]

    def _transcript(self, transcript: pb.Transcript) -> list[Reading]:
        speaker = _SPEAKERS.get(transcript.role.lower())
        if speaker is None:
            self.counts["unknown_role"] += 1
            return []
        text = _cut(transcript.text, MAX_TEXT_CHARS)
        if speaker is Speaker.AGENT:
            item_id = self.voice.name_of(transcript.item_id)
            return [] if item_id is None else [Transcript(speaker, item_id, text, transcript.final)]
        self._customer_turns += 1
        # Without field presence, zero to zero means that nobody measured.
        is_timed = 0 <= transcript.start_ms <= transcript.end_ms and transcript.end_ms > 0
        return [
            Transcript(
                speaker,
                f"customer-{self._customer_turns}",
                text,
                transcript.final,
                transcript.start_ms if is_timed else None,
                transcript.end_ms if is_timed else None,
            )
        ]


def _tool_call(call: pb.ToolCall) -> Reading:
    arguments: Any = None
    if len(call.arguments_json) <= MAX_ARGUMENTS_CHARS:
        with suppress(orjson.JSONDecodeError):
            arguments = orjson.loads(call.arguments_json or "{}")
    if not isinstance(arguments, dict):
        return BadToolCall(call.tool_call_id, "arguments_json is no JSON object")
    return ToolCall(call.tool_call_id, _cut(call.name, MAX_NAME_CHARS), arguments)


def _failed(error: pb.Error) -> Failed:
    is_retryable = error.retryable or not _RETRYABLE_CODES.isdisjoint((error.error_code, error.internal_error_code))
    reason = f"the AI service reports error {error.error_code}/{error.internal_error_code}"
    message = _cut("".join(letter if letter.isprintable() else " " for letter in error.message), MAX_MESSAGE_CHARS)
    return Failed(f"{reason}: {_without_digits(message)}" if message else reason, is_retryable)


def _without_digits(text: str) -> str:
    """A stranger's text as it may stand in a log: without what could be a number of somebody."""
    return "".join("#" if letter.isdigit() else letter for letter in text)


def _cut(text: str, max_chars: int) -> str:
    return text[:max_chars]
