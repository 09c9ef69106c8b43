"""One conversation over a real connection on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import pytest

from bridge.agents.base import (
    AgentEvent,
    AgentUnavailable,
    Audio,
    AudioDone,
    Brief,
    EndCall,
    Failed,
    Said,
    Speaker,
    StopSpeaking,
    Transcript,
    Transfer,
    UserSpeech,
)
from bridge.agents.livecall_grpc import channel as connections
from bridge.agents.livecall_grpc.agent import LiveCallAgent, LiveCallSession
from bridge.agents.livecall_grpc.config import AudioEncoding, LiveCallServer
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb
from bridge.agents.livecall_grpc.service import Fault, Options, running
from bridge.agents.livecall_grpc.service.options import Script
from telephony.protocols.events import TransferTarget
from telephony.protocols.wav import build_wav
from tests.bridge.session.fakes import vowel
from tests.certificates import self_signed

BRIEF = Brief("call-1", transfer_targets=(TransferTarget("102", "Lan"), TransferTarget("101")))
SCRIPT = Script(greeting=("hello",), answers=(("more",),), goodbye=("bye",), transfer=("wait",))
DEADLINE_S = 10


@pytest.fixture(scope="module")
def prompts(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("prompts")
    found = {name: folder / f"{name}.wav" for name in ("hello", "more", "bye", "wait")}
    for number, path in enumerate(found.values(), start=1):
        path.write_bytes(build_wav(tone(number), 24_000))
    return found


@pytest.fixture
def options(prompts) -> Options:
    return Options(port=0, script=SCRIPT, own_prompts=prompts)


class Tap:
    """What reached the service."""

    def __init__(self) -> None:
        self.requests: list[pb.ClientRequest] = []
        self._news = asyncio.Event()

    def __call__(self, request: pb.ClientRequest) -> None:
        self.requests.append(request)
        self._news.set()

    @property
    def kinds(self) -> list[str | None]:
        return [request.WhichOneof("data") for request in self.requests]

    async def first(self, kind: str) -> pb.ClientRequest:
        """The first message of a kind; waits for it."""
        async with asyncio.timeout(DEADLINE_S):
            while kind not in self.kinds:
                self._news.clear()
                await self._news.wait()
        return self.requests[self.kinds.index(kind)]


class Talk:
    """A conversation whose events are collected as they come."""

    def __init__(self, session: LiveCallSession, tap: Tap) -> None:
        self.session = session
        self.tap = tap
        self._events = aiter(session)

    async def until(self, kind: type) -> list[AgentEvent]:
        """The events up to the next of a kind, audio joined by utterance."""
        events: list[AgentEvent] = []
        async with asyncio.timeout(DEADLINE_S):
            async for event in self._events:
                events.append(event)
                if isinstance(event, kind):
                    break
        return joined(events)

    async def rest(self) -> list[AgentEvent]:
        return await self.until(type(None))


def joined(events: list[AgentEvent]) -> list[AgentEvent]:
    found: list[AgentEvent] = []
    for event in events:
        if isinstance(event, Audio) and found and isinstance(found[-1], Audio) and found[-1].item_id == event.item_id:
            found[-1] = Audio(event.item_id, found[-1].pcm + event.pcm)
        else:
            found.append(event)
    return found


def tone(number: int, ms: int = 200) -> bytes:
    return np.full(24 * ms, 100 * number, "<i2").tobytes()


@asynccontextmanager
async def talking(options: Options, brief: Brief = BRIEF, **config) -> AsyncIterator[Talk]:
    tap = Tap()
    async with running(options, grace_s=0, tap=tap) as service:
        agent = LiveCallAgent(config, LiveCallServer(service.target))
        async with agent.connect(brief) as session:
            yield Talk(session, tap)


GREETING = [
    Transcript(Speaker.AGENT, "ai-1-hello", ""),
    Audio("ai-1-hello", tone(1)),
    AudioDone("ai-1-hello"),
]


async def test_the_greeting_is_heard_as_it_was_recorded(options):
    async with talking(options, workspace_id="ws_7") as talk:
        assert await talk.until(AudioDone) == GREETING
        info = (await talk.tap.first("initial_info")).initial_info
        assert (info.workspace_id, info.call_id, info.protocol_version) == ("ws_7", "call-1", 1)
    assert (await talk.tap.first("disconnect")).disconnect.reason == "caller_hangup"
    assert talk.tap.kinds == ["initial_info", "disconnect"]


@pytest.mark.parametrize(
    ("manners", "config"),
    [
        ({"says_width_in_bits": True}, {}),
        ({"leaves_out_rate": True}, {}),
        ({"leaves_out_status": True}, {}),
        ({"encoding": AudioEncoding.BASE64_TEXT}, {"audio_encoding": "base64_text"}),
    ],
)
async def test_other_manners_change_nothing(options, manners, config):
    async with talking(replace(options, **manners), **config) as talk:
        assert await talk.until(AudioDone) == GREETING


async def test_a_legacy_service_needs_no_names_and_is_told_nothing_new(options):
    async with talking(replace(options, has_extensions=False), protocol_version=0) as talk:
        assert await talk.until(AudioDone) == [Audio("ai#1", tone(1)), AudioDone("ai#1")]
        await talk.session.send_dtmf("5")
        await talk.session.interrupt("ai#1", 40)
        await talk.session.played("ai#1")
    await talk.tap.first("disconnect")
    assert talk.tap.kinds == ["initial_info", "disconnect"]


async def test_a_service_at_another_rate_is_converted(options):
    async with talking(replace(options, rate_hz=8_000)) as talk:
        _, audio, _ = await talk.until(AudioDone)
        assert isinstance(audio, Audio)
        assert len(audio.pcm) == pytest.approx(len(tone(1)), abs=24 * 2 * 20)


async def test_the_service_hears_speech_and_answers(options):
    async with talking(options) as talk:
        await talk.until(AudioDone)
        await talk.session.played("ai-1-hello")
        assert (await talk.tap.first("playback")).playback == pb.Playback(
            item_id="1-hello", heard_ms=200, finished=True, estimated=True
        )
        await talk.session.send_audio(vowel(800) + bytes(16 * 700))
        events = await talk.until(AudioDone)
    assert [type(event) for event in events] == [UserSpeech, UserSpeech, Transcript, Transcript, Audio, AudioDone]
    assert events[-2] == Audio("ai-2-more", tone(2))
    chunk = (await talk.tap.first("play_audio")).play_audio
    assert (chunk.sample_rate, chunk.sample_width, len(chunk.audio_content)) == (8_000, 2, 16 * 1_500)


async def test_a_conversation_that_is_taken_up_again_has_no_second_greeting(options):
    history = (Said(Speaker.AGENT, "Good day"), Said(Speaker.CUSTOMER, "hello"))
    async with talking(options, replace(BRIEF, history=history)) as talk:
        assert (await talk.until(AudioDone))[-1] == AudioDone("ai-1-more")
    async with talking(options, replace(BRIEF, history=history, is_agents_turn=False)) as talk:
        assert (await talk.tap.first("initial_info")).initial_info.waits_for_customer
        await talk.session.send_audio(vowel(600) + bytes(16 * 700))
        assert (await talk.until(AudioDone))[-1] == AudioDone("ai-1-more")


async def test_short_pieces_of_audio_travel_together(options):
    async with talking(options) as talk:
        for number in range(10):
            await talk.session.send_audio(bytes([number]) * 160)
        await talk.session.send_dtmf("5")
        await talk.tap.first("dtmf")
    chunks = [request.play_audio.audio_content for request in talk.tap.requests if request.HasField("play_audio")]
    pieces = [bytes([number]) * 160 for number in range(8)]
    assert chunks == [b"".join(pieces[:4]), b"".join(pieces[4:])]


async def test_speaking_over_the_service_makes_it_stop(options):
    async with talking(options) as talk:
        await talk.until(AudioDone)
        await talk.session.send_audio(vowel(400))
        assert [type(event) for event in await talk.until(StopSpeaking)] == [UserSpeech, StopSpeaking]
        await talk.session.interrupt("ai-1-hello", 120)
        assert (await talk.tap.first("interrupted")).interrupted == pb.Interrupted(item_id="1-hello", heard_ms=120)


async def test_the_end_key_brings_the_farewell_and_the_end(options):
    async with talking(options) as talk:
        await talk.until(AudioDone)
        await talk.session.send_dtmf("9")
        assert (await talk.rest())[-3:] == [Audio("ai-2-bye", tone(3)), AudioDone("ai-2-bye"), EndCall()]


async def test_a_farewell_is_read_whole_where_the_service_has_left_already(options):
    """A frame written to a stream that the service has ended must not cost what it said before."""
    async with talking(replace(options, chunk_ms=5)) as talk:
        await talk.until(AudioDone)
        await talk.session.send_dtmf("9")
        await talk.tap.first("dtmf")
        # Meanwhile the service leaves, and of its words more waits than is read ahead.
        for _ in range(40):
            await talk.session.send_audio(bytes(16 * 2 * 40))
            await asyncio.sleep(0.005)
        events = await talk.rest()
    assert events == [
        Transcript(Speaker.AGENT, "ai-2-bye", ""),
        Audio("ai-2-bye", tone(3)),
        AudioDone("ai-2-bye"),
        EndCall(),
    ]


async def test_the_transfer_key_brings_the_list_in_its_order(options):
    async with talking(options) as talk:
        await talk.until(AudioDone)
        await talk.session.send_dtmf("0")
        assert (await talk.until(Transfer))[-1] == Transfer(BRIEF.transfer_targets, "transfer")
        await talk.session.tool_result("transfer", {"ok": False, "error": "not now"})
        assert (await talk.tap.first("tool_result")).tool_result.result_json == '{"ok":false,"error":"not now"}'
    # What was refused is no transfer.
    assert (await talk.tap.first("disconnect")).disconnect.reason == "caller_hangup"


async def test_a_workspace_that_is_not_known_is_final(options):
    async with talking(replace(options, fault=Fault.ERROR)) as talk:
        (failed,) = await talk.until(Failed)
    assert failed == Failed("the AI service reports error 80100/404: workspace not found", False)


async def test_a_service_that_dies_in_a_call_may_be_tried_again(options):
    async with talking(replace(options, chunk_ms=20, fault=Fault.DIE)) as talk:
        events = await talk.rest()
    assert events[-1] == Failed("the AI service's stream ended with UNAVAILABLE", True)
    assert isinstance(events[-2], Audio)


async def test_a_service_that_says_nothing_can_be_left(options):
    async with talking(replace(options, fault=Fault.STALL)) as talk:
        await talk.tap.first("initial_info")
    await talk.tap.first("disconnect")


async def test_a_cancelled_call_leaves_no_stream(options):
    tap = Tap()
    async with running(options, grace_s=0, tap=tap) as service:
        agent = LiveCallAgent({}, LiveCallServer(service.target))
        is_open = asyncio.Event()

        async def call() -> None:
            async with agent.connect(BRIEF):
                is_open.set()
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            calling = group.create_task(call())
            await is_open.wait()
            calling.cancel()
        assert connections._connections == {}
        await tap.first("disconnect")


async def test_what_the_caller_raises_comes_out_as_it_is(options):
    async with running(options, grace_s=0) as service:
        agent = LiveCallAgent({}, LiveCallServer(service.target))
        with pytest.raises(AgentUnavailable, match="mine"):
            async with agent.connect(BRIEF):
                raise AgentUnavailable("mine", retryable=True)


async def test_calls_share_a_connection_while_they_last(options):
    async with running(options, grace_s=0) as service:
        agent = LiveCallAgent({}, LiveCallServer(service.target))
        async with agent.connect(BRIEF), agent.connect(BRIEF):
            ((shared),) = connections._connections.values()
            assert shared.users == 2
        assert connections._connections == {}


async def test_an_unreachable_service_is_told_in_time(monkeypatch, unused_tcp_port_factory: Callable[[], int]):
    monkeypatch.setattr(connections, "CONNECT_S", 0.3)
    agent = LiveCallAgent({}, LiveCallServer(f"127.0.0.1:{unused_tcp_port_factory()}"))
    with pytest.raises(AgentUnavailable, match="cannot be reached") as raised:
        async with agent.connect(BRIEF):
            pass
    assert raised.value.retryable
    assert connections._connections == {}


async def test_without_a_target_the_call_says_what_to_set():
    with pytest.raises(AgentUnavailable, match="LIVECALL_GRPC_TARGET") as raised:
        async with LiveCallAgent({}, LiveCallServer()).connect(BRIEF):
            pass
    assert not raised.value.retryable


async def test_a_service_that_takes_no_calls_is_believed(options):
    async with running(options, grace_s=0) as service:
        service.health = pb.HealthCheckResponse.NOT_SERVING
        with pytest.raises(AgentUnavailable, match="takes no calls") as raised:
            async with LiveCallAgent({}, LiveCallServer(service.target)).connect(BRIEF):
                pass
    assert raised.value.retryable


async def test_a_service_without_health_checks_is_believed():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with LiveCallAgent({}, LiveCallServer(f"127.0.0.1:{port}")).connect(BRIEF) as session:
            events = [event async for event in session]
    finally:
        await server.stop(0)
    assert events == [Failed("the AI service's stream ended with UNIMPLEMENTED", False)]


async def test_tls_is_verified(options, tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "CONNECT_S", 1.0)
    certificate, key = self_signed(tmp_path, "ai.test")
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    async with running(options, credentials=credentials, grace_s=0) as service:
        for ca_file, is_good in ((certificate, True), (None, False)):
            agent = LiveCallAgent({"tls": True}, LiveCallServer(service.target, ca_file=ca_file))
            try:
                async with agent.connect(BRIEF):
                    assert is_good
            except AgentUnavailable:
                assert not is_good


async def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path):
    server = LiveCallServer("127.0.0.1:1", is_tls=True, ca_file=tmp_path / "none.pem")
    with pytest.raises(AgentUnavailable, match="LIVECALL_GRPC_CA_FILE"):
        async with LiveCallAgent({}, server).connect(BRIEF):
            pass
