"""What an OpenAI Realtime server says, as typed values. Times are ms of the customer's audio sent so far.

Source: OpenAI Realtime API, general availability form, server events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class SessionCreated:
    """The server is there; the session ends by itself at `expires_at` (unix seconds; None where it does not say)."""

    expires_at: int | None


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    """Our configuration holds from here on."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The customer began to speak; the words will become the item `item_id`."""

    item_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The customer ceased to speak."""

    item_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class AudioCommitted:
    """What the customer said became an item, after `previous_item_id`."""

    item_id: str
    previous_item_id: str


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """An item entered the conversation, after `previous_item_id`."""

    item_id: str
    previous_item_id: str


@dataclass(frozen=True, slots=True)
class CustomerTranscribed:
    """The words of a customer's item; None where they could not be had."""

    item_id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """The model begins to answer."""

    response_id: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a tool; `arguments` is the model's JSON text, None while it is not complete."""

    response_id: str
    call_id: str
    name: str
    arguments: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """The model has nothing more to say in this response; its audio may still be waiting to be played.

    `status` is completed, cancelled, failed or incomplete; `error_code` is empty unless it failed.
    """

    response_id: str
    status: str
    error_code: str
    usage: Usage


class AudioDelta(NamedTuple):
    """Audio of one item, in the session's output format."""

    response_id: str
    item_id: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class AudioFinished:
    """No more audio follows for this item."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True)
class WordsDelta:
    """The next words of the model's speech."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class WordsFinished:
    """All words of one item of the model's speech."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ServerError:
    """An `error` event. `event_id` is that of our event which caused it.

    `detail` is the server's text, shortened and without what it quotes.
    """

    code: str
    event_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unneeded:
    """A known event that changes nothing here."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a type this module does not know: to be counted."""

    type: str


ServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | AudioCommitted
    | ItemAdded
    | CustomerTranscribed
    | ResponseCreated
    | FunctionCall
    | ResponseDone
    | AudioDelta
    | AudioFinished
    | WordsDelta
    | WordsFinished
    | ServerError
    | Unneeded
    | Unknown
)
