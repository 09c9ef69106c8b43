"""What KooKoo is told over HTTP: open a stream, dial somebody, hang up, or nothing. XML, built and never parsed.

Source: the pages of Ozonetel KooKoo, as told in docs/reference/wire/ucid.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, SubElement, tostring

from campaigns.policies.clean_text import clean_text

# What a new call says that the stream's `start` does not, and the agent may use.
PASSED_ON: Final = ("cid_e164", "circle", "operator", "outbound_sid")
MAX_PASSED_ON_CHARS: Final = 100


def nothing() -> bytes:
    """No instruction: the vendor only tells."""
    return _document(_response())


def hang_up() -> bytes:
    """End the call."""
    response = _response()
    SubElement(response, "hangup")
    return _document(response)


def dial(number: str) -> bytes:
    """Hand the caller, who is still on the line, to `number`."""
    response = _response()
    SubElement(response, "dial").text = number
    return _document(response)


def open_stream(*, ws_url: str, key: str, sip_number: str, told: Mapping[str, str]) -> bytes:
    """Connect the caller to our socket. `told` is the query of the new call, of which `PASSED_ON` comes back to us."""
    passed_on = {
        name: clean_text(told[name], max_chars=MAX_PASSED_ON_CHARS).replace("\n", " ")
        for name in PASSED_ON
        if told.get(name)
    }
    response = _response()
    attributes = {"is_sip": "true", "url": f"{ws_url}?{urlencode({'token': key})}", "x-uui": json.dumps(passed_on)}
    SubElement(response, "stream", attributes).text = sip_number
    return _document(response)


def _response() -> Element:
    return Element("response")


def _document(response: Element) -> bytes:
    document: bytes = tostring(response, encoding="utf-8", xml_declaration=True)
    return document
