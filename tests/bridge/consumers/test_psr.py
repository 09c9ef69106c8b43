"""What a PSR socket's call is set up with."""

from __future__ import annotations

from uuid import UUID

from bridge.calls import OpenedCall
from bridge.consumers.psr import codec_for
from telephony.protocols.events import Flush

OPENED = OpenedCall(
    call_id=UUID(int=1),
    agent_kind="echo",
    agent_config={},
    prompts={},
    parameters={},
    channel="mono_a",
    customer_side="left",
    max_call_s=60,
)


def test_codec_follows_the_settings_of_the_account(settings):
    settings.PSR_CHUNK_MS, settings.PSR_FLUSH = 60, "silence_wav"
    codec = codec_for(OPENED)
    assert (codec.capabilities.chunk_ms, codec.capabilities.has_flush) == (60, True)
    assert len(codec.send(Flush())) == 1


def test_codec_without_a_flush_sends_nothing_for_one(settings):
    settings.PSR_FLUSH = "none"
    assert codec_for(OPENED).send(Flush()) == []
