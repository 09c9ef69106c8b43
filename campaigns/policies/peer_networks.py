"""From where a vendor may connect: a list of addresses and networks, and whether a peer is among them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

MAX_NETWORKS: Final = 50


def read_networks(value: Any) -> list[str]:
    """The networks in their usual spelling (`203.0.113.0/24`); a single address is a network of its own.

    Raises:
        ValueError: something in it is no address or network; the text says which.
    """
    if not isinstance(value, list) or len(value) > MAX_NETWORKS:
        raise ValueError(f"Write a list of at most {MAX_NETWORKS} addresses or networks.")
    return list(dict.fromkeys(_read(entry) for entry in value))


def may_connect(networks: Iterable[str], peer: str) -> bool:
    """Whether a peer with this address may connect. An empty list lets everybody in; no address is on no list."""
    allowed = [ip_network(network) for network in networks]
    if not allowed:
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in allowed)


def _read(entry: Any) -> str:
    try:
        # Of a bare number the library would make an address.
        return str(ip_network(entry.strip() if isinstance(entry, str) else ""))
    except ValueError:
        shown = str(entry)[:60]
        raise ValueError(f"“{shown}” is no address or network; write 203.0.113.7 or 203.0.113.0/24.") from None
