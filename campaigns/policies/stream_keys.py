"""Keys of stream endpoints: made here, shown once, kept and looked up as a digest, so that no comparison takes time
that tells anything of them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

SCHEME: Final = "tls"
PREFIX_BYTES: Final = 4
SECRET_BYTES: Final = 32
KEY_MAX_CHARS: Final = 128

# SHA-256 of tokens that stand in public documents: whoever reads those could call. Source: the public page of the
# LiveCall gateway, "Hardcoded" token.
PUBLISHED_DIGESTS: Final = frozenset({"8f3125eafe76a06081974e9366700996d034dbce5a9439dc7fa8edb1cc500f1b"})


def new_key() -> str:
    """A new key of 256 random bits; its first `prefix_of` characters may be shown to recognise it."""
    return f"{SCHEME}_{secrets.token_hex(PREFIX_BYTES)}_{secrets.token_urlsafe(SECRET_BYTES)}"


def prefix_of(key: str) -> str:
    """The part of a key that is no secret."""
    return key[: len(SCHEME) + 1 + 2 * PREFIX_BYTES]


def digest(key: str) -> str:
    """SHA-256 of a key in hex. The key is 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def is_published(text: str) -> bool:
    """Whether this is a token that stands in a public document, and so keeps nobody out."""
    return digest(text) in PUBLISHED_DIGESTS
