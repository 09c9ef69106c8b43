"""The ucid dialect (KooKoo, Waybeo), both roles: ours (`UcidServerCodec`) and the vendor's (`UcidClientCodec`).

The vendor connects to us, sends `start`, `media` with arrays of samples, and `stop`; it takes `media` of the same shape
and two commands. Source: vendor-docs/ucid-vendor-guide; what only KooKoo's own pages tell (keys, marks, commands, the
first packet), and what was chosen where they disagree, stands in docs/reference/wire/ucid.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

import numpy as np
import orjson

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    PCM16_SAMPLE_BYTES,
    AudioReceived,
    Capabilities,
    Closed,
    DtmfReceived,
    EndUtterance,
    Flush,
    Handshake,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlaybackAcknowledged,
    PlayFile,
    ReportError,
    Transfer,
    VendorCommand,
    VendorEvent,
    WireMessage,
)
from telephony.protocols.strict_json import read_json_object, shown
from telephony.protocols.ucid_audio import (
    PACKET_BYTES,
    PACKET_MS,
    RATE_HZ,
    PacketReader,
    PacketWriter,
    read_samples,
    samples_of_file,
)
from telephony.protocols.ucid_fields import MAX_UCID_CHARS, is_dialable, is_ucid, read_x_headers, short_text, text_of

# WebSocket close codes of ours for faults that end a stream (reference/wire/ucid.md).
CLOSE_BAD_START = 4400
CLOSE_OTHER_START = 4409

MAX_EARLY_MS = 2_000
MAX_OTHER_STARTS = 3
# Source: KooKoo's pages: about this many keys are remembered, and a packet with one of them is dropped.
DEDUPLICATED_PACKETS = 3_000
# The cause that KooKoo's pages send for an ordinary end.
_DISCONNECT = '{"command":"callDisconnect","causeCode":200}'

_KEYS = frozenset("0123456789*#ABCD")


class UcidServerCodec:
    """One stream of a ucid vendor as we see it. Implements `events.VendorCodec`."""

    def __init__(
        self, *, chunk_ms: int = 40, lead_ms: int = 100, link_ms: int = 100, confirms_hangup: bool = True
    ) -> None:
        """`confirms_hangup` is False for a vendor that sends nothing more after our hang-up (Waybeo).

        Raises:
            LocalProtocolError: `chunk_ms` is no multiple of a packet's 10 ms.
        """
        if chunk_ms <= 0 or chunk_ms % PACKET_MS:
            raise LocalProtocolError(f"chunk_ms must be a multiple of {PACKET_MS}")
        # Marks may come for every packet, after a flush only, or never: nothing may wait for them, so they are not
        # promised here.
        self.capabilities = Capabilities(
            in_rate_hz=RATE_HZ,
            out_rate_hz=RATE_HZ,
            chunk_ms=chunk_ms,
            lead_ms=lead_ms,
            link_ms=link_ms,
            has_flush=True,
            has_playback_ack=False,
            has_dtmf=True,
            has_transfer=True,
            has_hangup=True,
            confirms_hangup=confirms_hangup,
            messages_per_s=2 * 1000 // PACKET_MS,  # a packet, and a mark
        )
        self._ucid = ""
        self._is_open = False
        self._is_stopped = False
        self._is_ucid_refused = False
        self._other_starts = 0
        self._early: list[VendorEvent] = []
        self._early_ms = 0.0
        self._audio = PacketReader()
        self._packets = PacketWriter()

    def receive(self, message: WireMessage) -> list[VendorEvent]:
        """The events in one message, which may be a text or a binary frame.

        Audio before `start` waits for it; after two seconds of it the stream opens by itself. Nothing that follows
        `stop` is acted on.

        Raises:
            RemoteProtocolError: the message breaks the format; the call may go on unless there is a `close_code`.
        """
        text = text_of(message)
        heard = self._audio.read_familiar(text)
        if heard is not None:
            return heard
        fields = read_json_object(text)
        event = fields.get("event")
        if not isinstance(event, str):
            return self._receive_command(fields)
        if self._is_stopped:
            return [Ignored("after_stop", shown(event))]
        if event == "media":
            return self._receive_dtmf(fields) if fields.get("type") == "dtmf" else self._receive_media(fields, text)
        if event == "start":
            return self._receive_start(fields)
        if event == "stop":
            return self._receive_stop(fields)
        if event == "mark":
            return self._receive_mark(fields)
        return [Ignored("unknown_event", shown(event))]

    def send(self, command: VendorCommand) -> list[WireMessage]:
        """The messages for one command; none for audio before the vendor's `start`, which nobody would hear.

        Raises:
            LocalProtocolError: audio that is not whole samples, a file that is no PCM16 8 kHz mono WAV or longer than
                the vendor's queue, or a transfer to what is no phone number.
        """
        match command:
            case PlayAudio():
                return [*self._packets.play(command, self._ucid)] if self._is_open else []
            case EndUtterance(item_id=item_id):
                return [*self._packets.finish(item_id)]
            case PlayFile(wav=wav, is_queued=is_queued):
                return self._play_file(wav, is_queued=is_queued)
            case Flush():
                self._packets.drop()
                return [f'{{"command":"clearBuffer","sessionId":"{self._ucid}"}}'] if self._is_open else []
            case Transfer(targets=targets):
                # The vendor asks over HTTP where to, once the stream has ended.
                if not is_dialable(targets[0].number):
                    raise LocalProtocolError("a call can be transferred to a number of 2 to 15 digits only")
                return [_DISCONNECT]
            case Hangup():
                return [_DISCONNECT]
            case ReportError():
                return ['{"event":"error","code":"bad_ucid"}'] if self._is_ucid_refused else []
            case _:
                assert_never(command)

    def _receive_start(self, fields: dict[str, Any]) -> list[VendorEvent]:
        ucid = fields.get("ucid")
        if self._is_open:
            return self._receive_other_start(ucid)
        if not is_ucid(ucid):
            raise self._bad_ucid()
        parameters = read_x_headers(fields.get("x_headers"))
        events: list[VendorEvent] = [] if parameters is not None else [Ignored("bad_x_headers")]
        opened = Opened(
            vendor_call_id=ucid,
            tenant=short_text(fields.get("x_account")),
            parameters=parameters or {},
            # So named by the vendor: `call_id` is the caller's number, `did` the one that was called. Its E.164 form is
            # told over HTTP only, and comes back in the headers that we ask for.
            customer_number=short_text((parameters or {}).get("cid_e164")) or short_text(fields.get("call_id")),
            own_number=short_text(fields.get("did")),
            is_outbound="outbound_sid" in (parameters or {}),
        )
        return events + self._open(opened)

    def _receive_other_start(self, ucid: object) -> list[VendorEvent]:
        if ucid == self._ucid:
            return [Ignored("repeated_start")]
        self._other_starts += 1
        raise RemoteProtocolError(
            "other_start",
            "the stream has begun with another ucid",
            close_code=CLOSE_OTHER_START if self._other_starts >= MAX_OTHER_STARTS else None,
        )

    def _open(self, opened: Opened) -> list[VendorEvent]:
        early, self._early = self._early, []
        self._ucid = opened.vendor_call_id
        self._is_open = True
        return [opened, *early]

    def _bad_ucid(self) -> RemoteProtocolError:
        self._is_ucid_refused = True
        return RemoteProtocolError(
            "bad_ucid",
            f"a stream must begin with a `ucid` of 1 to {MAX_UCID_CHARS} letters, digits and ._:@+-",
            close_code=CLOSE_BAD_START,
        )

    def _receive_media(self, fields: dict[str, Any], text: str) -> list[VendorEvent]:
        data = fields.get("data")
        if not isinstance(data, dict):
            raise RemoteProtocolError("no_data", "a media message must have a `data` object")
        events = self._audio.read(data)
        if not self._is_open:
            return self._hear_early(events, fields.get("ucid"))
        if fields.get("ucid") != self._ucid:
            events.append(Ignored("other_ucid"))
        if not any(isinstance(event, Ignored) for event in events):
            self._audio.remember(text, data)
        return events

    def _hear_early(self, events: list[VendorEvent], ucid: object) -> list[VendorEvent]:
        """Keep audio that came before `start`; two seconds of it are taken for a `start` that was lost."""
        for event in events:
            if isinstance(event, AudioReceived):
                self._early.append(event)
                self._early_ms += len(event.pcm) * 1000 / (PCM16_SAMPLE_BYTES * event.rate_hz)
        if self._early_ms < MAX_EARLY_MS:
            return [Ignored("early_media")]
        if not is_ucid(ucid):
            self._early.clear()
            raise self._bad_ucid()
        return self._open(Opened(ucid))

    def _receive_dtmf(self, fields: dict[str, Any]) -> list[VendorEvent]:
        signal = fields.get("signal")
        digit = signal.upper() if isinstance(signal, str) else ""
        if digit not in _KEYS:
            raise RemoteProtocolError("bad_signal", "a key press must have a `signal` that is one key")
        return [DtmfReceived(digit)] if self._is_open else [Ignored("early_dtmf")]

    def _receive_mark(self, fields: dict[str, Any]) -> list[VendorEvent]:
        played = self._packets.played(fields.get("seqid"))
        return [Ignored("unknown_mark")] if played is None else [PlaybackAcknowledged(*played)]

    def _receive_stop(self, fields: dict[str, Any]) -> list[VendorEvent]:
        cause = fields.get("cause")
        # The guide's own test script stops with another ucid than it starts with; one socket is one call.
        is_other = self._is_open and fields.get("ucid", self._ucid) != self._ucid
        events: list[VendorEvent] = [Ignored("other_ucid")] if is_other else []
        return events + self._end(str(cause) if isinstance(cause, str | int) else "")

    def _receive_command(self, fields: dict[str, Any]) -> list[VendorEvent]:
        """Our own commands coming back: one implementation has the vendor say them."""
        command = fields.get("command")
        if not isinstance(command, str):
            raise RemoteProtocolError("no_event", "a message must have an `event` that is a string")
        if self._is_stopped:
            return [Ignored("after_stop", shown(command))]
        return self._end(command) if command == "callDisconnect" else [Ignored("unknown_command", shown(command))]

    def _end(self, reason: str) -> list[VendorEvent]:
        self._is_stopped = True
        self._audio.forget()
        rest = self._audio.rest() if self._is_open else []
        return [*rest, Closed(shown(reason))]

    def _play_file(self, wav: bytes, *, is_queued: bool) -> list[WireMessage]:
        pcm = samples_of_file(wav)
        if not self._is_open:
            return []
        messages = [] if is_queued else self.send(Flush())
        messages += self._packets.play(PlayAudio(pcm), self._ucid)
        messages += self._packets.finish("")
        return messages


def make_ucid_codec(_: Handshake, options: Mapping[str, Any]) -> UcidServerCodec:
    """The codec of one call. `sip_number`, the number that KooKoo is told to connect, must be one; it is not its own.

    Raises:
        LocalProtocolError: an option cannot be used.
    """
    if not is_dialable(options.get("sip_number", "00")):
        raise LocalProtocolError("sip_number must have 2 to 15 digits")
    return UcidServerCodec(**{name: value for name, value in options.items() if name != "sip_number"})


@dataclass(frozen=True, slots=True)
class PacketAction:
    """We were told to play 10 ms of audio; `is_repeated` where its `seqid` was seen before, so that it is dropped."""

    pcm: bytes
    seqid: str
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class ClearAction:
    """We were told to drop what is queued; the answer is a mark."""


@dataclass(frozen=True, slots=True)
class DisconnectAction:
    """We were told to end the stream; `cause` is None where it is not told or no number."""

    cause: int | None


@dataclass(frozen=True, slots=True)
class ErrorAction:
    """We were told what was wrong with our messages."""

    code: str


@dataclass(frozen=True, slots=True)
class UnknownAction:
    """A message that no page names."""

    name: str


UcidAction: TypeAlias = PacketAction | ClearAction | DisconnectAction | ErrorAction | UnknownAction


class UcidClientCodec:
    """One stream as the vendor sees it: builds its messages and reads ours."""

    def __init__(self, ucid: str) -> None:
        self._ucid = ucid
        self._seen: OrderedDict[str, None] = OrderedDict()

    def start(
        self, *, did: str = "", call_id: str = "", x_headers: Mapping[str, str] | None = None, x_account: str = ""
    ) -> WireMessage:
        """The message that opens the stream: `did` is the number called, `call_id` the caller's."""
        more: dict[str, Any] = {"did": did, "call_id": call_id, "x_account": x_account}
        if x_headers is not None:
            more["x_headers"] = orjson.dumps(x_headers).decode()
        return self._message("start", "text", **{name: value for name, value in more.items() if value})

    def media(self, pcm: bytes, *, rate_hz: int = RATE_HZ, channels: int = 1) -> WireMessage:
        """Audio of the caller, interleaved where there are two channels."""
        samples = np.frombuffer(pcm, "<i2")
        data = {
            "samples": samples,
            "bitsPerSample": 16,
            "sampleRate": rate_hz,
            "channelCount": channels,
            "numberOfFrames": len(samples) // channels,
            "type": "data",
        }
        return self._message("media", "media", data=data)

    def dtmf(self, signal: str) -> WireMessage:
        """One key press."""
        return self._message("media", "dtmf", signal=signal)

    def mark(self, seqid: str, timestamp_ms: int) -> WireMessage:
        """The packet `seqid` was played; `timestamp_ms` is epoch milliseconds."""
        return self._message("mark", "ack", seqid=seqid, timestamp=timestamp_ms)

    def stop(self, cause: int | None = None) -> WireMessage:
        """The message that ends the stream."""
        return self._message("stop", "text", **({} if cause is None else {"cause": cause}))

    def receive(self, message: WireMessage) -> UcidAction:
        """The action in one message of ours.

        Raises:
            RemoteProtocolError: the message breaks the format.
        """
        fields = read_json_object(message)
        if fields.get("event") == "media":
            return self._receive_packet(fields)
        if fields.get("event") == "error":
            return ErrorAction(str(fields.get("code")))
        if fields.get("command") == "clearBuffer":
            return ClearAction()
        if fields.get("command") == "callDisconnect":
            cause = fields.get("causeCode")
            return DisconnectAction(cause if type(cause) is int else None)
        return UnknownAction(shown(str(fields.get("event", fields.get("command")))))

    def _receive_packet(self, fields: dict[str, Any]) -> PacketAction:
        data, seqid = fields.get("data"), fields.get("seqid")
        if not isinstance(data, dict) or not isinstance(seqid, str):
            raise RemoteProtocolError("bad_packet", "a packet must have a `data` object and a `seqid`")
        pcm, clipped = read_samples(data.get("samples"))
        if len(pcm) != PACKET_BYTES or clipped:
            raise RemoteProtocolError("bad_packet", "a packet must hold exactly 80 samples of 16 bits")
        is_repeated = seqid in self._seen
        self._seen[seqid] = None
        if len(self._seen) > DEDUPLICATED_PACKETS:
            self._seen.popitem(last=False)
        return PacketAction(pcm, seqid, is_repeated)

    def _message(self, event: str, kind: str, **parts: Any) -> str:
        message = {"event": event, "type": kind, "ucid": self._ucid, **parts}
        return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY).decode()
