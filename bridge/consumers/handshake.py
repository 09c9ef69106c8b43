"""What a switch's handshake must look like, judged before any database work. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from telephony.protocols.events import Handshake
from telephony.protocols.registry import Pass

# Source: reliability C.4, the PSR socket's query.
MAX_QUERY_BYTES: Final = 8 * 1024
MAX_QUERY_PARAMETERS: Final = 64
MAX_CALL_ID_CHARS: Final = 128
_CALL_ID: Final = re.compile(r"[A-Za-z0-9._:@+-]+")

KEY_PARAMETER: Final = "token"
# A key has 256 random bits; what is shorter was not made by us.
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32,128}")

BAD_TOKENS_PER_MINUTE: Final = 20
MAX_REMEMBERED_PEERS: Final = 10_000

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """No call: the HTTP status and a short stable code."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class PsrQuery:
    """The query of a PSR socket; everything but `call_id` and `tenant` is untrusted metadata."""

    call_id: str
    tenant: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeyedHandshake:
    """The opening of an inbound vendor's socket, and the key it brought."""

    key: str
    handshake: Handshake


def read_psr_query(raw: bytes, headers: Headers) -> PsrQuery | Refusal:
    """The query of a PSR socket, or why it is refused."""
    pairs = _read_query(raw, headers)
    if isinstance(pairs, Refusal):
        return pairs
    call_ids = [value for name, value in pairs if name == "call_id"]
    if len(call_ids) != 1:
        return Refusal(400, "call_id_missing" if not call_ids else "call_id_twice")
    if len(call_ids[0]) > MAX_CALL_ID_CHARS or not _CALL_ID.fullmatch(call_ids[0]):
        return Refusal(400, "call_id_malformed")
    tenants = [value for name, value in pairs if name == "tenant"]
    if len(tenants) > 1:
        return Refusal(400, "tenant_twice")
    parameters = {name: value for name, value in pairs if name not in ("call_id", "tenant")}
    return PsrQuery(call_ids[0], "".join(tenants), parameters)


def read_keyed_handshake(
    admission: Pass, path: Mapping[str, str], raw: bytes, headers: Headers
) -> KeyedHandshake | Refusal:
    """The opening of an inbound vendor's socket with its key, or why it is refused; `path` holds the route's groups."""
    pairs = _read_query(raw, headers)
    if isinstance(pairs, Refusal):
        return pairs
    variables, query = dict(path), dict(pairs)
    if admission is Pass.KEY_IN_PATH:
        keys = [variables.pop("key", "")]
    else:
        keys = [value for name, value in pairs if name == KEY_PARAMETER]
        query.pop(KEY_PARAMETER, None)
    if len(keys) != 1 or not keys[0]:
        return Refusal(400, "key_twice") if len(keys) > 1 else Refusal(401, "key_missing")
    if not _KEY.fullmatch(keys[0]):
        return Refusal(401, "key_unknown")
    return KeyedHandshake(keys[0], Handshake(path=variables, query=query))


def _read_query(raw: bytes, headers: Headers) -> list[tuple[str, str]] | Refusal:
    """The query's pairs. A switch is no browser: an Origin header is refused."""
    if any(name == b"origin" for name, _ in headers):
        return Refusal(403, "origin_not_allowed")
    if len(raw) > MAX_QUERY_BYTES:
        return Refusal(400, "query_too_long")
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS, errors="strict"
        )
    except ValueError:
        return Refusal(400, "query_malformed")


class BadTokenLimiter:
    """Refuses a peer that brought too many bad tokens within a minute. The least recent peers are forgotten first."""

    def __init__(self) -> None:
        self._peers: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_blocked(self, peer: str, now_s: float) -> bool:
        """Whether this peer has used up its minute."""
        since_s, count = self._peers.get(peer, (now_s, 0))
        return now_s - since_s < 60 and count >= BAD_TOKENS_PER_MINUTE

    def was_bad(self, peer: str, now_s: float) -> None:
        """Count a bad token."""
        since_s, count = self._peers.get(peer, (now_s, 0))
        if now_s - since_s >= 60:
            since_s, count = now_s, 0
        self._peers[peer] = (since_s, count + 1)
        self._peers.move_to_end(peer)
        while len(self._peers) > MAX_REMEMBERED_PEERS:
            self._peers.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Second:
    since_s: float
    count: int


class LineLimiter:
    """Lets one line a second through, which then tells how many were held back before it."""

    def __init__(self) -> None:
        self._second = _Second(float("-inf"), 0)

    def held_back(self, now_s: float) -> int | None:
        """How many lines were held back since the last one; None: hold this one back too."""
        if now_s - self._second.since_s < 1:
            self._second = replace(self._second, count=self._second.count + 1)
            return None
        count, self._second = self._second.count, _Second(now_s, 0)
        return count
