"""The vendors' sides of a call: one way to open, speak, listen and leave, in the words of each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias
from urllib.parse import quote

from telephony.protocols import livecall, psr, twilio, ucid
from telephony.protocols.events import WireMessage

NOW_MS = 1_763_700_000_000
NUMBER = "+84901234567"


@dataclass(frozen=True)
class Play:
    """Play PCM16 at 8 kHz behind what waits."""

    pcm: bytes


@dataclass(frozen=True)
class Drop:
    """Drop what waits."""


@dataclass(frozen=True)
class Return:
    """Send this back once all before it was played or dropped."""

    message: WireMessage


@dataclass(frozen=True)
class HangUp:
    """End the call."""


@dataclass(frozen=True)
class Other:
    """Anything else, by its name."""

    name: str


Deed: TypeAlias = Play | Drop | Return | HangUp | Other


class Vendor(Protocol):
    """One call as its vendor carries it. `secret` is what lets the socket in."""

    protocol: str
    frame_ms: int

    def __init__(self, call_id: str) -> None: ...

    def path(self, secret: str) -> str:
        """Where to connect."""

    def opening(self) -> list[WireMessage]:
        """What comes before the first audio."""

    def says(self, pcm: bytes) -> WireMessage:
        """A piece of what the customer says, PCM16 at 8 kHz."""

    def closing(self) -> list[WireMessage]:
        """What tells that the customer is gone."""

    def understands(self, message: WireMessage) -> Deed:
        """What the bridge wants done."""


class PsrVendor:
    """PSR: no flush, no marks."""

    protocol = "psr"
    frame_ms = 20

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._codec = psr.PsrClientCodec(call_id)
        self._said_ms = 0

    def path(self, secret: str) -> str:
        return f"psr/{secret}?call_id={self._call_id}&tenant=acme"

    def opening(self) -> list[WireMessage]:
        return [self._codec.connected(NOW_MS)]

    def says(self, pcm: bytes) -> WireMessage:
        self._said_ms += self.frame_ms
        return self._codec.media(NOW_MS + self._said_ms, pcm)

    def closing(self) -> list[WireMessage]:
        return [self._codec.closed(NOW_MS + self._said_ms)]

    def understands(self, message: WireMessage) -> Deed:
        match self._codec.receive(message):
            case psr.ChunkAction(audio=pcm):
                return Play(pcm)
            case psr.HangupAction():
                return HangUp()
            case other:
                return Other(type(other).__name__)


class UcidVendor:
    """A ucid vendor: packets of 10 ms, `clearBuffer`, a mark after it only."""

    protocol = "ucid"
    frame_ms = 10

    def __init__(self, call_id: str) -> None:
        self._codec = ucid.UcidClientCodec(call_id)

    def path(self, secret: str) -> str:
        return f"ws?token={secret}"

    def opening(self) -> list[WireMessage]:
        return [self._codec.start(did="02838123456", call_id="0901234567")]

    def says(self, pcm: bytes) -> WireMessage:
        return self._codec.media(pcm)

    def closing(self) -> list[WireMessage]:
        return [self._codec.stop(433)]

    def understands(self, message: WireMessage) -> Deed:
        match self._codec.receive(message):
            case ucid.PacketAction(pcm=pcm):
                return Play(pcm)
            case ucid.ClearAction():
                return Drop()
            case ucid.DisconnectAction():
                return HangUp()
            case other:
                return Other(type(other).__name__)


class LiveCallVendor:
    """A LiveCall client; a newer one (`has_kill_audio` of its endpoint) drops audio when told."""

    protocol = "livecall"
    frame_ms = 20

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._codec = livecall.LiveCallClientCodec(call_id, NUMBER)

    def path(self, secret: str) -> str:
        return f"live-call/websocket/{self._call_id}/{quote(NUMBER)}?token={secret}"

    def opening(self) -> list[WireMessage]:
        return [self._codec.initial_info(hotline="+842838123456")]

    def says(self, pcm: bytes) -> WireMessage:
        return self._codec.play_audio(pcm, 8_000)

    def closing(self) -> list[WireMessage]:
        return [self._codec.disconnect()]

    def understands(self, message: WireMessage) -> Deed:
        match self._codec.receive(message):
            case livecall.AudioOutput(pcm=pcm):
                return Play(pcm)
            case livecall.KillAudio():
                return Drop()
            case livecall.EndCall():
                return HangUp()
            case other:
                return Other(type(other).__name__)


class TwilioVendor:
    """Twilio: µ-law, `clear`, and marks that come back."""

    protocol = "twilio"
    frame_ms = 20

    def __init__(self, call_id: str) -> None:
        self._codec = twilio.TwilioClientCodec(f"MZ{call_id}", call_id)
        self._said_ms = 0

    def path(self, secret: str) -> str:
        return f"twilio/{secret}"

    def opening(self) -> list[WireMessage]:
        return [self._codec.connected(), self._codec.start()]

    def says(self, pcm: bytes) -> WireMessage:
        self._said_ms += self.frame_ms
        return self._codec.media(pcm, self._said_ms)

    def closing(self) -> list[WireMessage]:
        return [self._codec.stop()]

    def understands(self, message: WireMessage) -> Deed:
        match self._codec.receive(message):
            case twilio.MediaAction(pcm=pcm):
                return Play(pcm)
            case twilio.MarkAction(name=name):
                return Return(self._codec.mark(name))
            case twilio.ClearAction():
                return Drop()
            case other:
                return Other(type(other).__name__)


VENDORS: tuple[type[Vendor], ...] = (PsrVendor, UcidVendor, LiveCallVendor, TwilioVendor)
