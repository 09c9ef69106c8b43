"""What a switch's handshake must look like, judged before any database work. Pure."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

# Source: reliability C.4, the PSR socket's query.
MAX_QUERY_BYTES: Final = 8 * 1024
MAX_QUERY_PARAMETERS: Final = 64
MAX_CALL_ID_CHARS: Final = 128
_CALL_ID: Final = re.compile(r"[A-Za-z0-9._:@+-]+")

BAD_TOKENS_PER_MINUTE: Final = 20
MAX_REMEMBERED_PEERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """No call: the HTTP status and a short stable code."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class PsrQuery:
    """The query of a PSR socket; everything but `call_id` is untrusted metadata."""

    call_id: str
    parameters: Mapping[str, str]


def read_psr_query(raw: bytes, headers: Iterable[tuple[bytes, bytes]]) -> PsrQuery | Refusal:
    """The query of a handshake, or why it is refused. PSR is no browser: an Origin header is refused."""
    if any(name == b"origin" for name, _ in headers):
        return Refusal(403, "origin_not_allowed")
    if len(raw) > MAX_QUERY_BYTES:
        return Refusal(400, "query_too_long")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_QUERY_PARAMETERS, errors="strict"
        )
    except ValueError:
        return Refusal(400, "query_malformed")
    call_ids = [value for name, value in pairs if name == "call_id"]
    if len(call_ids) != 1:
        return Refusal(400, "call_id_missing" if not call_ids else "call_id_twice")
    if len(call_ids[0]) > MAX_CALL_ID_CHARS or not _CALL_ID.fullmatch(call_ids[0]):
        return Refusal(400, "call_id_malformed")
    return PsrQuery(call_ids[0], dict(pairs))


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
