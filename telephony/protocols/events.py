"""What a vendor's socket says and what we say to it, in words no vendor owns.

A codec turns wire messages into `VendorEvent`s (`receive`) and `VendorCommand`s into wire messages (`send`).
It owns no clock, no socket and no logger. Audio in these events is always linear PCM16 little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

WireMessage: TypeAlias = str | bytes

PCM16_SAMPLE_BYTES = 2


class Channel(StrEnum):
    """Which legs of the call the vendor streams to us (PSR's `channel`; Source: vendor-docs/psr-3)."""

    STEREO = "stereo"
    MONO_A = "mono_a"
    MONO_B = "mono_b"


class Side(StrEnum):
    """Which channel of a stereo stream carries the customer."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Opened:
    """The vendor says the stream has begun. All of it is untrusted; numbers are as the vendor writes them."""

    vendor_call_id: str
    tenant: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    customer_number: str = ""
    own_number: str = ""
    is_outbound: bool = False


class AudioReceived(NamedTuple):
    """Whole PCM16 mono samples from the customer; `other` is the other leg where the vendor streams both.

    `rate_hz` is what the vendor sent, which may differ from `Capabilities.in_rate_hz` and change during a call.
    """

    pcm: bytes
    rate_hz: int
    other: bytes | None = None


@dataclass(frozen=True, slots=True)
class DtmfReceived:
    """One key press: 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class PlaybackAcknowledged:
    """The vendor reports that an utterance was heard up to `heard_ms` of it (marks, acks).

    `was_played` is False where a flush dropped the audio up to there instead.
    """

    item_id: str
    heard_ms: int
    was_played: bool = True


@dataclass(frozen=True, slots=True)
class Closed:
    """The vendor says the call is over; `reason` is its own word, empty where it gives none."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is legal JSON but not for us (unknown event, late media …): to be counted, not acted on."""

    code: str
    detail: str = ""


VendorEvent: TypeAlias = Opened | AudioReceived | DtmfReceived | PlaybackAcknowledged | Closed | Ignored


class PlayAudio(NamedTuple):
    """Play these PCM16 mono samples (at `Capabilities.out_rate_hz`) after what was sent before.

    They belong to the utterance `item_id` and begin `offset_ms` into it.
    """

    pcm: bytes
    item_id: str = ""
    offset_ms: int = 0


@dataclass(frozen=True, slots=True)
class EndUtterance:
    """No more audio follows for this utterance: send what the codec still carries (a part of a frame, an encoder)."""

    item_id: str


@dataclass(frozen=True, slots=True)
class PlayFile:
    """Play a whole WAV file; `is_queued` plays it after the audio before it, else it replaces that audio."""

    wav: bytes
    is_queued: bool = True


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop what was sent and not yet played. A codec without a flush answers with no message."""


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """Someone the customer may be handed to: a number or an extension of the switch, and who that is."""

    number: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the customer to the first of these, in order of preference, who takes the call; at least one.

    A vendor that takes one target only is given them one at a time (`Capabilities.takes_target_list`).
    """

    targets: tuple[TransferTarget, ...]


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class ReportError:
    """Tell the vendor why its call cannot go on, before the socket closes; `is_ours` where the fault is not theirs."""

    detail: str
    is_ours: bool


VendorCommand: TypeAlias = PlayAudio | EndUtterance | PlayFile | Flush | Transfer | Hangup | ReportError


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the opening of a socket says: the variables of its path, and its query without the key. Untrusted."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor's stream can do, so that the bridge needs no vendor's name.

    `chunk_ms` is the largest unit of audio to send at once, `lead_ms` how much may be sent ahead of what is heard,
    `link_ms` the assumed delay between sending and hearing (protocols: playout clock). `confirms_hangup` says whether
    the vendor answers a hang-up by ending the stream; where it does not, we close the socket ourselves.
    `messages_per_s` is the most that it sends while all is well; twice as many are no flood.
    """

    in_rate_hz: int
    out_rate_hz: int
    chunk_ms: int
    lead_ms: int
    link_ms: int
    has_flush: bool
    has_playback_ack: bool
    has_dtmf: bool
    has_transfer: bool
    has_hangup: bool
    takes_target_list: bool = False
    confirms_hangup: bool = True
    messages_per_s: int = 100


class VendorCodec(Protocol):
    """One call's codec; it keeps the state of that call's stream only (carried bytes, counters)."""

    capabilities: Capabilities

    def receive(self, message: WireMessage) -> list[VendorEvent]:
        """The events in one wire message.

        Raises:
            RemoteProtocolError: the message breaks the vendor's own format; the call may go on unless the error has a
                `close_code`. A `ReportError` after it may be answered with what the vendor is to be told.
        """

    def send(self, command: VendorCommand) -> list[WireMessage]:
        """The wire messages for one command.

        Raises:
            LocalProtocolError: the command cannot be said to this vendor.
        """
