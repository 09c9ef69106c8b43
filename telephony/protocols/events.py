"""What a vendor's socket says and what we say to it, in words no vendor owns.

A codec turns wire messages into `VendorEvent`s (`receive`) and `VendorCommand`s into wire messages (`send`).
It owns no clock, no socket and no logger. Audio in these events is always linear PCM16 little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

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
    """The vendor says the stream has begun. `parameters` are untrusted metadata."""

    vendor_call_id: str
    tenant: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Whole PCM16 mono samples from the customer; `other` is the other leg where the vendor streams both."""

    pcm: bytes
    rate_hz: int
    other: bytes | None = None


@dataclass(frozen=True, slots=True)
class DtmfReceived:
    """One key press: 0-9, *, #, A-D."""

    digit: str


@dataclass(frozen=True, slots=True)
class PlaybackAcknowledged:
    """The vendor reports a mark: its audio was played, or dropped by a flush."""

    mark: str
    was_played: bool


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


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """Play these PCM16 mono samples (at `Capabilities.out_rate_hz`) after what was sent before."""

    pcm: bytes
    item_id: str = ""


@dataclass(frozen=True, slots=True)
class PlayFile:
    """Play a whole WAV file; `is_queued` plays it after the audio before it, else it replaces that audio."""

    wav: bytes
    is_queued: bool = True


@dataclass(frozen=True, slots=True)
class Flush:
    """Drop what was sent and not yet played. A codec without a flush answers with no message."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the customer to an extension of the switch."""

    extension: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


VendorCommand: TypeAlias = PlayAudio | PlayFile | Flush | Transfer | Hangup


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor's stream can do, so that the bridge needs no vendor's name.

    `chunk_ms` is the largest unit of audio to send at once, `lead_ms` how much may be sent ahead of what is heard,
    `link_ms` the assumed delay between sending and hearing (protocols: playout clock).
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


class VendorCodec(Protocol):
    """One call's codec; it keeps the state of that call's stream only (carried bytes, counters)."""

    capabilities: Capabilities

    def receive(self, message: WireMessage) -> list[VendorEvent]:
        """The events in one wire message.

        Raises:
            RemoteProtocolError: the message breaks the vendor's own format; the call may go on.
        """

    def send(self, command: VendorCommand) -> list[WireMessage]:
        """The wire messages for one command.

        Raises:
            LocalProtocolError: the command cannot be said to this vendor.
        """
