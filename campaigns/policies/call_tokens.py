"""Call tokens: the signed, single-use pass by which a socket proves which attempt of ours it answers.

`b64url(payload) "." b64url(HMAC-SHA256(key, audience "|" payload))`; the payload is compact JSON and carries enough to
say which attempt it was even when the row is gone. Only `digest(token)` is ever stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from campaigns.errors import BadCallToken

VERSION = 1
# Binds the signature to its use: a MAC made with the same key for anything else is not a call token.
AUDIENCE = b"trunkline-psr-socket"
NONCE_BYTES = 12
KEY_MIN_BYTES = 16
TOKEN_MAX_CHARS = 512
DERIVED_KEY_ID = "s"
_DERIVATION_SALT = b"trunkline.call-tokens.v1"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One signing key. `secret` never shows in a repr."""

    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"TokenKey({self.key_id!r})"


@dataclass(frozen=True, slots=True)
class CallTokenClaims:
    """What a token says: the attempt, its contact, the how-many-eth call it is, and until when it is good.

    `extension` is the one rung first; empty for none.
    """

    attempt_id: UUID
    contact_id: int
    number: int
    expires_at: datetime
    extension: str = ""


def parse_keys(entries: Sequence[str], *, secret_key: str) -> tuple[TokenKey, ...]:
    """The signing keys of `KEY_ID:BASE64` entries; the first signs, all verify. Empty: one derived from `secret_key`.

    Raises:
        ValueError: an entry is not of that form, repeats an id or is shorter than 16 bytes.
    """
    if not entries:
        derived = hmac.digest(secret_key.encode(), _DERIVATION_SALT, hashlib.sha256)
        return (TokenKey(DERIVED_KEY_ID, derived),)
    keys: dict[str, TokenKey] = {}
    for position, entry in enumerate(entries, start=1):
        key_id, colon, encoded = entry.strip().partition(":")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            secret = b""
        if not (colon and key_id and key_id.isalnum()) or len(secret) < KEY_MIN_BYTES or key_id in keys:
            raise ValueError(
                f"Entry {position} of CALL_TOKEN_KEYS must be KEY_ID:BASE64 with an id of its own "
                f"and at least {KEY_MIN_BYTES} bytes."
            )
        keys[key_id] = TokenKey(key_id, secret)
    return tuple(keys.values())


def mint(claims: CallTokenClaims, *, keys: Sequence[TokenKey]) -> str:
    """A new token for one attempt, signed by the first key; two tokens for the same claims differ."""
    payload = json.dumps(
        {
            "v": VERSION,
            "k": keys[0].key_id,
            "a": claims.attempt_id.hex,
            "c": claims.contact_id,
            "n": claims.number,
            "e": int(claims.expires_at.timestamp()),
            "r": secrets.token_urlsafe(NONCE_BYTES),
            **({"x": claims.extension} if claims.extension else {}),
        },
        separators=(",", ":"),
    ).encode()
    return f"{_encode(payload)}.{_encode(_sign(payload, keys[0]))}"


def verify(token: str, *, keys: Sequence[TokenKey], now: datetime) -> CallTokenClaims:
    """The claims of a genuine, unexpired token. Needs no database, so forgeries cost next to nothing.

    Raises:
        BadCallToken: with code `malformed`, `forged` or `expired`.
    """
    payload, signature = _split(token)
    # Nothing inside the payload is believed, not even its shape, before some key of ours vouches for it.
    if not any(hmac.compare_digest(signature, _sign(payload, key)) for key in keys):
        raise BadCallToken("forged")
    claims = _read_claims(json.loads(payload))
    if now >= claims.expires_at:
        raise BadCallToken("expired")
    return claims


def digest(token: str) -> str:
    """SHA-256 of a token in hex: what is stored and compared."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _split(token: str) -> tuple[bytes, bytes]:
    if len(token) > TOKEN_MAX_CHARS or not token.isascii() or token.count(".") != 1:
        raise BadCallToken("malformed")
    payload, signature = (_decode(part) for part in token.split("."))
    if _encode(payload) + "." + _encode(signature) != token:
        # One token has one spelling, or a copy with other padding bits would miss the stored digest.
        raise BadCallToken("malformed")
    return payload, signature


def _read_claims(payload: Any) -> CallTokenClaims:
    try:
        if payload["v"] != VERSION:
            raise BadCallToken("malformed")
        return CallTokenClaims(
            attempt_id=UUID(hex=str(payload["a"])),
            contact_id=int(payload["c"]),
            number=int(payload["n"]),
            expires_at=datetime.fromtimestamp(payload["e"], UTC),
            extension=str(payload.get("x", "")),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise BadCallToken("malformed") from None


def _sign(payload: bytes, key: TokenKey) -> bytes:
    return hmac.digest(key.secret, AUDIENCE + b"|" + payload, hashlib.sha256)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCallToken("malformed") from None
