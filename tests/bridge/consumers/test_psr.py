"""What a PSR socket's call is set up with."""

from __future__ import annotations

from uuid import UUID

import pytest

from bridge.calls import OpenedCall
from bridge.consumers.psr import codec_for
from telephony.protocols.events import Flush, PlayAudio

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


@pytest.mark.parametrize(("chunk_codec", "chunk_ms"), [("pcm16", 100), ("mp3_independent", 500), ("mp3_stream", 200)])
def test_codec_sends_the_chunks_the_account_plays_with_the_length_that_suits_them(settings, chunk_codec, chunk_ms):
    settings.PSR_CHUNK_CODEC, settings.PSR_CHUNK_MS = chunk_codec, None
    codec = codec_for(OPENED)
    (first, *_) = codec.send(PlayAudio(bytes(16_000), "a"))

    assert codec.capabilities.chunk_ms == chunk_ms
    assert f'"format":"{chunk_codec.partition("_")[0]}"' in str(first)


def test_codec_without_a_flush_sends_nothing_for_one(settings):
    settings.PSR_FLUSH = "none"
    assert codec_for(OPENED).send(Flush()) == []
