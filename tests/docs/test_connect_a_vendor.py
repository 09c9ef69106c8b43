"""docs/how-to/connect-a-vendor.md names every protocol in which calls come to us, its address and its options."""

from __future__ import annotations

import re

from telephony.protocols.registry import PROTOCOLS
from tests.docs.pages import code, page, rows

HOST = "wss://voice.example.com/"
# The table stands inside a numbered step.
PAGE = re.sub(r"^ +", "", page("how-to/connect-a-vendor.md"), flags=re.MULTILINE)


def test_every_inbound_protocol_is_named_with_its_address_and_options():
    named = {code(row[0]): row for row in rows(PAGE) if len(row) > 2 and HOST in row[1]}
    inbound = {name: spec for name, spec in PROTOCOLS.items() if spec.is_inbound}
    assert named.keys() == inbound.keys()
    for name, spec in inbound.items():
        address, options = code(named[name][1]), set(re.findall(r"`(\w+)`", named[name][2]))
        path = address.removeprefix(HOST).partition("?")[0]
        assert re.fullmatch(spec.route, re.sub(r"<[^>]+>", "0123456789abcdef", path)), name
        assert options == spec.endpoint_options.keys(), name
