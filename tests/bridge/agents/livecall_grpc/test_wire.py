"""What we say, as messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.agents.base import Brief, Said, Speaker
from bridge.agents.livecall_grpc import wire
from bridge.agents.livecall_grpc.config import AudioEncoding, LiveCallConfig, LiveCallServer
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from telephony.protocols.events import TransferTarget

CONFIG = LiveCallConfig(LiveCallServer("a:1"), workspace_id="ws_7", output_rate_hz=16_000)
BRIEF = Brief(
    "call-1",
    parameters={"name": "Lan", "debt": "5"},
    customer_number="+84900000001",
    own_number="+842800000000",
    transfer_targets=(TransferTarget("101", "Lan"), TransferTarget("102")),
    history=(Said(Speaker.AGENT, "Good day"), Said(Speaker.CUSTOMER, "hello")),
)
# Source: protocols, test vectors: eight samples as PCM16 little-endian, and as base64.
PCM = bytes.fromhex("0000e80318fcff7f00800100ffff0001")
BASE64 = b"AADoAxj8/38AgAEA//8AAQ=="


def test_initial_info_tells_a_new_peer_everything():
    assert wire.initial_info(BRIEF, CONFIG) == pb.ClientRequest(
        status=True,
        initial_info=pb.InitialInfo(
            workspace_id="ws_7",
            call_id="call-1",
            customer_phone_number="+84900000001",
            type_call="outbound",
            hotline="+842800000000",
            parameters={"name": "Lan", "debt": "5"},
            protocol_version=1,
            accepted_output_rates=[16_000, 8_000, 24_000, 48_000],
            history=[
                pb.Transcript(role="agent", text="Good day", final=True),
                pb.Transcript(role="customer", text="hello", final=True),
            ],
            transfer_targets=[pb.Staff(name="Lan", phone_number="101"), pb.Staff(phone_number="102")],
        ),
    )


def test_initial_info_tells_an_old_peer_what_it_knows():
    request = wire.initial_info(replace(BRIEF, is_outbound=False), replace(CONFIG, protocol_version=0))
    assert request == pb.ClientRequest(
        status=True,
        initial_info=pb.InitialInfo(
            workspace_id="ws_7",
            call_id="call-1",
            customer_phone_number="+84900000001",
            type_call="inbound",
            hotline="+842800000000",
        ),
    )


@pytest.mark.parametrize(("encoding", "content"), [(AudioEncoding.BYTES, PCM), (AudioEncoding.BASE64_TEXT, BASE64)])
def test_audio_is_described_in_bytes_and_seconds(encoding, content):
    chunk = wire.play_audio(PCM, 8_000, encoding).play_audio
    assert (chunk.sample_rate, chunk.sample_width, chunk.num_channels) == (8_000, 2, 1)
    assert chunk.duration == pytest.approx(0.001)
    assert chunk.audio_content == content


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (wire.dtmf("#"), pb.ClientRequest(status=True, dtmf=pb.Dtmf(digit="#"))),
        (
            wire.heard_whole("a", 900),
            pb.ClientRequest(
                status=True, playback=pb.Playback(item_id="a", heard_ms=900, finished=True, estimated=True)
            ),
        ),
        (
            wire.interrupted("a", 900),
            pb.ClientRequest(status=True, interrupted=pb.Interrupted(item_id="a", heard_ms=900)),
        ),
        (
            wire.tool_result("t1", {"ok": False, "error": "no"}),
            pb.ClientRequest(
                status=True, tool_result=pb.ToolResult(tool_call_id="t1", result_json='{"ok":false,"error":"no"}')
            ),
        ),
        (wire.disconnect("transfer"), pb.ClientRequest(status=True, disconnect=pb.Disconnect(reason="transfer"))),
    ],
)
def test_each_notice_is_one_message(request_, expected):
    assert request_ == expected
