"""What the bridge says to an AI service, as messages of live_call.proto. Pure.

What the service says is read in `reading.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
import pybase64

from bridge.agents.base import Brief, Said, Speaker
from bridge.agents.livecall_grpc.config import PROTOCOL_VERSION, AudioEncoding, LiveCallConfig
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.audio.resample import SUPPORTED_RATES_HZ
from telephony.protocols.events import PCM16_SAMPLE_BYTES

ROLES: Final[Mapping[Speaker, str]] = {Speaker.AGENT: "agent", Speaker.CUSTOMER: "customer"}


def initial_info(brief: Brief, config: LiveCallConfig) -> pb.ClientRequest:
    """The first message of a call. What a peer of version 0 could not understand is left out."""
    info = pb.InitialInfo(
        workspace_id=config.workspace_id,
        call_id=brief.call_id,
        customer_phone_number=brief.customer_number,
        type_call="outbound" if brief.is_outbound else "inbound",
        hotline=brief.own_number,
    )
    if config.has_extensions:
        info.parameters.update(brief.parameters)
        info.protocol_version = PROTOCOL_VERSION
        others = [rate_hz for rate_hz in SUPPORTED_RATES_HZ if rate_hz != config.output_rate_hz]
        info.accepted_output_rates.extend([config.output_rate_hz, *others])
        info.history.extend(_said(turn) for turn in brief.history)
        info.waits_for_customer = not brief.is_agents_turn
        info.transfer_targets.extend(
            pb.Staff(name=target.name, phone_number=target.number) for target in brief.transfer_targets
        )
    return pb.ClientRequest(status=True, initial_info=info)


def play_audio(pcm: bytes, rate_hz: int, encoding: AudioEncoding) -> pb.ClientRequest:
    """Audio of the customer."""
    chunk = pb.AudioChunk(
        sample_rate=rate_hz,
        sample_width=PCM16_SAMPLE_BYTES,
        num_channels=1,
        duration=len(pcm) / (PCM16_SAMPLE_BYTES * rate_hz),
        audio_content=pcm if encoding is AudioEncoding.BYTES else pybase64.b64encode(pcm),
    )
    return pb.ClientRequest(status=True, play_audio=chunk)


def dtmf(digit: str) -> pb.ClientRequest:
    """One key the customer pressed."""
    return pb.ClientRequest(status=True, dtmf=pb.Dtmf(digit=digit))


def heard_whole(item_id: str, heard_ms: int) -> pb.ClientRequest:
    """An utterance was heard to its end; by our clock, so it is an estimate."""
    playback = pb.Playback(item_id=item_id, heard_ms=heard_ms, finished=True, estimated=True)
    return pb.ClientRequest(status=True, playback=playback)


def interrupted(item_id: str, heard_ms: int) -> pb.ClientRequest:
    """The customer spoke over an utterance."""
    return pb.ClientRequest(status=True, interrupted=pb.Interrupted(item_id=item_id, heard_ms=heard_ms))


def tool_result(tool_call_id: str, result: Mapping[str, Any]) -> pb.ClientRequest:
    """What came of something the service asked for."""
    text = orjson.dumps(dict(result), default=str).decode()
    return pb.ClientRequest(status=True, tool_result=pb.ToolResult(tool_call_id=tool_call_id, result_json=text))


def disconnect(reason: str) -> pb.ClientRequest:
    """The last message of a call."""
    return pb.ClientRequest(status=True, disconnect=pb.Disconnect(reason=reason))


def _said(turn: Said) -> pb.Transcript:
    return pb.Transcript(role=ROLES[turn.speaker], text=turn.text, final=True)
