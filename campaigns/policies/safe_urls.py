"""Which addresses of strangers the platform may call (webhooks): the URL by its form, the host by its addresses.

A URL is read once, here; what is then connected to is one of the addresses that were checked, never the name again.
Source: reliability.md E.9.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

MAX_URL_CHARS = 2048
ALLOWED_PORTS = frozenset({443, 8443})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_FORBIDDEN_CHARS = re.compile(r"[\x00-\x20\x7f-\x9f\\\s<>\"^`{|}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Names that only mean something inside a network.
_INNER_NAMES = frozenset({"localhost"})
_INNER_SUFFIXES = (
    ".localhost",
    ".local",
    ".internal",
    ".intranet",
    ".lan",
    ".home",
    ".corp",
    ".home.arpa",
    ".onion",
    ".test",
    ".example",
    ".invalid",
)
# What `is_global` of Python 3.11 lets through although it leads inside, or nowhere.
_EXTRA_IPV4 = (ipaddress.IPv4Network("192.88.99.0/24"),)
_EXTRA_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # local NAT64
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "fec0::/10",  # site-local
        "5f00::/16",  # segment routing
        "100::/64",  # discard
    )
)

IPAddress = IPv4Address | IPv6Address


class UnsafeUrl(ValueError):
    """A URL may not be called. `code` is stable, `detail` says what to change."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SafeUrl:
    """A URL whose form is harmless. `host` is ASCII, lower case, without brackets; `target` is path and query.

    `is_excepted` says that the installation's own settings allow this very host and port, whatever its addresses.
    """

    scheme: str
    host: str
    port: int
    target: str
    is_excepted: bool = False

    @property
    def host_header(self) -> str:
        """What the Host header says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"


def parse_safe_url(url: str, *, exceptions: Collection[str] = ()) -> SafeUrl:
    """The URL in its parts, if its form is one we call; its host's addresses are still to be checked.

    `exceptions` are exact `host:port` entries that may also be plain http, an IP address, an inner name, another port.

    Raises:
        UnsafeUrl: it may not be called; the reason is fit to be shown to whoever entered it.
    """
    if not 0 < len(url) <= MAX_URL_CHARS:
        raise UnsafeUrl("length", f"The URL must have 1 to {MAX_URL_CHARS} characters.")
    if _FORBIDDEN_CHARS.search(url):
        raise UnsafeUrl("characters", "Remove spaces, backslashes, control and invisible characters from the URL.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnsafeUrl("malformed", "The URL cannot be read; check host and port.") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise UnsafeUrl("scheme", "The URL must begin with https://")
    if "@" in parts.netloc:
        raise UnsafeUrl("credentials", "Remove the user name and password: requests are signed instead.")
    if "#" in url:
        raise UnsafeUrl("fragment", "Remove the part from # on: it is never sent.")
    if port == 0 or parts.netloc.endswith(":"):
        raise UnsafeUrl("port", "The port is missing or 0.")
    host = _ascii_host(parts.hostname or "")
    port = port or _DEFAULT_PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii():
        raise UnsafeUrl("characters", "Percent-encode what is not ASCII in the path and query.")
    is_excepted = _host_and_port(host, port) in {entry.strip().lower() for entry in exceptions}
    if not is_excepted:
        _check_public_form(parts.scheme, host, port)
    return SafeUrl(parts.scheme, host, port, target, is_excepted)


def check_addresses(addresses: Iterable[str]) -> tuple[IPAddress, ...]:
    """The addresses a name resolved to, if every one of them is public.

    Raises:
        UnsafeUrl: there is none, or one of them is not; one bad address condemns the name.
    """
    found = tuple(dict.fromkeys(ipaddress.ip_address(address.partition("%")[0]) for address in addresses))
    if not found:
        raise UnsafeUrl("unresolved", "The host name has no address.")
    for address in found:
        if not is_public_address(address):
            raise UnsafeUrl("address", "The host name leads to an address that is not public.")
    return found


def is_public_address(address: IPAddress) -> bool:
    """Whether packets to this address leave for the public internet and can come from nowhere inside."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is not None:
            return is_public_address(inner)
        if any(address in network for network in _EXTRA_IPV6) or address.is_site_local:
            return False
    elif any(address in network for network in _EXTRA_IPV4):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _check_public_form(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise UnsafeUrl("scheme", "The URL must begin with https://")
    if port not in ALLOWED_PORTS:
        allowed = " or ".join(str(allowed) for allowed in sorted(ALLOWED_PORTS))
        raise UnsafeUrl("port", f"The port must be {allowed}.")
    if _is_ip_literal(host):
        raise UnsafeUrl("ip_address", "Use a host name, not an IP address.")
    if host in _INNER_NAMES or host.endswith(_INNER_SUFFIXES) or "." not in host:
        raise UnsafeUrl("inner_name", "The host must be a public name, such as hooks.example.com.")
    if host.rpartition(".")[2].isdigit() or host.rpartition(".")[2].startswith("0x"):
        # Resolvers read 127.1, 0177.0.0.1 and 2130706433 as addresses.
        raise UnsafeUrl("ip_address", "Use a host name, not an IP address.")


def _ascii_host(host: str) -> str:
    """The host in lower-case ASCII; a name in other letters becomes its `xn--` form."""
    host = host.lower().removesuffix(".")
    if _is_ip_literal(host):
        return host
    try:
        host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise UnsafeUrl("host", "The host name cannot be read.") from None
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise UnsafeUrl("host", "The host name is missing or malformed.")
    return host


def _is_ip_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
