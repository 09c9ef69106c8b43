"""Twilio Media Streams, both roles: ours (`TwilioServerCodec`) and Twilio's own (`TwilioClientCodec`, for tests).

Twilio connects to us, says `connected`, `start`, `media`, `dtmf`, `mark` and `stop`, and takes `media`, `mark` and
`clear`. Source: Twilio's page "Media Streams - WebSocket messages". What that page leaves open, and what was chosen,
stands in docs/reference/wire/twilio.md. This file is the example of docs/how-to/add-a-vendor.md.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias, assert_never

import orjson
import pybase64

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.g711 import Law, decode, encode
from telephony.protocols.events import (
    PCM16_SAMPLE_BYTES,
    AudioReceived,
    Capabilities,
    Closed,
    DtmfReceived,
    EndUtterance,
    Flush,
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
from telephony.protocols.pcm_payload import decode_base64
from telephony.protocols.repeats import Repeats
from telephony.protocols.strict_json import read_json_object, shown

RATE_HZ: Final = 8000
_BYTES_PER_MS: Final = RATE_HZ * PCM16_SAMPLE_BYTES // 1000
_MEDIA_FORMAT: Final = MappingProxyType({"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1})

CLOSE_BAD_START: Final = 4400
CLOSE_UNSUPPORTED_AUDIO: Final = 4415

_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DIGIT: Final = re.compile(r"[0-9*#A-D]")
# Of audio that has not come back as a mark yet: far more than any lead.
_MAX_OPEN_MARKS: Final = 1000
_MAX_PARAMETERS: Final = 32
_MAX_PARAMETER_CHARS: Final = 512


class TwilioServerCodec:
    """One bidirectional stream as we see it. Implements `events.VendorCodec`.

    Twilio has no message to hang up or to transfer: when the socket closes, it goes on with the TwiML that follows.
    """

    def __init__(self, *, chunk_ms: int = 100, lead_ms: int = 400, link_ms: int = 150) -> None:
        """See `events.Capabilities` for the three.

        Raises:
            LocalProtocolError: no audio in a message.
        """
        if chunk_ms < 1:
            raise LocalProtocolError("chunk_ms must be at least 1")
        self.capabilities = Capabilities(
            in_rate_hz=RATE_HZ,
            out_rate_hz=RATE_HZ,
            chunk_ms=chunk_ms,
            lead_ms=lead_ms,
            link_ms=link_ms,
            has_flush=True,
            has_playback_ack=True,
            has_dtmf=True,
            has_transfer=False,
            has_hangup=False,
            confirms_hangup=False,
        )
        self._stream_sid = ""
        self._call_sid = ""
        self._is_over = False
        self._marks: OrderedDict[int, tuple[str, int]] = OrderedDict()
        self._last_mark = 0
        self._last_cleared_mark = 0
        self._repeats = Repeats()

    def receive(self, message: WireMessage) -> list[VendorEvent]:
        """The events in one message of Twilio's. Nothing that follows `stop` is acted on.

        Raises:
            RemoteProtocolError: the message breaks the format; the call may go on unless the error has a close code.
        """
        fields = read_json_object(message)
        event = fields.get("event")
        if not isinstance(event, str):
            raise RemoteProtocolError("no_event", "a message must have an `event` that is a string")
        if self._is_over:
            return [Ignored("after_stop", shown(event))]
        if self._stream_sid and _named_stream(event, fields, self._stream_sid) != self._stream_sid:
            return self._other_stream(event, fields)
        match event:
            case "connected":
                return []
            case "start":
                return self._start(fields)
            case "media":
                return self._media(fields)
            case "dtmf":
                return self._dtmf(fields)
            case "mark":
                return self._mark(fields)
            case "stop":
                self._is_over = True
                return [Closed("stop")]
            case _:
                return [Ignored("unknown_event", shown(event))]

    def send(self, command: VendorCommand) -> list[WireMessage]:
        """Twilio's messages for one command; none for what the closing of the socket says.

        Raises:
            LocalProtocolError: the stream has not started, audio that is not whole samples, a transfer or a file.
        """
        match command:
            case PlayAudio():
                return self._play(command)
            case Flush():
                self._last_cleared_mark = self._last_mark
                return [f'{{"event":"clear","streamSid":"{self._stream_sid}"}}'] if self._stream_sid else []
            case EndUtterance() | Hangup() | ReportError():
                return []
            case Transfer():
                raise LocalProtocolError("Twilio transfers by the TwiML that follows the stream")
            case PlayFile():
                raise LocalProtocolError("Twilio plays streamed audio, not files")
            case _:
                assert_never(command)

    def _start(self, fields: dict[str, Any]) -> list[VendorEvent]:
        if self._stream_sid:
            return [Ignored("repeated_start")]
        start = _part(fields, "start")
        stream_sid = _sid(_named_stream("start", fields))
        call_sid = _sid(start.get("callSid"))
        if not stream_sid or not call_sid:
            raise RemoteProtocolError("bad_start", "start must have two sids", close_code=CLOSE_BAD_START)
        _check_format(start)
        self._stream_sid, self._call_sid = stream_sid, call_sid
        parameters = _parameters(start.get("customParameters"))
        opened = Opened(
            vendor_call_id=call_sid,
            tenant=_sid(start.get("accountSid")),
            parameters=parameters,
            customer_number=parameters.get("customer_number", ""),
            own_number=parameters.get("own_number", ""),
        )
        return [opened]

    def _other_stream(self, event: str, fields: dict[str, Any]) -> list[VendorEvent]:
        """A socket that replaces a lost one brings the same call in a stream of another name; else it is not for us."""
        stream_sid = _sid(_named_stream(event, fields))
        start = _part(fields, "start") if event == "start" else {}
        if not stream_sid or start.get("callSid") != self._call_sid:
            return [Ignored("another_stream", shown(event))]
        _check_format(start)
        self._stream_sid = stream_sid
        # The lost stream's marks will not come back; new ones are numbered on.
        self._marks.clear()
        self._repeats = Repeats()
        return [Ignored("stream_again")]

    def _media(self, fields: dict[str, Any]) -> list[VendorEvent]:
        if not self._stream_sid:
            return [Ignored("media_before_start")]
        media = _part(fields, "media")
        if media.get("track", "inbound") != "inbound":
            return [Ignored("another_track")]
        audio = decode(_payload(media), Law.MU)
        if not audio:
            return [Ignored("empty_media")]
        return [Ignored("repeated_message")] if self._is_repeated(fields, media) else [AudioReceived(audio, RATE_HZ)]

    def _dtmf(self, fields: dict[str, Any]) -> list[VendorEvent]:
        dtmf = _part(fields, "dtmf")
        digit = dtmf.get("digit")
        if not isinstance(digit, str) or not _DIGIT.fullmatch(digit):
            raise RemoteProtocolError("bad_digit", "dtmf.digit must be one of 0-9, *, # and A-D")
        return [Ignored("repeated_message")] if self._is_repeated(fields, dtmf) else [DtmfReceived(digit)]

    def _is_repeated(self, fields: dict[str, Any], part: dict[str, Any]) -> bool:
        """Whether a message of this number came a moment ago; a clone may number the audio alone, by `chunk`."""
        for kind, number in (("message", fields.get("sequenceNumber")), ("chunk", part.get("chunk"))):
            if isinstance(number, str | int):
                return self._repeats.has((kind, number))
        return False

    def _mark(self, fields: dict[str, Any]) -> list[VendorEvent]:
        name = _part(fields, "mark").get("name")
        # As long as its number: a text of a thousand digits is not even read as one.
        number = int(name) if isinstance(name, str) and re.fullmatch(r"[0-9]{1,9}", name) else 0
        if number not in self._marks:
            return [Ignored("unknown_mark")]
        item_id, heard_ms = self._marks.pop(number)
        return [PlaybackAcknowledged(item_id, heard_ms, was_played=number > self._last_cleared_mark)]

    def _play(self, audio: PlayAudio) -> list[WireMessage]:
        if not self._stream_sid:
            raise LocalProtocolError("a stream of Twilio's cannot be spoken to before it has started")
        if len(audio.pcm) % PCM16_SAMPLE_BYTES:
            raise LocalProtocolError("audio to play must hold whole PCM16 samples")
        if not audio.pcm:
            return []
        # A mark comes back once all audio before it was played, or at once when `clear` drops it.
        self._last_mark += 1
        self._marks[self._last_mark] = (audio.item_id, audio.offset_ms + len(audio.pcm) // _BYTES_PER_MS)
        if len(self._marks) > _MAX_OPEN_MARKS:
            self._marks.popitem(last=False)
        stream, payload = self._stream_sid, pybase64.b64encode_as_string(encode(audio.pcm, Law.MU))
        return [
            f'{{"event":"media","streamSid":"{stream}","media":{{"payload":"{payload}"}}}}',
            f'{{"event":"mark","streamSid":"{stream}","mark":{{"name":"{self._last_mark}"}}}}',
        ]


def _check_format(start: dict[str, Any]) -> None:
    """Raises RemoteProtocolError for other audio. Clones leave out what they take for granted, or say more."""
    told = start.get("mediaFormat", {})
    if not isinstance(told, dict) or any(told.get(name, value) != value for name, value in _MEDIA_FORMAT.items()):
        raise RemoteProtocolError(
            "unsupported_audio", "the stream must be mu-law, 8000 Hz, mono", close_code=CLOSE_UNSUPPORTED_AUDIO
        )


def _named_stream(event: str, fields: dict[str, Any], otherwise: str = "") -> object:
    """The `streamSid` that a message names; `start` may name it in its own part alone."""
    start = fields.get("start")
    inner = start.get("streamSid", otherwise) if event == "start" and isinstance(start, dict) else otherwise
    return fields.get("streamSid", inner)


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    part = fields.get(name)
    if not isinstance(part, dict):
        raise RemoteProtocolError(f"no_{shown(name)}", f"this message must have a `{name}` object")
    return part


def _sid(name: object) -> str:
    """An id of Twilio's; empty where it is none."""
    return name if isinstance(name, str) and _SID.fullmatch(name) else ""


def _payload(media: dict[str, Any]) -> bytes:
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise RemoteProtocolError("no_payload", "a media message must have a `media.payload` that is a string")
    return decode_base64(payload)


def _parameters(custom: Any) -> dict[str, str]:
    """What the TwiML says in `<Parameter>`s: the first few, and of those the short texts."""
    if not isinstance(custom, dict):
        return {}
    return {
        name: value
        for name, value in list(custom.items())[:_MAX_PARAMETERS]
        if isinstance(value, str) and len(name) + len(value) <= _MAX_PARAMETER_CHARS
    }


@dataclass(frozen=True, slots=True)
class MediaAction:
    """We were told to play PCM16 after what was sent before."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class MarkAction:
    """We were asked to return this mark once the audio before it was played, or dropped."""

    name: str


@dataclass(frozen=True, slots=True)
class ClearAction:
    """We were told to drop audio that waits, and to return its marks."""


@dataclass(frozen=True, slots=True)
class UnknownAction:
    """An event that Twilio's page does not name."""

    event: str


TwilioAction: TypeAlias = MediaAction | MarkAction | ClearAction | UnknownAction


class TwilioClientCodec:
    """One stream as Twilio sees it: builds its messages and reads ours. Twilio writes numbers as strings."""

    def __init__(self, stream_sid: str, call_sid: str) -> None:
        self._stream_sid = stream_sid
        self._call_sid = call_sid
        self._sequence = 0

    def connected(self) -> WireMessage:
        """The first message on a socket, before it is known which stream it is."""
        return '{"event":"connected","protocol":"Call","version":"1.0.0"}'

    def start(self, parameters: Mapping[str, str] | None = None) -> WireMessage:
        """The message that opens the stream, with the TwiML's `<Parameter>`s."""
        start = {
            "accountSid": "AC0",
            "streamSid": self._stream_sid,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "mediaFormat": dict(_MEDIA_FORMAT),
            "customParameters": dict(parameters or {}),
        }
        return self._message("start", start=start)

    def media(self, pcm: bytes, timestamp_ms: int = 0) -> WireMessage:
        """A piece of what the customer says, `timestamp_ms` after the stream began."""
        payload = pybase64.b64encode_as_string(encode(pcm, Law.MU))
        media = {"track": "inbound", "chunk": str(self._sequence), "timestamp": str(timestamp_ms), "payload": payload}
        return self._message("media", media=media)

    def dtmf(self, digit: str) -> WireMessage:
        """A key press."""
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def mark(self, name: str) -> WireMessage:
        """A mark that comes back."""
        return self._message("mark", mark={"name": name})

    def stop(self) -> WireMessage:
        """The message that ends the stream."""
        return self._message("stop", stop={"accountSid": "AC0", "callSid": self._call_sid})

    def receive(self, message: WireMessage) -> TwilioAction:
        """The action in one message of ours.

        Raises:
            RemoteProtocolError: the message breaks the format, or is for another stream.
        """
        fields = read_json_object(message)
        if fields.get("streamSid") != self._stream_sid:
            raise RemoteProtocolError("another_stream", "a message must have the `streamSid` of its stream")
        match fields.get("event"):
            case "media":
                return MediaAction(decode(_payload(_part(fields, "media")), Law.MU))
            case "mark":
                return MarkAction(str(_part(fields, "mark").get("name")))
            case "clear":
                return ClearAction()
            case event:
                return UnknownAction(shown(str(event)))

    def _message(self, event: str, **parts: Any) -> str:
        self._sequence += 1
        head = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self._stream_sid}
        return orjson.dumps({**head, **parts}).decode()
