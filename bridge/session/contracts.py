"""What a call needs of the world around it, and what it reports back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from bridge.agents.base import Speaker
from telephony.protocols.events import TransferTarget, WireMessage

# Seconds of a clock that never goes back.
Clock: TypeAlias = Callable[[], float]
# The time of day, aware.
WallClock: TypeAlias = Callable[[], datetime]


# Takes one message; for how many seconds nothing more should be read of this peer.
Hear: TypeAlias = Callable[[WireMessage], float]


class EndedBy(StrEnum):
    """Why a call ended; the first reason wins."""

    CUSTOMER_HANGUP = "customer_hangup"
    AGENT_HANGUP = "agent_hangup"
    TRANSFER = "transfer"
    VENDOR_CLOSED = "vendor_closed"
    SOCKET_LOST = "socket_lost"
    MEDIA_LOST = "media_lost"
    MAX_DURATION = "max_duration"
    AGENT_FAILED = "agent_failed"
    PEER_VIOLATION = "peer_violation"
    DRAIN = "drain"
    STOPPED = "stopped_by_operator"
    BRIDGE_ERROR = "bridge_error"


class CloseCode:
    """WebSocket close codes we use (Source: RFC 6455 section 7.4.1; 4xxx are ours)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    NO_STATUS = 1005
    ABNORMAL = 1006
    TOO_BIG = 1009
    INTERNAL = 1011
    BAD_MESSAGES = 4400
    IDLE = 4408
    DUPLICATE = 4409
    GONE = 4410
    FLOOD = 4429


class Stop:
    """A wish from outside that a call end; the first that is told decides how."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._is_at_once = False

    @property
    def is_told(self) -> bool:
        """Whether the call is to end."""
        return self._told.is_set()

    def politely(self) -> None:
        """The process leaves: the customer hears a word of regret first."""
        self._told.set()

    def at_once(self) -> None:
        """An operator wants nothing more to be said."""
        self._is_at_once = self._is_at_once or not self.is_told
        self._told.set()

    async def wait(self) -> bool:
        """Wait until it is told; whether the call is to end at once."""
        await self._told.wait()
        return self._is_at_once


class Leg(Protocol):
    """The vendor's socket."""

    @property
    def close_code(self) -> int | None:
        """The code the peer closed with, None while it is open."""

    async def listen(self, hear: Hear) -> None:
        """Give `hear` every message until the socket is closed; what it raises ends that, and is raised on."""

    def send_now(self, message: WireMessage) -> bool:
        """Hand a message to the socket if that needs no waiting; False where it would: then `send` it."""

    async def send(self, message: WireMessage) -> None:
        """Hand a message to the socket; waits while its buffer is full. Silent once the socket is closed."""

    async def close(self, code: int) -> None:
        """Close the socket; a second close does nothing."""


async def listen_by(receive: Callable[[], Awaitable[WireMessage | None]], hear: Hear) -> None:
    """Listen to what `receive` gives, which is None once the socket is closed (see `Leg.listen`)."""
    while (message := await receive()) is not None:
        pause_s = hear(message)
        if pause_s:
            await asyncio.sleep(pause_s)


@dataclass(frozen=True, slots=True)
class Limits:
    """Every deadline and bound of one call (Source: reliability budgets; the defaults are the product's)."""

    agent_connect_s: float = 5.0
    first_audio_s: float = 4.0
    first_audio_retry_s: float = 8.0
    first_audio_end_s: float = 12.0
    reconnect_every_s: float = 60.0
    rotate_margin_s: float = 30.0
    first_event_s: float = 10.0
    media_prompt_s: float = 15.0
    media_end_s: float = 45.0
    min_call_s: float = 3.0
    max_call_s: float = 1_800.0
    send_stall_s: float = 5.0
    drain_s: float = 8.0
    goodbye_s: float = 3.0
    closed_wait_s: float = 5.0
    transfer_wait_s: float = 30.0
    action_s: float = 2.0
    inbound_queue_ms: int = 2_000
    barge_in_ms: int = 120
    max_message_bytes: int = 256 * 1024
    max_messages_per_s: int = 200
    max_bytes_per_s: int = 512 * 1024
    flood_s: int = 5
    max_bad_in_a_row: int = 10
    max_bad_messages: int = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """One transcript entry on the call's clock.

    A turn is told again, with the same `seq`, when more is known: `end_ms` is None while it is being spoken. `text` is
    what the side meant to say, `heard_text` what the other side got to hear of it.
    """

    seq: int
    speaker: Speaker
    item_id: str
    text: str
    heard_text: str
    start_ms: int
    end_ms: int | None
    is_interrupted: bool = False
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing the agent learned."""

    key: str
    question: str
    value: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Findings:
    """All the agent has learned so far; `disposition` is empty where it set none."""

    answers: tuple[Answer, ...] = ()
    disposition: str = ""


@dataclass(slots=True)
class Counters:
    """What happened on the wire and to the audio, for metrics and for finding faults.

    `first_audio_ms` is when the agent's first audio came, on the call's clock; None where none did.
    """

    messages_in: int = 0
    frames_in: int = 0
    bad_messages: int = 0
    ignored_messages: int = 0
    messages_out: int = 0
    dropped_ms: int = 0
    interruptions: int = 0
    bad_agent_events: int = 0
    refused_requests: int = 0
    refused_transfers: int = 0
    reconnects: int = 0
    rotations: int = 0
    flood_pauses: int = 0
    first_audio_ms: int | None = None
    resample_delay_ms: float = 0.0
    recording_lost_ms: int = 0


@dataclass(frozen=True, slots=True)
class CallSummary:
    """How one call went. `disposition` and `transferred_to` are empty where the agent set none and did not transfer.

    `is_agent_broken` says that the agent failed in a way that trying again, in whichever call, cannot help.
    """

    ended_by: EndedBy
    duration_ms: int
    disposition: str = ""
    answers: tuple[Answer, ...] = ()
    transferred_to: str = ""
    detail: str = ""
    is_agent_broken: bool = False
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True, slots=True)
class AddToDnc:
    """Never call this customer again; `reason` in the agent's words, may be empty."""

    reason: str


@dataclass(frozen=True, slots=True)
class ScheduleCallback:
    """Call this customer again at `at` (aware, in the future); `note` in the agent's words, may be empty."""

    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class PrepareTransfer:
    """The customer is about to be handed to one of these; told before the vendor is, who may ask back over HTTP."""

    targets: tuple[TransferTarget, ...]


Action: TypeAlias = AddToDnc | ScheduleCallback | PrepareTransfer


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of an action; `error` is for the agent to act on, empty where `ok`."""

    ok: bool
    error: str = ""


class Sink(Protocol):
    """Where a call reports to, and whom it asks to act. Only `perform` may wait, and none may fail."""

    def turn(self, turn: Turn) -> None:
        """A turn began, or became better known."""

    def learned(self, findings: Findings) -> None:
        """The agent learned something; each telling replaces the one before."""

    def ended(self, summary: CallSummary) -> None:
        """The call is over; told exactly once, also when the bridge itself failed."""

    def perform(self, action: Action) -> Awaitable[ActionResult]:
        """Do this for the call's customer. The session waits for `Limits.action_s` at most, then gives up on it."""
