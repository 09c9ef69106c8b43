"""Talks to PSR over HTTP: places a call with one POST, and fetches recordings.

What happened is returned as a value; nothing is retried, redirected or taken from the environment here.
"""

from __future__ import annotations

import functools
import os
import secrets
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

import httpx

from telephony.protocols.wav import WavFormatError, read_wav_header
from telephony.psr.answers import MAX_ANSWER_BYTES, AnswerKind, PsrAnswer, read_answer
from telephony.psr.deadline_transport import DeadlineTransport
from telephony.psr.payloads import CreateStreamRequest, check_base_url, check_token, create_stream_url, recording_url

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
RECORDING_TIMEOUT_S = 120.0
_HEADER_WINDOW_BYTES = 4096
_UNSENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout)


class AuthScheme(StrEnum):
    """The word before the token: the vendor's page says Bearer, its demos say Basic. Never tried in turn."""

    BEARER = "Bearer"
    BASIC = "Basic"


class RecordingKind(StrEnum):
    """What became of one attempt to fetch a recording."""

    SAVED = "saved"
    NOT_READY = "not_ready"
    """PSR does not have it (yet): 404 until the call has ended."""
    REFUSED = "refused"
    """PSR does not give it to us: credentials, a redirect, another clear no."""
    UNAVAILABLE = "unavailable"
    """PSR could not be reached or broke off."""
    TOO_LARGE = "too_large"
    NOT_AUDIO = "not_audio"
    """What came is not a whole WAV file."""


_RETRYABLE_RECORDINGS = frozenset({RecordingKind.NOT_READY, RecordingKind.UNAVAILABLE, RecordingKind.NOT_AUDIO})


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """One attempt to fetch a recording; `path` and `size_bytes` only where it was saved."""

    kind: RecordingKind
    path: Path | None = None
    size_bytes: int = 0
    status_code: int | None = None
    detail: str = ""

    @property
    def retryable(self) -> bool:
        """Whether a later attempt can do better."""
        return self.kind in _RETRYABLE_RECORDINGS


@functools.cache
def default_ssl_context() -> ssl.SSLContext:
    """The one TLS context of this process: building one costs 30 ms."""
    return httpx.create_ssl_context()


class PsrClient:
    """One trunk's PSR. Safe to share between threads; holds no connection between requests."""

    def __init__(
        self,
        base_url: str,
        token: str,
        auth_scheme: AuthScheme = AuthScheme.BEARER,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """`ssl_context` is for a private authority; None trusts the public ones.

        Raises:
            LocalProtocolError: the base URL or the token cannot be used.
        """
        check_token(token)
        self._base_url = check_base_url(base_url)
        self._total_timeout_s = total_timeout_s
        self._http = httpx.Client(
            transport=DeadlineTransport(ssl_context or default_ssl_context()),
            headers={
                "Authorization": f"{AuthScheme(auth_scheme).value} {token}",
                "Accept-Encoding": "identity",
                "Connection": "close",
                "User-Agent": "trunkline",
            },
            timeout=httpx.Timeout(total_timeout_s, connect=connect_timeout_s),
            follow_redirects=False,
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"PsrClient({self._base_url!r})"

    def create_stream(self, request: CreateStreamRequest, *, when_sent: Callable[[], None] | None = None) -> PsrAnswer:
        """What PSR answered to one POST, or how far it came.

        Blocks for `total_timeout_s` at most. `when_sent` is called once the whole request has been handed to the
        system and nothing is known of the answer. Give the answer to `classifier.classify`.
        """
        boundary = secrets.token_hex(16)
        try:
            with self._http.stream(
                "POST",
                create_stream_url(self._base_url),
                content=request.multipart_body(boundary),
                headers={"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "application/json"},
                extensions={"total_s": self._total_timeout_s, "when_sent": when_sent},
            ) as response:
                body = _read_bounded(response, MAX_ANSWER_BYTES)
        except _UNSENT_ERRORS as error:
            return PsrAnswer(AnswerKind.NOT_CONNECTED, detail=_named(error))
        except httpx.TransportError as error:
            return PsrAnswer(AnswerKind.INTERRUPTED, detail=_named(error))
        return read_answer(self._base_url, response.status_code, response.headers, body)

    def fetch_recording(
        self,
        call_id: str,
        full: bool,
        destination: Path,
        max_bytes: int,
        total_timeout_s: float = RECORDING_TIMEOUT_S,
    ) -> RecordingResult:
        """Save a call's recording as `destination`, which appears whole or not at all.

        The address is built here from `call_id`; the token goes nowhere but to the trunk's own host.

        Raises:
            LocalProtocolError: `call_id` is not one.
            OSError: the file cannot be written.
        """
        url = recording_url(self._base_url, call_id, full)
        with tempfile.NamedTemporaryFile(dir=destination.parent, prefix=".recording-", delete=False) as part:
            part_path = Path(part.name)
        try:
            result = self._download(url, part_path, max_bytes, total_timeout_s)
            if result.kind is RecordingKind.SAVED:
                part_path.replace(destination)
                return RecordingResult(RecordingKind.SAVED, destination, result.size_bytes, result.status_code)
            return result
        finally:
            part_path.unlink(missing_ok=True)

    def _download(self, url: str, part_path: Path, max_bytes: int, total_timeout_s: float) -> RecordingResult:
        size_bytes = 0
        try:
            with self._http.stream("GET", url, extensions={"total_s": total_timeout_s}) as response:
                status = response.status_code
                if status != HTTPStatus.OK:
                    return RecordingResult(_recording_kind(status), status_code=status)
                with part_path.open("wb") as part:
                    for piece in response.iter_raw():
                        size_bytes += len(piece)
                        if size_bytes > max_bytes:
                            detail = f"larger than {max_bytes} bytes"
                            return RecordingResult(RecordingKind.TOO_LARGE, status_code=status, detail=detail)
                        part.write(piece)
                    part.flush()
                    os.fsync(part.fileno())
        except httpx.TransportError as error:
            return RecordingResult(RecordingKind.UNAVAILABLE, detail=_named(error))
        fault = _wav_fault(part_path, size_bytes)
        if fault:
            return RecordingResult(RecordingKind.NOT_AUDIO, status_code=status, detail=fault)
        return RecordingResult(RecordingKind.SAVED, part_path, size_bytes, status)


def _read_bounded(response: httpx.Response, limit_bytes: int) -> bytes:
    """The body, or its first part that is longer than `limit_bytes`."""
    body = bytearray()
    for piece in response.iter_raw():
        body += piece
        if len(body) > limit_bytes:
            break
    return bytes(body)


def _recording_kind(status: int) -> RecordingKind:
    if status == HTTPStatus.NOT_FOUND:
        return RecordingKind.NOT_READY
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RecordingKind.UNAVAILABLE
    return RecordingKind.REFUSED


def _wav_fault(path: Path, size_bytes: int) -> str:
    """What is wrong with the WAV file at `path`; empty where it is whole."""
    with path.open("rb") as file:
        start = file.read(_HEADER_WINDOW_BYTES)
    try:
        header = read_wav_header(start)
    except WavFormatError as error:
        return str(error)
    if header.data_bytes is not None and header.data_start_bytes + header.data_bytes > size_bytes:
        return "the WAV file is shorter than its header says"
    return ""


def _named(error: httpx.TransportError) -> str:
    """The kind of a transport error; its text may quote what the peer sent."""
    return type(error).__name__
