import re

import pytest

from telephony.errors import LocalProtocolError
from telephony.protocols.events import Channel, Handshake, Opened
from telephony.protocols.psr import PsrServerCodec
from telephony.protocols.registry import PROTOCOLS, Pass


def test_protocols_are_found_by_their_own_name():
    assert {name: spec.name for name, spec in PROTOCOLS.items()} == {name: name for name in PROTOCOLS}


def test_psr_makes_a_codec_per_call_with_the_given_settings():
    make = PROTOCOLS["psr"].codec

    assert isinstance(make(Handshake(), {}), PsrServerCodec)
    assert make(Handshake(), {}) is not make(Handshake(), {})
    assert make(Handshake(), {"channel": Channel.STEREO, "chunk_ms": 500}).capabilities.chunk_ms == 500


def test_livecall_route_tells_the_codec_whose_call_it_is():
    spec = PROTOCOLS["livecall"]
    path = re.fullmatch(spec.route, "live-call/websocket/c-1/+84901234567")
    assert path is not None
    codec = spec.codec(Handshake(path.groupdict()), {"has_kill_audio": True})

    assert codec.capabilities.has_flush
    (opened,) = codec.receive('{"initial_info":{"call_id":"c-1"}}')
    assert opened == Opened("c-1", customer_number="+84901234567")


def test_ucid_makes_a_codec_of_an_endpoints_options():
    make = PROTOCOLS["ucid"].codec

    assert make(Handshake(), {"sip_number": "520123", "confirms_hangup": False}).capabilities.confirms_hangup is False
    assert make(Handshake(), {}).capabilities.confirms_hangup is True
    with pytest.raises(LocalProtocolError):
        make(Handshake(), {"sip_number": "sip:520123@example.com"})


def test_path_reads_without_knowing_regular_expressions():
    assert PROTOCOLS["psr"].path == "psr/<token>"
    assert PROTOCOLS["livecall"].path == "live-call/websocket/<call_id>/<customer_phone_number>"
    assert PROTOCOLS["ucid"].path == "ws"


@pytest.mark.parametrize("spec", PROTOCOLS.values(), ids=list(PROTOCOLS))
def test_route_has_the_group_its_pass_travels_in(spec):
    groups = set(re.compile(spec.route).groupindex)

    assert ("token" in groups) == (spec.admission is Pass.CALL_TOKEN)
    assert ("key" in groups) == (spec.admission is Pass.KEY_IN_PATH)
