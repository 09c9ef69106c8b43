"""What is said to PSR's create-stream API, and the addresses it is said to. Pure: nothing is sent from here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from telephony.errors import LocalProtocolError
from telephony.protocols.events import Channel
from telephony.protocols.wav import WavFormatError, read_wav_header

# Source: vendor-docs/psr-3-create-stream.
CREATE_STREAM_PATH = "/psr/v1/call/stream"
RECORDING_PATH = "/psr/v1/call/record"

MAX_URL_CHARS = 2048
MAX_PARAMETERS = 32
MAX_PARAMETER_BYTES = 2048
MAX_AUDIO_FILE_BYTES = 10 * 1024 * 1024
AUDIO_RATE_HZ = 8000

_DESTINATION = re.compile(r"\+?[0-9]{9,15}")
_EXTENSION = re.compile(r"[0-9]{2,6}")
_PARAMETER_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_BOUNDARY = re.compile(r"[A-Za-z0-9]{16,70}")
_VISIBLE_ASCII = re.compile(r"[!-~]+")


class PsrApp(StrEnum):
    """Who is rung first. PSR's own default is `dial`, so the request always says which."""

    BOT = "bot"
    DIAL = "dial"


class DialFormat(StrEnum):
    """How a trunk wants the destination written."""

    NATIONAL = "national"
    E164 = "e164"


@dataclass(frozen=True, slots=True)
class AudioFile:
    """The opening WAV that PSR plays after answer: PCM16 8 kHz, mono or stereo."""

    name: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what PSR cannot play, before anybody is called.

        Raises:
            LocalProtocolError: the name or the file cannot be sent.
        """
        if not _FILE_NAME.fullmatch(self.name):
            raise LocalProtocolError("an audio file's name may have letters, digits, dots, dashes and underscores")
        if len(self.content) > MAX_AUDIO_FILE_BYTES:
            raise LocalProtocolError(f"an audio file may have at most {MAX_AUDIO_FILE_BYTES // 1024**2} MiB")
        try:
            header = read_wav_header(self.content)
        except WavFormatError as error:
            raise LocalProtocolError(f"the audio file cannot be played: {error}") from None
        if not (header.is_pcm16 and header.rate_hz == AUDIO_RATE_HZ and header.channels in (1, 2)):
            raise LocalProtocolError(f"the audio file must be a PCM16 WAV at {AUDIO_RATE_HZ} Hz, mono or stereo")


@dataclass(frozen=True, slots=True)
class CreateStreamRequest:
    """One call for PSR to place. What it was built with is valid; its repr shows nothing secret or personal.

    `url` is where PSR connects for this call (it carries the call's token), `destination` is written as the trunk
    wants it (`render_destination`), `extension` is rung first and only for `dial`, and `audio_file` is played after
    answer for a `bot` that is not silent.
    """

    url: str = field(repr=False)
    destination: str = field(repr=False)
    app: PsrApp
    channel: Channel
    extension: str = ""
    is_silence: bool = True
    audio_file: AudioFile | None = None
    parameter: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse what must not reach PSR.

        Raises:
            LocalProtocolError: a part is missing, misplaced or malformed; the text names it.
        """
        _check_stream_url(self.url)
        if not _DESTINATION.fullmatch(self.destination):
            raise LocalProtocolError("destination must be 9 to 15 digits, with or without a leading +")
        _check_app(self)
        _check_parameter(self.parameter)

    def form_fields(self) -> dict[str, str]:
        """The text parts in the order they are sent; `parameter` is ASCII-escaped JSON."""
        fields = {
            "url": self.url,
            "destination": self.destination,
            "app": self.app.value,
            "channel": self.channel.value,
        }
        if self.app is PsrApp.DIAL:
            fields["extension"] = self.extension
        fields["is_silence"] = "true" if self.is_silence else "false"
        fields["parameter"] = encode_parameter(self.parameter)
        return fields

    def multipart_body(self, boundary: str) -> bytes:
        """The body for `Content-Type: multipart/form-data; boundary=<boundary>`, the audio file last.

        `boundary` must be random, so that no part can contain it.

        Raises:
            LocalProtocolError: the boundary is not 16 to 70 letters and digits, or stands in a part.
        """
        if not _BOUNDARY.fullmatch(boundary):
            raise LocalProtocolError("a boundary must be 16 to 70 letters and digits")
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode("ascii")
            for name, value in self.form_fields().items()
        ]
        if self.audio_file is not None:
            head = (
                f'Content-Disposition: form-data; name="audio_file"; filename="{self.audio_file.name}"\r\n'
                "Content-Type: audio/wav\r\n\r\n"
            )
            parts.append(head.encode("ascii") + self.audio_file.content)
        delimiter = b"--" + boundary.encode("ascii")
        if any(delimiter in part for part in parts):
            raise LocalProtocolError("the boundary stands in a part; draw another")
        return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in parts) + delimiter + b"--\r\n"


def encode_parameter(parameter: Mapping[str, str]) -> str:
    """`parameter` as compact JSON in which every character outside ASCII is escaped."""
    return json.dumps(dict(parameter), ensure_ascii=True, separators=(",", ":"))


def render_destination(e164: str, dial_format: DialFormat, country_code: str = "84") -> str:
    """`e164` as a trunk in the country `country_code` wants it: `0899999999` or `+84899999999`.

    A number of another country has no national writing there and stays E.164.

    Raises:
        LocalProtocolError: `e164` is not an E.164 number.
    """
    if not _E164.fullmatch(e164):
        raise LocalProtocolError("a destination is rendered from an E.164 number, such as +84899999999")
    prefix = f"+{country_code}"
    if dial_format is DialFormat.NATIONAL and e164.startswith(prefix):
        return "0" + e164.removeprefix(prefix)
    return e164


def is_call_id(text: str) -> bool:
    """Whether `text` can be a call id of PSR's: it is put into URLs and file names."""
    return _CALL_ID.fullmatch(text) is not None


def check_base_url(base_url: str) -> str:
    """`base_url` without a slash at its end.

    Raises:
        LocalProtocolError: not an absolute http(s) URL, or one with credentials, a query or a fragment.
    """
    parts = _split_url(base_url, "the PSR base URL")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LocalProtocolError("the PSR base URL must be absolute, such as https://psr.example.com")
    if parts.username is not None or parts.query or parts.fragment:
        raise LocalProtocolError("the PSR base URL must have no credentials, query or fragment")
    return base_url.rstrip("/")


def check_token(token: str) -> str:
    """`token`, if it can stand in a header behind its scheme.

    Raises:
        LocalProtocolError: it is empty, or holds a space, a control character or one outside ASCII.
    """
    if not _VISIBLE_ASCII.fullmatch(token):
        raise LocalProtocolError("the PSR token must be ASCII without spaces and not empty")
    return token


def create_stream_url(base_url: str) -> str:
    """Where a create-stream request is posted to."""
    return check_base_url(base_url) + CREATE_STREAM_PATH


def recording_url(base_url: str, call_id: str, full: bool = False) -> str:
    """Where PSR keeps a call's recording; `full` asks for the one of the whole call.

    Raises:
        LocalProtocolError: `call_id` is not one (it comes from a peer and becomes part of a path).
    """
    if not is_call_id(call_id):
        raise LocalProtocolError("not a call id: expected 1 to 128 letters, digits, dots, dashes and underscores")
    return f"{check_base_url(base_url)}{RECORDING_PATH}/{'full_' if full else ''}{call_id}.wav"


def _split_url(url: str, what: str) -> SplitResult:
    if len(url) > MAX_URL_CHARS or not _VISIBLE_ASCII.fullmatch(url) or '"' in url or "\\" in url:
        raise LocalProtocolError(f"{what} must be plain ASCII without spaces, at most {MAX_URL_CHARS} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LocalProtocolError(f"{what} is not a URL") from None
    if port == 0:
        raise LocalProtocolError(f"{what} must not have port 0")
    return parts


def _check_stream_url(url: str) -> None:
    parts = _split_url(url, "url")
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise LocalProtocolError("url must be an absolute ws:// or wss:// address")
    if parts.username is not None or parts.fragment:
        raise LocalProtocolError("url must have no credentials and no fragment")


def _check_app(request: CreateStreamRequest) -> None:
    if request.app is PsrApp.DIAL:
        if not _EXTENSION.fullmatch(request.extension):
            raise LocalProtocolError("app dial needs an extension of 2 to 6 digits")
        if request.audio_file is not None:
            raise LocalProtocolError("an audio file is played only by app bot")
        return
    if request.extension:
        raise LocalProtocolError("an extension is used only by app dial")
    if request.is_silence and request.audio_file is not None:
        raise LocalProtocolError("PSR ignores the audio file while is_silence is true; choose one")
    if not request.is_silence and request.audio_file is None:
        raise LocalProtocolError("app bot needs an audio file unless is_silence is true")


def _check_parameter(parameter: Mapping[str, str]) -> None:
    if len(parameter) > MAX_PARAMETERS:
        raise LocalProtocolError(f"parameter may have at most {MAX_PARAMETERS} keys")
    for key, value in parameter.items():
        if not _PARAMETER_KEY.fullmatch(key):
            raise LocalProtocolError("a parameter key must be a letter, then up to 39 letters, digits or underscores")
        if not isinstance(value, str):
            raise LocalProtocolError(f"parameter {key} must be text")
    if len(encode_parameter(parameter)) > MAX_PARAMETER_BYTES:
        raise LocalProtocolError(
            f"parameter is longer than {MAX_PARAMETER_BYTES} bytes once escaped; each accented letter takes six or more"
        )
