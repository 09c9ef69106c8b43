"""The protocols a vendor can speak on our sockets. Adding one is a codec file and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeAlias

from telephony.protocols.events import Handshake, VendorCodec
from telephony.protocols.livecall import LiveCallServerCodec
from telephony.protocols.psr import PsrServerCodec
from telephony.protocols.twilio import TwilioServerCodec
from telephony.protocols.ucid import make_ucid_codec

Options: TypeAlias = Mapping[str, Any]


class Pass(Enum):
    """What lets a socket in, and where it travels."""

    CALL_TOKEN = "call token"  # noqa: S105  the single-use token of a call we placed, in the path
    KEY_IN_QUERY = "key in the query"
    KEY_IN_PATH = "key in the path"


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """One protocol: `name` is stored with calls, `title` is shown, `codec` makes one call's codec.

    `route` is the socket's path as a regular expression without the leading slash. Its named groups become
    `Handshake.path`; with `KEY_IN_PATH` one of them is `key` and does not. The codec is made of the handshake and of
    options: small settings by name, without any it does as documented. `endpoint_options` are the names and types of
    those an endpoint may set.

    `codec` raises LocalProtocolError for options it cannot use, and RemoteProtocolError for a handshake that breaks the
    protocol, which is then refused with 400; for a bare `Handshake()` it makes a codec too.
    """

    name: str
    title: str
    route: str
    admission: Pass
    codec: Callable[[Handshake, Options], VendorCodec]
    endpoint_options: Mapping[str, type[str | int | bool]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path as people read it, with its groups as `<name>`."""
        return re.sub(r"\(\?P<(\w+)>[^()]*\)", r"<\1>", self.route)

    @property
    def is_inbound(self) -> bool:
        """Whether its calls come by themselves, with an endpoint's key, rather than being placed by us."""
        return self.admission is not Pass.CALL_TOKEN


_SPECS = (
    ProtocolSpec(
        "psr", "PSR", r"psr/(?P<token>[A-Za-z0-9._-]{16,512})", Pass.CALL_TOKEN, lambda _, own: PsrServerCodec(**own)
    ),
    ProtocolSpec(
        "livecall",
        "LiveCall",
        r"live-call/websocket/(?P<call_id>[^/]{1,128})/(?P<customer_phone_number>[^/]{1,32})",
        Pass.KEY_IN_QUERY,
        lambda handshake, own: LiveCallServerCodec(handshake, **own),
        {"workspace_id": str, "has_kill_audio": bool, "tells_audio_format": bool, "in_rate_hz": int},
    ),
    ProtocolSpec(
        "ucid",
        "KooKoo (ucid)",
        r"ws",
        Pass.KEY_IN_QUERY,
        make_ucid_codec,
        {"sip_number": str, "confirms_hangup": bool},
    ),
    ProtocolSpec(
        "twilio",
        "Twilio",
        r"twilio/(?P<key>[A-Za-z0-9._-]{16,512})",
        Pass.KEY_IN_PATH,
        lambda _, own: TwilioServerCodec(**own),
    ),
)

PROTOCOLS: Mapping[str, ProtocolSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
