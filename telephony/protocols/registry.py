"""The protocols a vendor can speak on our sockets. Adding one is a codec file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from telephony.protocols.events import VendorCodec
from telephony.protocols.psr import PsrServerCodec


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """One protocol: `name` is stored with calls, `title` is shown, `codec` makes one call's codec.

    `codec` takes the protocol's own settings as keywords; without any it gives the documented defaults.
    """

    name: str
    title: str
    codec: Callable[..., VendorCodec]


_SPECS = (ProtocolSpec("psr", "PSR", PsrServerCodec),)

PROTOCOLS: Mapping[str, ProtocolSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
