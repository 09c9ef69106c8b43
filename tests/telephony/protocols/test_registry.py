from telephony.protocols.events import Channel
from telephony.protocols.psr import PsrServerCodec
from telephony.protocols.registry import PROTOCOLS


def test_protocols_are_found_by_their_own_name():
    assert {name: spec.name for name, spec in PROTOCOLS.items()} == {name: name for name in PROTOCOLS}


def test_psr_makes_a_codec_per_call_with_the_given_settings():
    make = PROTOCOLS["psr"].codec

    assert isinstance(make(), PsrServerCodec)
    assert make() is not make()
    assert make(channel=Channel.STEREO, chunk_ms=500).capabilities.chunk_ms == 500
