"""The agent protocol: what the bridge needs of an AI voice, whoever makes it.

`Agent.connect(brief)` opens one conversation as an async context manager. The session takes the customer's audio,
and is iterated for `AgentEvent`s. Agents never see a vendor, a socket of the phone side, or a database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from telephony.protocols.events import TransferTarget


class Speaker(StrEnum):
    """Who speaks in a transcript turn."""

    CUSTOMER = "customer"
    AGENT = "agent"


class BargeIn(StrEnum):
    """Who decides that the customer speaks over the agent; while nothing of it is unheard, that changes nothing."""

    BRIDGE = "bridge"
    """The bridge by its own ear; the agent's `UserSpeech` only where the bridge cannot hear at the vendor's rate."""
    AGENT = "agent"
    """The agent, by `UserSpeech`."""
    OFF = "off"
    """Nobody: the agent hears while it speaks, and stops by itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of the conversation so far; of the agent's, the words that were heard."""

    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Brief:
    """What the agent is told before it speaks.

    `config` is the agent version's configuration; `parameters` the customer's rendered parameters; `prompts` maps a
    prompt's name to a WAV file of ours, on top of the bundled ones. Numbers are E.164, empty where unknown.
    `transfer_targets` are all to whom this agent may hand a customer; `config["fallback_transfer"]` may name the number
    among them to whom the bridge hands one if the agent fails.

    `history` is what was said before, oldest first: empty at the start of a call, filled where another conversation is
    taken up again. An agent with a history does not greet again: where `is_agents_turn` it goes on from there by
    itself, else it waits for the customer.
    """

    call_id: str
    config: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, Path] = field(default_factory=dict)
    customer_number: str = ""
    own_number: str = ""
    is_outbound: bool = True
    transfer_targets: tuple[TransferTarget, ...] = ()
    history: tuple[Said, ...] = ()
    is_agents_turn: bool = True


class Audio(NamedTuple):
    """PCM16 mono of one utterance (`item_id`), at the session's rate; may come faster than real time."""

    item_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class AudioDone:
    """No more audio for this utterance. It may still be waiting to be played."""

    item_id: str


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """What this agent has said and was not heard yet is not to be played: its own ear or mind interrupted it."""


@dataclass(frozen=True, slots=True)
class UserSpeech:
    """The agent's own ear says the customer began (or ceased) to speak; `at_ms` counts customer audio sent so far."""

    is_speaking: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words of one side: the agent's are tied to its audio by `item_id`, the customer's by ms of its audio.

    Of a `ListeningSession` both sides' are tied to ms of the audio, and the agent is whoever is on the other leg.
    """

    speaker: Speaker
    item_id: str
    text: str
    is_final: bool = True
    start_ms: int | None = None
    end_ms: int | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The agent wants something done.

    Known names: `record_answer` {key, question, value}, `set_disposition` {disposition}, `add_to_dnc` {reason},
    `schedule_callback` {at, note} (`at` in ISO 8601). Each is answered by `AgentSession.tool_result`.
    """

    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndCall:
    """The agent wants to hang up once what it said has been heard.

    With a `tool_call_id` it is answered like a tool call, and refused in the first seconds of a call.
    """

    reason: str = "completed"
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """The agent wants the customer handed to one of these, in this order, once what it said has been heard.

    Only numbers among `Brief.transfer_targets` are obeyed. With a `tool_call_id` a refusal is told to the agent.
    """

    targets: tuple[TransferTarget, ...]
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Expiring:
    """This conversation will be closed by the agent's side in `in_s`; another must take over before."""

    in_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The agent cannot go on; where `retryable`, a new conversation with the history may."""

    reason: str
    retryable: bool


AgentEvent: TypeAlias = (
    Audio | AudioDone | StopSpeaking | UserSpeech | Transcript | ToolCall | EndCall | Transfer | Expiring | Failed
)


class AgentSession(Protocol):
    """One conversation. Iterate it for events; iteration ends when the agent has nothing more to say, ever.

    `speaks_first` says whether it owes the customer words once connected: where none come in time it is taken for dead.
    An agent that sends audio on in pieces anyway is given `piece_ms` of it at once, and what it says is played in such
    pieces; 0 gives and plays it as it comes.
    """

    input_rate_hz: int
    output_rate_hz: int
    piece_ms: int
    speaks_first: bool
    barge_in: BargeIn

    async def send_audio(self, pcm: bytes) -> None:
        """Customer's PCM16 mono at `input_rate_hz`. Never waits on a slow agent for longer than its own deadline."""

    async def send_dtmf(self, digit: str) -> None:
        """One key the customer pressed."""

    async def interrupt(self, item_id: str, heard_ms: int) -> None:
        """The customer spoke over this utterance and heard `heard_ms` of it; the rest will not be played."""

    async def played(self, item_id: str) -> None:
        """This utterance has been heard to its end (playout clock)."""

    async def tool_result(self, tool_call_id: str, result: Mapping[str, Any]) -> None:
        """What came of a tool call: `{"ok": true, …}`, or `{"ok": false, "error": "…"}`."""

    def __aiter__(self) -> AsyncIterator[AgentEvent]: ...


@runtime_checkable
class ListeningSession(AgentSession, Protocol):
    """One that hears two people talk and says nothing; the bridge then says nothing to them either."""

    async def send_both(self, customer: bytes, other: bytes) -> None:
        """Both legs' PCM16 mono, in the place of `send_audio`; `other` is empty where the vendor streams one leg."""


class AudioTaker(Protocol):
    """Whoever plays an agent's audio."""

    @property
    def takes_now(self) -> bool:
        """Whether `take` may be called; where not, the audio is an event like any other."""

    def take(self, audio: Audio) -> None:
        """Play it; never waits."""


@runtime_checkable
class PromptSession(AgentSession, Protocol):
    """A session with which audio is mostly exchanged without waiting: no task is woken for it then."""

    def give_audio_to(self, taker: AudioTaker) -> None:
        """Audio that comes while its turn among the events is waited for goes there from now on."""

    @property
    def takes_audio_now(self) -> bool:
        """Whether `send_audio_now` may be called; where not, `send_audio` is."""

    def send_audio_now(self, pcm: bytes) -> None:
        """See `send_audio`."""


class Agent(Protocol):
    """A kind of agent, configured once, connected once per call."""

    def connect(self, brief: Brief) -> AbstractAsyncContextManager[AgentSession]:
        """Open a conversation.

        Raises:
            AgentUnavailable: it could not be opened within its deadline.
        """


class AgentUnavailable(Exception):
    """The agent could not be reached, or refused. `retryable` says whether trying again can help."""

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.retryable = retryable
