"""POSTs to strangers: to a checked address, within a deadline, reading little. The only module with httpx here.

The name is resolved once; the connection goes to one of the addresses that passed, while Host, SNI and the certificate
stay the name's. A name that changes its address between the check and the connection therefore gains nothing.
Source: reliability.md E.9.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeAlias

import httpx

from campaigns.policies.safe_urls import SafeUrl, UnsafeUrl, check_addresses, parse_safe_url
from telephony.psr.deadline_transport import DeadlineTransport
from telephony.psr.name_lookup import look_up

CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
RESOLVE_TIMEOUT_S = 2.0
MAX_READ_BYTES = 64 * 1024
MAX_EXCERPT_BYTES = 2_048

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """How one POST went: `status_code` is None where no whole answer came, and `error` then says why.

    `headers` have lower-case names; `excerpt` is the beginning of the body.
    """

    duration_ms: int
    status_code: int | None = None
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    excerpt: str = ""


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Every address of a host, within two seconds.

    Raises:
        OSError, UnicodeError: there is none.
        TimeoutError: no answer in time.
    """
    return [str(address[0]) for *_, address in look_up(host, port, timeout_s=RESOLVE_TIMEOUT_S)]


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    exceptions: Collection[str] = (),
    resolve: Resolver = resolve_name,
    total_timeout_s: float = TOTAL_TIMEOUT_S,
    ssl_context: ssl.SSLContext | None = None,
) -> HttpAnswer:
    """POST once and say how it went. Follows no redirect, sends no cookie, uses no proxy, never raises for the peer.

    `exceptions` are the `host:port` entries that may be private (settings.WEBHOOK_ALLOW_PRIVATE);
    `ssl_context` is for a private authority, None trusts the public ones.
    """
    started_s = time.monotonic()
    try:
        safe = parse_safe_url(url, exceptions=exceptions)
        address = _address_of(safe, resolve)
    except UnsafeUrl as error:
        return HttpAnswer(_ms_since(started_s), error=f"refused, {error}")
    except (OSError, UnicodeError) as error:
        return HttpAnswer(_ms_since(started_s), error=f"not resolved: {type(error).__name__}")
    left_s = max(total_timeout_s - (time.monotonic() - started_s), 0.1)
    try:
        with _client(ssl_context or _public_authorities()).stream(
            "POST",
            f"{safe.scheme}://{address}:{safe.port}{safe.target}",
            content=body,
            headers={**headers, "Host": safe.host_header},
            timeout=httpx.Timeout(left_s, connect=CONNECT_TIMEOUT_S),
            extensions={"total_s": left_s, "sni_hostname": safe.host},
        ) as response:
            excerpt = _read_little(response)
    except httpx.HTTPError as error:
        # The text of the error may quote the peer; its kind is enough.
        return HttpAnswer(_ms_since(started_s), error=type(error).__name__)
    return HttpAnswer(
        _ms_since(started_s),
        status_code=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        excerpt=excerpt.decode("utf-8", "replace"),
    )


def _address_of(safe: SafeUrl, resolve: Resolver) -> str:
    found = resolve(safe.host, safe.port)
    if safe.is_excepted:
        if not found:
            raise UnsafeUrl("unresolved", "The host name has no address.")
        address = ip_address(found[0].partition("%")[0])
    else:
        # One is enough: a receiver that is half reachable is tried again anyway.
        address = check_addresses(found)[0]
    return f"[{address}]" if address.version == 6 else str(address)


def _read_little(response: httpx.Response) -> bytes:
    """The beginning of the body. Reads on to 64 KiB, so that a small answer is taken whole, and then hangs up."""
    taken = bytearray()
    for piece in response.iter_raw():
        taken += piece
        if len(taken) >= MAX_READ_BYTES:
            break
    return bytes(taken[:MAX_EXCERPT_BYTES])


def _ms_since(started_s: float) -> int:
    return round((time.monotonic() - started_s) * 1000)


@functools.cache
def _public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _client(ssl_context: ssl.SSLContext) -> httpx.Client:
    return httpx.Client(
        transport=DeadlineTransport(ssl_context),
        headers={"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "trunkline-webhooks"},
        follow_redirects=False,
        trust_env=False,
    )
