"""What may stand in an endpoint's options."""

from __future__ import annotations

import pytest

from campaigns.policies import endpoint_options
from campaigns.policies.endpoint_options import check_options
from telephony.errors import LocalProtocolError
from telephony.protocols.psr import PsrServerCodec
from telephony.protocols.registry import Pass, ProtocolSpec


def codec(_, options):
    if options.get("frames") == 0:
        raise LocalProtocolError("frames must be at least 1")
    return PsrServerCodec()


TOY = ProtocolSpec("toy", "Toy", "toy", Pass.KEY_IN_QUERY, codec, {"name": str, "frames": int, "is_loud": bool})


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setattr(endpoint_options, "PROTOCOLS", {"toy": TOY})


@pytest.mark.parametrize("options", [{}, {"name": "x", "frames": 2, "is_loud": False}])
def test_options_the_protocol_knows_are_taken(options):
    assert check_options("toy", options) == options


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ({"color": "red"}, "It knows: frames, is_loud, name"),
        ({"name": 5}, "name: must be a text"),
        ({"name": "x" * 201}, "name: at most 200"),
        ({"name": "a\nb"}, "printable"),
        ({"frames": True}, "frames: must be a whole number"),
        ({"frames": "2"}, "frames: must be a whole number"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"is_loud": 1}, "is_loud: must be true or false"),
    ],
)
def test_anything_else_is_refused_with_a_reason(options, reason):
    with pytest.raises(ValueError, match=reason):
        check_options("toy", options)


def test_an_unknown_protocol_knows_no_options():
    assert check_options("morse", {}) == {}
    with pytest.raises(ValueError, match="It knows: none"):
        check_options("morse", {"name": "x"})
