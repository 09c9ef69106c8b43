"""System checks of the PSR settings. Each has an id and a hint that says what to do; none prints a value."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from telephony.errors import LocalProtocolError
from telephony.protocols.events import Side
from telephony.protocols.psr import FlushMode, PsrServerCodec
from telephony.protocols.psr_chunks import ChunkCodec
from telephony.protocols.psr_mp3 import require_lame
from telephony.psr.client import AuthScheme
from telephony.psr.payloads import check_base_url, check_token

_CHOICES: tuple[tuple[str, type[StrEnum]], ...] = (
    ("PSR_AUTH_SCHEME", AuthScheme),
    ("PSR_CHUNK_CODEC", ChunkCodec),
    ("PSR_FLUSH", FlushMode),
    ("PSR_STEREO_CUSTOMER_SIDE", Side),
)
_MP3_CODECS = frozenset({ChunkCodec.MP3_INDEPENDENT, ChunkCodec.MP3_STREAM})


@register
def check_psr_address(**_: Any) -> list[CheckMessage]:
    """Whether PSR_BASE_URL and PSR_TOKEN, where they are set, can make a trunk."""
    base_url, token = settings.PSR_BASE_URL, settings.PSR_TOKEN
    if not base_url and not token:
        return []
    if not base_url or not token:
        return [
            Error(
                "Only one of PSR_BASE_URL and PSR_TOKEN is set.",
                hint="Set both, or neither to dial the bundled simulator only.",
                id="telephony.E001",
            )
        ]
    try:
        check_base_url(base_url)
    except LocalProtocolError as error:
        return [
            Error(
                f"PSR_BASE_URL cannot be used: {error}.",
                hint="Set it to the address of PSR's API without its path, for example https://psr.example.com.",
                id="telephony.E002",
            )
        ]
    try:
        check_token(token)
    except LocalProtocolError as error:
        return [
            Error(
                f"PSR_TOKEN cannot be used: {error}.",
                hint="Set it to the token alone; the word before it is PSR_AUTH_SCHEME.",
                id="telephony.E005",
            )
        ]
    parts = urlsplit(base_url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        return [
            Warning(
                "PSR_BASE_URL is http:// on another host: the token and the customers' numbers travel in the clear.",
                hint="Use https://.",
                id="telephony.W001",
            )
        ]
    return []


@register
def check_psr_choices(**_: Any) -> list[CheckMessage]:
    """Whether the PSR settings that take one word of a list do."""
    return [
        Error(
            f"{name} is not one of its values.",
            hint=f"Set it to one of: {', '.join(choices)}.",
            id="telephony.E003",
        )
        for name, choices in _CHOICES
        if getattr(settings, name) not in list(choices)
    ]


@register
def check_psr_chunk(**_: Any) -> list[CheckMessage]:
    """Whether a chunk of PSR_CHUNK_MS fits one message, and LAME is there where PSR_CHUNK_CODEC needs it."""
    if settings.PSR_CHUNK_CODEC in _MP3_CODECS:
        try:
            require_lame()
        except LocalProtocolError as error:
            return [
                Error(
                    f"PSR_CHUNK_CODEC cannot be used: {error}.",
                    hint="Run `pip install lameenc` (Trunkline's extra `mp3`), or set PSR_CHUNK_CODEC=pcm16.",
                    id="telephony.E006",
                )
            ]
    try:
        PsrServerCodec(chunk_ms=settings.PSR_CHUNK_MS)
    except LocalProtocolError as error:
        return [
            Error(
                f"PSR_CHUNK_MS cannot be used: {error}.",
                hint="0 takes what suits PSR_CHUNK_CODEC.",
                id="telephony.E004",
            )
        ]
    return []


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
