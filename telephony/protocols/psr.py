"""PSR's stream messages, both roles: ours (`PsrServerCodec`) and PSR's own (`PsrClientCodec`, for the simulator).

PSR connects to us, sends `connected`, `media` and `closed`, and takes the actions `chunk`, `media`, `transfer` and
`hangup`. Source: vendor-docs/psr-1-introduction (messages), vendor-docs/psr-2-actions (actions). What those pages
leave open, and what was chosen, stands in docs/reference/wire/psr.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, assert_never

import orjson
import pybase64

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    AudioReceived,
    Capabilities,
    Channel,
    Closed,
    EndUtterance,
    Flush,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlayFile,
    ReportError,
    Side,
    Transfer,
    VendorCommand,
    VendorEvent,
    WireMessage,
)
from telephony.protocols.familiar import MAX_SHAPES, FamiliarText, is_number
from telephony.protocols.pcm_payload import LegAudio, decode_base64, join_stereo
from telephony.protocols.psr_chunks import TIMING, ChunkCodec, ChunkFormat, ChunkSender
from telephony.protocols.psr_media import BYTES_PER_MS, RATE_HZ, MediaRepeats, file_action, file_actions
from telephony.protocols.strict_json import read_json_object, shown

MAX_EXTENSION_DIGITS = 6
# What changes from one media message to the next, in the order of PSR's pages.
_CHANGING_KEYS = ("timestamp", "payload")
_FLUSH_SILENCE_MS = 40
_EXTENSION = re.compile(rf"[0-9]{{2,{MAX_EXTENSION_DIGITS}}}")
_CHANNELS = {channel.value: channel for channel in Channel}


class FlushMode(StrEnum):
    """How to stop audio that PSR already holds; PSR documents no flush of its own."""

    NONE = "none"
    SILENCE_WAV = "silence_wav"
    """A short silent `media` file with `is_sync` false, which stops the file that is playing."""


class TransferSpelling(StrEnum):
    """The transfer event's name: the vendor's example and its table disagree."""

    TRANSFER = "transfer"
    TRANFER = "tranfer"


_TRANSFER_SPELLINGS = frozenset(spelling.value for spelling in TransferSpelling)


class PsrServerCodec:
    """One PSR stream as we see it. Implements `events.VendorCodec`."""

    def __init__(
        self,
        channel: Channel = Channel.MONO_A,
        customer_side: Side = Side.LEFT,
        flush_mode: FlushMode = FlushMode.NONE,
        *,
        chunk_codec: ChunkCodec = ChunkCodec.PCM16,
        chunk_ms: int | None = None,
        lead_ms: int | None = None,
        link_ms: int | None = None,
        transfer_spelling: TransferSpelling = TransferSpelling.TRANSFER,
    ) -> None:
        """`channel` is what was asked of PSR; the first valid channel that a message names replaces it for good.

        `chunk_ms`, `lead_ms` and `link_ms` are what suits the codec where they are None.

        Raises:
            LocalProtocolError: LAME is missing for `chunk_codec`, or a chunk of `chunk_ms` does not fit a message.
        """
        timing = TIMING[chunk_codec]
        chunk_ms = timing.chunk_ms if chunk_ms is None else chunk_ms
        self.capabilities = Capabilities(
            in_rate_hz=RATE_HZ,
            out_rate_hz=RATE_HZ,
            chunk_ms=chunk_ms,
            lead_ms=timing.lead_ms if lead_ms is None else lead_ms,
            link_ms=timing.link_ms if link_ms is None else link_ms,
            has_flush=flush_mode is FlushMode.SILENCE_WAV,
            has_playback_ack=False,
            has_dtmf=False,
            has_transfer=True,
            has_hangup=True,
        )
        self._chunks = ChunkSender(chunk_codec, chunk_ms)
        self._transfer_spelling = transfer_spelling
        self._customer_side = customer_side
        self._set_channel(channel)
        self._is_channel_frozen = False
        self._call_id = ""
        self._is_open = False
        self._has_connected = False
        self._is_closed = False
        self._repeats = MediaRepeats()
        self._familiar: FamiliarText | None = None
        self._shapes_left = MAX_SHAPES

    def receive(self, message: WireMessage) -> list[VendorEvent]:
        """The events in one message of PSR's.

        Media before `connected` opens the stream. Nothing that follows `closed` is acted on.

        Raises:
            RemoteProtocolError: the message breaks the format; the call may go on.
        """
        events = self._receive_familiar(message)
        if events is not None:
            return events
        fields = read_json_object(message)
        event = fields.get("event")
        if not isinstance(event, str):
            raise RemoteProtocolError("no_event", "a message must have an `event` that is a string")
        if self._is_closed:
            return [Ignored("after_closed", shown(event))]
        if event == "media":
            events = self._receive_media(fields)
            self._remember(message, fields, events)
            return events
        if event == "connected":
            return self._receive_connected(fields)
        if event == "closed":
            self._is_closed, self._familiar = True, None
            return [Closed()]
        return [Ignored("unknown_event", shown(event))]

    def send(self, command: VendorCommand) -> list[WireMessage]:
        """PSR's actions for one command; none for a flush that is switched off.

        Raises:
            LocalProtocolError: audio that is not whole samples or not a PCM16 8 kHz mono WAV, or an extension
                that is not 2 to 6 digits.
        """
        match command:
            case PlayAudio():
                return self._chunks.play(command)
            case EndUtterance(item_id=item_id):
                return self._chunks.end(item_id)
            case PlayFile(wav=wav, is_queued=is_queued):
                return file_actions(wav, is_queued)
            case Flush():
                if not self.capabilities.has_flush:
                    return []
                return [file_action(bytes(_FLUSH_SILENCE_MS * BYTES_PER_MS), is_sync=False)]
            case ReportError():
                return []
            case Transfer(targets=targets):
                extension = targets[0].number
                if not _EXTENSION.fullmatch(extension):
                    raise LocalProtocolError(f"an extension of PSR has 2 to {MAX_EXTENSION_DIGITS} digits")
                return [f'{{"event":"{self._transfer_spelling.value}","data":{{"extension":"{extension}"}}}}']
            case Hangup():
                return ['{"event":"hangup"}']
            case _:
                assert_never(command)

    def _receive_connected(self, fields: dict[str, Any]) -> list[VendorEvent]:
        if self._is_open:
            code = "repeated_connected" if self._has_connected else "late_connected"
            self._has_connected = True
            return [Ignored(code)]
        self._has_connected = True
        self._take_channel(_data_of(fields))
        return self._open(_data_of(fields))

    def _receive_familiar(self, message: WireMessage) -> list[VendorEvent] | None:
        """The events of a media message like one that was read before; None: it must be read in full."""
        if self._familiar is None or not isinstance(message, str):
            return None
        values = self._familiar.values_in(message)
        if values is None:
            return None
        timestamp, payload = values
        try:
            audio = pybase64.b64decode(payload, validate=True)
        except ValueError:
            return None
        if not audio or not is_number(timestamp):
            return None
        if self._repeats.has(int(timestamp), audio):
            return [Ignored("repeated_media")]
        return self._audio.receive(audio)

    def _remember(self, message: WireMessage, fields: dict[str, Any], events: list[VendorEvent]) -> None:
        """Read the next messages in short where this one was as usual: it had a date, audio, and nothing else."""
        has_audio = len(events) == 1 and isinstance(events[0], AudioReceived)
        is_usual = has_audio and isinstance(fields.get("timestamp"), int)
        if is_usual and self._shapes_left and isinstance(message, str):
            self._shapes_left -= 1
            self._familiar = FamiliarText.of(message, _CHANGING_KEYS)

    def _receive_media(self, fields: dict[str, Any]) -> list[VendorEvent]:
        media = fields.get("media")
        payload = media.get("payload") if isinstance(media, dict) else None
        if not isinstance(payload, str):
            raise RemoteProtocolError("no_payload", "a media message must have a `media.payload` that is a string")
        audio = decode_base64(payload)
        data = _data_of(fields)
        is_our_layout = self._take_channel(data)
        events = [] if self._is_open else self._open(data)
        if not is_our_layout:
            events.append(Ignored("channel_changed", shown(str(data.get("channel")))))
            return events
        call_id = data.get("call_id")
        if call_id != self._call_id and isinstance(call_id, str):
            events.append(Ignored("call_id_changed"))
        if not audio:
            events.append(Ignored("empty_media"))
            return events
        if self._repeats.has(fields.get("timestamp"), audio):
            events.append(Ignored("repeated_media"))
            return events
        events.extend(self._audio.receive(audio))
        return events

    def _open(self, data: dict[str, Any]) -> list[VendorEvent]:
        call_id = data.get("call_id")
        self._call_id = call_id if isinstance(call_id, str) else ""
        self._is_open = True
        return [Opened(self._call_id)]

    def _take_channel(self, data: dict[str, Any]) -> bool:
        """Whether audio of this message has our layout; freezes the first valid channel that is named."""
        named = data.get("channel")
        if named is None or named == self._channel_name:
            self._is_channel_frozen = self._is_channel_frozen or named is not None
            return True
        channel = _CHANNELS.get(named) if isinstance(named, str) else None
        if channel is None or self._is_channel_frozen:
            return False
        self._is_channel_frozen = True
        self._set_channel(channel)
        return True

    def _set_channel(self, channel: Channel) -> None:
        self._channel_name = channel.value
        self._audio = LegAudio(channel, self._customer_side, RATE_HZ)


def _data_of(fields: dict[str, Any]) -> dict[str, Any]:
    data = fields.get("data")
    return data if isinstance(data, dict) else {}


@dataclass(frozen=True, slots=True)
class ChunkAction:
    """We were told to play a piece of streamed audio; `audio` is in `chunk_format`."""

    audio: bytes
    chunk_format: ChunkFormat
    is_sync: bool


@dataclass(frozen=True, slots=True)
class FileAction:
    """We were told to play a WAV file, after the one playing (`is_sync`) or instead of it."""

    wav: bytes
    is_sync: bool


@dataclass(frozen=True, slots=True)
class TransferAction:
    """We were told to transfer; `is_misspelled` where the event was `tranfer`."""

    extension: str
    is_misspelled: bool


@dataclass(frozen=True, slots=True)
class HangupAction:
    """We were told to end the call."""


@dataclass(frozen=True, slots=True)
class UnknownAction:
    """An event that PSR's pages do not name."""

    event: str


PsrAction: TypeAlias = ChunkAction | FileAction | TransferAction | HangupAction | UnknownAction


class PsrClientCodec:
    """One PSR stream as PSR sees it: builds its messages and reads our actions."""

    def __init__(self, call_id: str, channel: Channel = Channel.MONO_A) -> None:
        self._data = {"call_id": call_id, "channel": channel.value}
        self._is_stereo = channel is Channel.STEREO

    def connected(self, timestamp_ms: int) -> WireMessage:
        """The message that opens the stream; `timestamp_ms` is epoch milliseconds, as in every message."""
        return self._message(timestamp_ms, "connected")

    def media(self, timestamp_ms: int, audio: bytes, other: bytes | None = None) -> WireMessage:
        """A piece of the call's audio, of any length.

        `audio` is sent as it is; with `other` (stereo only) the two are sent as left and right.

        Raises:
            LocalProtocolError: `other` is given for a mono stream, or the two do not fit together.
        """
        if other is not None:
            if not self._is_stereo:
                raise LocalProtocolError("a mono stream carries one leg only")
            audio = join_stereo(audio, other)
        return self._message(timestamp_ms, "media", media={"payload": pybase64.b64encode_as_string(audio)})

    def closed(self, timestamp_ms: int) -> WireMessage:
        """The message that ends the stream."""
        return self._message(timestamp_ms, "closed")

    def receive(self, message: WireMessage) -> PsrAction:
        """The action in one message of ours.

        Raises:
            RemoteProtocolError: the message breaks the format of vendor-docs/psr-2-actions.
        """
        fields = read_json_object(message)
        event = fields.get("event")
        if not isinstance(event, str):
            raise RemoteProtocolError("no_event", "an action must have an `event` that is a string")
        if event == "chunk":
            return _read_chunk(fields)
        if event == "media":
            media = _media_of(fields)
            return FileAction(wav=_payload_of(media), is_sync=_is_sync(media))
        if event in _TRANSFER_SPELLINGS:
            extension = _data_of(fields).get("extension")
            if not isinstance(extension, str) or not extension:
                raise RemoteProtocolError("no_extension", "a transfer must have a `data.extension` that is a string")
            return TransferAction(extension, is_misspelled=event == TransferSpelling.TRANFER)
        if event == "hangup":
            return HangupAction()
        return UnknownAction(shown(event))

    def _message(self, timestamp_ms: int, event: str, **parts: Any) -> str:
        return orjson.dumps({"timestamp": timestamp_ms, "event": event, **parts, "data": self._data}).decode()


def _read_chunk(fields: dict[str, Any]) -> ChunkAction:
    media = _media_of(fields)
    named = media.get("format", ChunkFormat.MP3.value)
    try:
        chunk_format = ChunkFormat(named)
    except ValueError:
        raise RemoteProtocolError("bad_format", "a chunk's `media.format` must be `mp3` or `pcm16`") from None
    return ChunkAction(_payload_of(media), chunk_format, is_sync=_is_sync(media))


def _media_of(fields: dict[str, Any]) -> dict[str, Any]:
    media = fields.get("media")
    if not isinstance(media, dict):
        raise RemoteProtocolError("no_media", "this action must have a `media` object")
    return media


def _payload_of(media: dict[str, Any]) -> bytes:
    payload = media.get("payload")
    if not isinstance(payload, str) or not payload:
        raise RemoteProtocolError("no_payload", "this action must have a `media.payload` that is a string")
    return decode_base64(payload)


def _is_sync(media: dict[str, Any]) -> bool:
    is_sync = media.get("is_sync", False)
    if not isinstance(is_sync, bool):
        raise RemoteProtocolError("bad_is_sync", "`media.is_sync` must be true or false")
    return is_sync
