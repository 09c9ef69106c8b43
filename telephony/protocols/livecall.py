"""LiveCall's stream messages, both roles: the gateway's (`LiveCallServerCodec`, ours) and its client's.

A client connects to the path of its call, says `initial_info` once, then `play_audio` and `disconnect`, and takes
`audio_output`, `signal` and `error`. Each message is an object with one key. Source: vendor-docs/livecall-gateway. What
that page leaves open, and what was chosen, stands in docs/reference/wire/livecall.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias, assert_never

import orjson

from telephony.errors import LocalProtocolError, RemoteProtocolError
from telephony.protocols.events import (
    PCM16_SAMPLE_BYTES,
    Capabilities,
    Closed,
    EndUtterance,
    Flush,
    Handshake,
    Hangup,
    Ignored,
    Opened,
    PlayAudio,
    PlayFile,
    ReportError,
    Transfer,
    TransferTarget,
    VendorCommand,
    VendorEvent,
    WireMessage,
)
from telephony.protocols.livecall_audio import IN_RATES_HZ, OUT_RATE_HZ, ClientAudio, audio_output, described
from telephony.protocols.pcm_payload import decode_base64
from telephony.protocols.strict_json import read_json_object, shown

CLOSE_BAD_START: Final = 4400
CLOSE_WRONG_WORKSPACE: Final = 4403
# By `has_kill_audio`: a client that cannot drop audio talks on for the lead when its customer interrupts.
LEAD_MS: Final = {True: 400, False: 200}

_MAX_FIELD_CHARS: Final = 128
_MAX_URL_BYTES: Final = 2048
_MAX_ERROR_CHARS: Final = 200
_IS_OUTBOUND: Final = MappingProxyType({"inbound": False, "outbound": True, "": False})
_CALL_ID: Final = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")
_NUMBER: Final = re.compile(r"\+?[1-9][0-9]{6,14}")
_OUR_FAULT: Final = 500
_THEIR_FAULT: Final = 400


class LiveCallServerCodec:
    """One client's stream as the gateway sees it. Implements `events.VendorCodec`."""

    def __init__(
        self,
        handshake: Handshake | None = None,
        *,
        workspace_id: str = "",
        has_kill_audio: bool = False,
        tells_audio_format: bool = False,
        in_rate_hz: int = 16_000,
        chunk_ms: int = 80,
        lead_ms: int | None = None,
        link_ms: int = 150,
    ) -> None:
        """The handshake's path names `call_id` and `customer_phone_number`; without one the client's word is taken.

        `workspace_id` is the only workspace let in, empty for any. `has_kill_audio` and `tells_audio_format` are for
        newer clients, which can drop queued audio and read the format next to it.

        Raises:
            LocalProtocolError: a rate nobody sends, or no audio in a message.
            RemoteProtocolError: a path with an id that is none, or with a number that is not E.164.
        """
        if in_rate_hz not in IN_RATES_HZ or chunk_ms < 1:
            raise LocalProtocolError(f"in_rate_hz must be one of {IN_RATES_HZ} and chunk_ms at least 1")
        self.capabilities = Capabilities(
            in_rate_hz=in_rate_hz,
            out_rate_hz=OUT_RATE_HZ,
            chunk_ms=chunk_ms,
            lead_ms=LEAD_MS[has_kill_audio] if lead_ms is None else lead_ms,
            link_ms=link_ms,
            has_flush=has_kill_audio,
            has_playback_ack=False,
            has_dtmf=False,
            has_transfer=True,
            has_hangup=True,
            takes_target_list=True,
            confirms_hangup=False,
        )
        self._call_id, self._number = _read_path(handshake.path if handshake is not None else {})
        self._workspace_id = workspace_id
        self._tells_audio_format = tells_audio_format
        self._chunk_bytes = chunk_ms * OUT_RATE_HZ // 1000 * PCM16_SAMPLE_BYTES
        self._audio = ClientAudio()
        self._is_open = False
        self._is_over = False
        # A message may say several things; they are heard in this order, so that a goodbye cuts nothing off.
        self._handlers: dict[str, Callable[[Any], list[VendorEvent]]] = {
            "initial_info": self._open,
            "play_audio": self._hear,
            "disconnect": self._disconnect,
        }

    def receive(self, message: WireMessage) -> list[VendorEvent]:
        """The events in one message of a client's. Nothing that follows `disconnect` is acted on.

        Raises:
            RemoteProtocolError: the message breaks the format; the call may go on unless the error has a close code.
        """
        if isinstance(message, bytes):
            return [Ignored("binary_frame")]
        events = None if self._is_over else self._audio.receive_familiar(message)
        if events is not None:
            return events
        fields = read_json_object(message)
        if not fields:
            raise RemoteProtocolError("empty_message", "a message must have one key that says what it is")
        if self._is_over:
            return [Ignored("after_disconnect", shown(next(iter(fields))))]
        events = []
        for name, handle in self._handlers.items():
            if name not in fields:
                continue
            try:
                events.extend(handle(fields[name]))
            except RemoteProtocolError as error:
                # A call that ends with a fault has still ended.
                if "disconnect" not in fields:
                    raise
                events.append(Ignored(error.code))
        unknown = [name for name in fields if name not in self._handlers]
        if unknown:
            events.append(Ignored("unknown_message", shown(unknown[0])))
        self._audio.remember(message, events)
        return events

    def send(self, command: VendorCommand) -> list[WireMessage]:
        """The gateway's messages for one command; none for a flush the client does not know.

        Raises:
            LocalProtocolError: audio that is not whole samples, or a file: LiveCall streams.
        """
        match command:
            case PlayAudio(pcm=pcm):
                return self._outputs(pcm)
            case EndUtterance():
                return []
            case Flush():
                return [self._signal("kill_audio")] if self.capabilities.has_flush else []
            case Transfer(targets=targets):
                staff = [{"name": target.name, "phone_number": target.number} for target in targets]
                return [self._signal("transfer_call", customer_phone_number=self._number, target_staff=staff)]
            case Hangup():
                return [self._signal("end_call")]
            case ReportError(detail=detail, is_ours=is_ours):
                code = _OUR_FAULT if is_ours else _THEIR_FAULT
                fault = {"error_code": code, "internal_error_code": code, "message": detail[:_MAX_ERROR_CHARS]}
                return [_message("error", fault)]
            case PlayFile():
                raise LocalProtocolError("a LiveCall client plays streamed audio, not files")
            case _:
                assert_never(command)

    def _open(self, info: Any) -> list[VendorEvent]:
        if self._is_open:
            return [Ignored("repeated_initial_info")]
        if not isinstance(info, dict):
            raise _bad_start("bad_initial_info", "initial_info must be an object")
        call_id, workspace_id, type_call, hotline = (
            _text(info, name) for name in ("call_id", "workspace_id", "type_call", "hotline")
        )
        number = self._agreed_number(_text(info, "customer_phone_number"))
        if type_call not in _IS_OUTBOUND:
            raise _bad_start("bad_type_call", "initial_info.type_call must be inbound or outbound")
        if self._workspace_id and workspace_id != self._workspace_id:
            raise RemoteProtocolError(
                "wrong_workspace", "this endpoint serves another workspace", close_code=CLOSE_WRONG_WORKSPACE
            )
        events: list[VendorEvent] = []
        if self._call_id and call_id not in ("", self._call_id):
            events.append(Ignored("call_id_differs", shown(call_id)))
        parameters, refused = _parameters(info)
        if refused is not None:
            events.append(refused)
        self._call_id = self._call_id or call_id
        self._number = number
        self._is_open = True
        opened = Opened(
            vendor_call_id=self._call_id,
            tenant=workspace_id,
            parameters=parameters,
            customer_number=number,
            own_number=hotline,
            is_outbound=_IS_OUTBOUND[type_call],
        )
        return [opened, *events]

    def _agreed_number(self, said: str) -> str:
        """The customer's number as the path has it, which the client must not contradict."""
        number = self._number or said
        if not _NUMBER.fullmatch(number):
            raise _bad_start("bad_number", "the customer's number must be E.164")
        if said and said.removeprefix("+") != number.removeprefix("+"):
            raise _bad_start("number_differs", "initial_info names another number than the path")
        return number

    def _hear(self, audio: Any) -> list[VendorEvent]:
        if not self._is_open:
            return [Ignored("audio_before_initial_info")]
        if not isinstance(audio, dict):
            raise RemoteProtocolError("no_payload", "play_audio must be an object")
        return self._audio.receive(audio)

    def _disconnect(self, _: Any) -> list[VendorEvent]:
        self._is_over = True
        return [Closed("disconnect")]

    def _outputs(self, pcm: bytes) -> list[WireMessage]:
        if len(pcm) % PCM16_SAMPLE_BYTES:
            raise LocalProtocolError("audio to play must hold whole PCM16 samples")
        pieces = [pcm[start : start + self._chunk_bytes] for start in range(0, len(pcm), self._chunk_bytes)]
        return [audio_output(piece, tells_format=self._tells_audio_format) for piece in pieces]

    def _signal(self, name: str, **details: Any) -> str:
        return _message("signal", {name: {"call_id": self._call_id, **details}})


def _read_path(path: Mapping[str, str]) -> tuple[str, str]:
    """The call's id and the customer's number, both empty where there is no path."""
    call_id, number = path.get("call_id", ""), path.get("customer_phone_number", "")
    if path and not _CALL_ID.fullmatch(call_id):
        raise _bad_start("bad_call_id", "the path must name the call")
    if path and not _NUMBER.fullmatch(number):
        raise _bad_start("bad_number", "the customer's number must be E.164")
    return call_id, number


def _text(info: dict[str, Any], name: str) -> str:
    """A field of `initial_info`, empty where it is missing or null."""
    text = info.get(name)
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > _MAX_FIELD_CHARS or not text.isprintable():
        raise _bad_start("bad_initial_info", f"initial_info.{name} must be a string of at most {_MAX_FIELD_CHARS}")
    return text


def _parameters(info: dict[str, Any]) -> tuple[dict[str, str], Ignored | None]:
    """What else the client tells. An address is text that somebody may read; nothing is ever fetched from it."""
    url = info.get("url_audio_file")
    if url is None or url == "":
        return {}, None
    if not isinstance(url, str) or len(url.encode()) > _MAX_URL_BYTES:
        return {}, Ignored("url_audio_file_refused")
    return {"url_audio_file": url}, None


def _bad_start(code: str, detail: str) -> RemoteProtocolError:
    return RemoteProtocolError(code, detail, close_code=CLOSE_BAD_START)


def _message(name: str, content: dict[str, Any]) -> str:
    return orjson.dumps({name: content}).decode()


@dataclass(frozen=True, slots=True)
class AudioOutput:
    """The gateway speaks: PCM16 mono."""

    pcm: bytes
    rate_hz: int


@dataclass(frozen=True, slots=True)
class EndCall:
    """The gateway wants the call ended."""


@dataclass(frozen=True, slots=True)
class KillAudio:
    """The gateway wants audio that waits to be played dropped."""


@dataclass(frozen=True, slots=True)
class TransferCall:
    """The gateway wants the customer handed to the first of these who takes the call."""

    targets: tuple[TransferTarget, ...]


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """The gateway cannot go on."""

    error_code: int
    message: str


@dataclass(frozen=True, slots=True)
class UnknownAnswer:
    """Something the page does not name, or that belongs to another call."""

    name: str


LiveCallAnswer: TypeAlias = AudioOutput | EndCall | KillAudio | TransferCall | GatewayFault | UnknownAnswer


class LiveCallClientCodec:
    """One stream as the client sees it: builds its messages and reads the gateway's."""

    def __init__(self, call_id: str, customer_number: str) -> None:
        self._call_id = call_id
        self._number = customer_number

    def initial_info(self, *, workspace_id: str = "", type_call: str = "inbound", hotline: str = "") -> WireMessage:
        """The message that opens the stream."""
        info = {
            "workspace_id": workspace_id,
            "call_id": self._call_id,
            "customer_phone_number": self._number,
            "type_call": type_call,
            "hotline": hotline,
        }
        return _message("initial_info", info)

    def play_audio(self, pcm: bytes, rate_hz: int = OUT_RATE_HZ, channels: int = 1) -> WireMessage:
        """A piece of what the customer says."""
        return _message("play_audio", described(pcm, rate_hz, channels))

    def disconnect(self) -> WireMessage:
        """The message that ends the stream."""
        return _message("disconnect", {})

    def receive(self, message: WireMessage) -> LiveCallAnswer:
        """What one message of the gateway's says; what it says to another call is unknown to this one.

        Raises:
            RemoteProtocolError: the message breaks the format of vendor-docs/livecall-gateway.
        """
        fields = read_json_object(message)
        if len(fields) != 1:
            raise RemoteProtocolError("not_one_key", "a message must have one key that says what it is")
        ((name, content),) = fields.items()
        read = self._signal if name == "signal" else _ANSWERS.get(name)
        if read is None:
            return UnknownAnswer(shown(name))
        if not isinstance(content, dict):
            raise RemoteProtocolError("not_an_object", f"{name} must be an object")
        return read(content)

    def _signal(self, signals: dict[str, Any]) -> LiveCallAnswer:
        if len(signals) != 1:
            raise RemoteProtocolError("not_one_key", "a signal must have one key that says what it is")
        ((name, details),) = signals.items()
        is_ours = isinstance(details, dict) and details.get("call_id") == self._call_id
        return _SIGNALS[name](details) if is_ours and name in _SIGNALS else UnknownAnswer(shown(name))


def _read_audio(content: dict[str, Any]) -> AudioOutput:
    payload, rate_hz = content.get("audio_content"), content.get("sample_rate", OUT_RATE_HZ)
    if not isinstance(payload, str) or not isinstance(rate_hz, int) or rate_hz not in IN_RATES_HZ:
        raise RemoteProtocolError("bad_audio", f"audio_output must have an audio_content, at one of {IN_RATES_HZ} Hz")
    return AudioOutput(decode_base64(payload), rate_hz)


def _read_fault(content: dict[str, Any]) -> GatewayFault:
    code, message = content.get("error_code"), content.get("message")
    if not isinstance(code, int) or not isinstance(message, str):
        raise RemoteProtocolError("bad_error", "error must have an error_code and a message")
    return GatewayFault(code, shown(message))


def _read_transfer(details: dict[str, Any]) -> TransferCall:
    staff = details.get("target_staff")
    if not isinstance(staff, list) or not staff or not all(isinstance(one, dict) for one in staff):
        raise RemoteProtocolError("no_staff", "transfer_call must have a target_staff that is a list of objects")
    targets = tuple(TransferTarget(one.get("phone_number", ""), one.get("name", "")) for one in staff)
    if not all(isinstance(text, str) for target in targets for text in (target.number, target.name)):
        raise RemoteProtocolError("no_staff", "target_staff must have names and phone numbers that are strings")
    return TransferCall(targets)


_ANSWERS: Final[dict[str, Callable[[dict[str, Any]], LiveCallAnswer]]] = {
    "audio_output": _read_audio,
    "error": _read_fault,
}
_SIGNALS: Final[dict[str, Callable[[dict[str, Any]], LiveCallAnswer]]] = {
    "end_call": lambda _: EndCall(),
    "kill_audio": lambda _: KillAudio(),
    "transfer_call": _read_transfer,
}
