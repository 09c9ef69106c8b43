"""The realtime agent over real sockets, against a strict server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest

from bridge.agents import agent_socket
from bridge.agents.base import (
    AgentEvent,
    AgentUnavailable,
    Audio,
    AudioDone,
    Brief,
    EndCall,
    Expiring,
    Failed,
    PromptSession,
    Said,
    Speaker,
    ToolCall,
    Transcript,
    UserSpeech,
)
from bridge.agents.openai_realtime import RealtimeAccess, RealtimeAgent
from bridge.agents.openai_realtime import agent as agent_module
from bridge.agents.openai_realtime.agent import RealtimeSession
from telephony import g711
from tests.fake_realtime import KEY, FakeSession, Model, fake_realtime, says_nothing

DEADLINE_S = 10.0
CONFIG: dict[str, Any] = {"instructions": "Ask {{ name }} whether they are content."}
BRIEF = Brief("call-1", parameters={"name": "Lan"})


@asynccontextmanager
async def connected(
    model: Model = says_nothing, *, brief: Brief = BRIEF, config: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[RealtimeSession, FakeSession]]:
    """An agent in conversation with a server whose model follows a script."""
    async with asyncio.timeout(DEADLINE_S), fake_realtime(model, **options) as server:
        agent = RealtimeAgent(CONFIG | (config or {}), RealtimeAccess(server.url, KEY), wall_clock=lambda: 1_000.0)
        async with agent.connect(brief) as session:
            yield session, server.sessions[0]


async def collect(session: RealtimeSession, count: int) -> list[AgentEvent]:
    """The next events, pieces of audio of one item joined."""
    found: list[AgentEvent] = []
    async for event in session:
        if isinstance(event, Audio) and found and isinstance(found[-1], Audio) and found[-1].item_id == event.item_id:
            found[-1] = Audio(event.item_id, found[-1].pcm + event.pcm)
        else:
            found.append(event)
        if len(found) == count and not isinstance(event, Audio):
            break
    return found


async def greets(session: FakeSession) -> None:
    await session.asked()
    await session.say("hello", "Hello Lan.", 10_000)
    await session.finish()


async def test_the_agent_configures_then_greets() -> None:
    async with connected(greets) as (session, server):
        events = await collect(session, 4)
        assert events == [
            Transcript(Speaker.AGENT, "hello", "Hello Lan.", is_final=False),
            Audio("hello", b"\x00\x10" * 240_000),
            AudioDone("hello"),
            Transcript(Speaker.AGENT, "hello", "Hello Lan."),
        ]
        assert (session.input_rate_hz, session.output_rate_hz, session.speaks_first) == (24_000, 24_000, True)
    assert server.types() == ["session.update", "response.create"]
    assert server.refused == []
    assert server.config["instructions"].startswith("Ask «Lan» whether")
    assert "Greet the customer" in server.of("response.create")[0]["response"]["instructions"]


async def test_the_handshake_names_the_model_and_carries_the_key_in_its_header() -> None:
    async with asyncio.timeout(DEADLINE_S), fake_realtime() as server:
        for header in ("Authorization", "api-key"):
            agent = RealtimeAgent(CONFIG, RealtimeAccess(server.url, KEY, header, "gpt-realtime-2.1-mini"))
            async with agent.connect(BRIEF):
                pass
    first, second = server.handshakes
    assert (first.path, first.headers["Authorization"]) == ("/v1/realtime?model=gpt-realtime-2.1-mini", f"Bearer {KEY}")
    assert "OpenAI-Beta" not in first.headers
    assert (second.headers["api-key"], "Authorization" in second.headers) == (KEY, False)


async def test_audio_that_need_not_wait_is_sent_as_any_other() -> None:
    async with connected() as (session, server):
        assert isinstance(session, PromptSession)
        pcm = bytes(range(240)) * 8  # 40 ms
        taken_now = 0
        for _ in range(20):
            if session.takes_audio_now:
                session.send_audio_now(pcm)
                taken_now += 1
            else:
                await session.send_audio(pcm)
        await server.until(lambda: len(server.heard) >= 20 * len(pcm))
    assert bytes(server.heard) == pcm * 20
    assert taken_now == 16
    assert server.refused == []


class Ear:
    """Takes audio, as long as it does."""

    def __init__(self) -> None:
        self.takes_now = True
        self.heard: list[Audio] = []

    def take(self, audio: Audio) -> None:
        self.heard.append(audio)


@pytest.mark.parametrize(("audio_format", "said"), [("pcm24k", b"\x00\x10" * 240_000), ("pcmu", None)])
async def test_audio_goes_to_whoever_takes_it_and_is_no_event_then(audio_format: str, said: bytes | None) -> None:
    said = said or g711.decode(b"\x2a" * 80_000, g711.Law.MU)
    ear = Ear()
    async with connected(greets, config={"audio_format": audio_format}) as (session, _):
        assert isinstance(session, PromptSession)
        session.give_audio_to(ear)
        events: list[AgentEvent] = []
        async for event in session:
            events.append(event)
            if isinstance(event, Transcript) and event.is_final:
                break
    as_events = b"".join(event.pcm for event in events if isinstance(event, Audio))
    assert [type(event) for event in events if not isinstance(event, Audio)] == [Transcript, AudioDone, Transcript]
    # Deltas that come at once with other messages wait behind them; none is lost, and most wake nobody.
    assert len(as_events) + sum(len(audio.pcm) for audio in ear.heard) == len(said)
    assert {audio.item_id for audio in ear.heard} == {"hello"}


async def test_audio_is_an_event_for_whoever_takes_none_now() -> None:
    ear = Ear()
    ear.takes_now = False
    async with connected(greets) as (session, _):
        session.give_audio_to(ear)
        events = await collect(session, 4)
    assert events[1] == Audio("hello", b"\x00\x10" * 240_000)
    assert ear.heard == []


async def test_small_pieces_of_the_customers_audio_are_sent_together() -> None:
    async with connected() as (session, server):
        pcm = bytes(range(240)) * 4  # 20 ms
        for _ in range(5):
            await session.send_audio(pcm)
        await server.until(lambda: len(server.heard) >= 4 * len(pcm))
    assert bytes(server.heard) == pcm * 4
    assert len(server.of("input_audio_buffer.append")) == 2
    assert server.refused == []


@pytest.mark.parametrize(("audio_format", "law"), [("pcmu", g711.Law.MU), ("pcma", g711.Law.A)])
async def test_g711_is_coded_here(audio_format: str, law: g711.Law) -> None:
    pcm = g711.decode(bytes(range(256)) * 2, law)
    async with connected(greets, config={"audio_format": audio_format}) as (session, server):
        events = await collect(session, 4)
        assert events[1] == Audio("hello", g711.decode(b"\x2a" * 80_000, law))
        await session.send_audio(pcm)
        await server.until(lambda: server.heard)
    assert bytes(server.heard) == g711.encode(pcm, law)
    assert (session.input_rate_hz, session.output_rate_hz) == (8_000, 8_000)


async def test_an_interruption_cancels_and_truncates_what_the_server_accepts() -> None:
    async def model(session: FakeSession) -> None:
        await session.asked()
        await session.say("hello", "Hello Lan.", 400)
        await session.until(lambda: session.of("conversation.item.truncate"))

    async with connected(model) as (session, server):
        await collect(session, 3)
        await session.interrupt("hello", 250)
        await server.until(lambda: server.items["hello"] == 150)
    assert server.types()[2:] == ["response.cancel", "conversation.item.truncate"]
    assert server.refused == []


async def test_a_tool_call_is_answered_then_the_model_speaks_on() -> None:
    async def model(session: FakeSession) -> None:
        await session.asked()
        await session.call("record_answer", '{"key": "content", "value": "yes"}', "call-a")
        await session.call("end_call", "{not json", "call-b")
        await session.finish()
        await session.asked()
        await session.say("bye", "Goodbye.", 100)
        await session.call("end_call", '{"reason": "done"}', "call-c")
        await session.finish()

    async with connected(model) as (session, server):
        assert await collect(session, 1) == [
            ToolCall("call-a", "record_answer", {"key": "content", "question": "", "value": "yes"})
        ]
        await session.tool_result("call-a", {"ok": True})
        events = await collect(session, 5)
        assert events[-2:] == [Transcript(Speaker.AGENT, "bye", "Goodbye."), EndCall("done", "call-c")]
        await session.tool_result("call-c", {"ok": True})
        await server.until(lambda: not server.call_ids)
    outputs = [event["item"] for event in server.of("conversation.item.create")]
    assert sorted((item["call_id"], item["output"][:11]) for item in outputs) == [
        ("call-a", '{"ok":true}'),
        ("call-b", '{"ok":false'),
        ("call-c", '{"ok":true}'),
    ]
    assert server.refused == []


async def test_late_words_of_the_customer_come_in_their_order() -> None:
    async def model(session: FakeSession) -> None:
        await session.hear("u1", 100, 600)
        await session.hear("u2", 2_000, 2_500)
        await session.transcribe("u2", "Really.")
        await session.transcribe("u1", "Yes.")

    async with connected(model, config={"greeting": ""}) as (session, _):
        assert not session.speaks_first
        assert await collect(session, 6) == [
            UserSpeech(True, 100),
            UserSpeech(False, 600),
            UserSpeech(True, 2_000),
            UserSpeech(False, 2_500),
            Transcript(Speaker.CUSTOMER, "u1", "Yes.", start_ms=100, end_ms=600),
            Transcript(Speaker.CUSTOMER, "u2", "Really.", start_ms=2_000, end_ms=2_500),
        ]


async def test_keys_reach_the_model_and_the_transcript() -> None:
    async with connected(config={"greeting": ""}) as (session, server):
        for digit in "12#":
            await session.send_dtmf(digit)
        assert [event.text for event in await collect(session, 1) if isinstance(event, Transcript)] == ["[key 1 2 #]"]
        await server.until(lambda: server.of("response.create"))
    assert server.refused == []


async def test_a_server_that_speaks_the_beta_is_understood() -> None:
    async with connected(greets, speaks_beta=True) as (session, _):
        assert [type(event) for event in await collect(session, 4)] == [Transcript, Audio, AudioDone, Transcript]


async def test_a_conversation_is_taken_up_again_with_its_history() -> None:
    history = (Said(Speaker.AGENT, "Are you content?"), Said(Speaker.CUSTOMER, "Yes."))
    async with connected(greets, brief=Brief("call-1", history=history)) as (session, server):
        await collect(session, 1)
    contents = [event["item"]["content"][0] for event in server.of("conversation.item.create")]
    assert contents == [{"type": "output_text", "text": "Are you content?"}, {"type": "input_text", "text": "Yes."}]
    assert "without greeting again" in server.of("response.create")[0]["response"]["instructions"]


async def test_the_end_of_the_session_is_told_before_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "LEAST_SESSION_S", 0.5)
    # The wall clock says 1000; with so little time left half of it is given.
    async with connected(expires_at=1_001) as (session, _):
        assert await collect(session, 1) == [Expiring(0.5)]


async def test_a_clock_that_is_wrong_ends_nothing() -> None:
    async with connected(greets, expires_at=1) as (session, _):
        assert [type(event) for event in await collect(session, 4)] == [Transcript, Audio, AudioDone, Transcript]


async def expires(session: FakeSession) -> None:
    await session.asked()
    await session.say("hello", "Hello.", 100)
    await session.error("session_expired")


async def reaches_the_limit(session: FakeSession) -> None:
    await session.asked()
    await session.socket.close(1001, "Your session hit the maximum duration of 60 minutes.")


async def turns_beta_away(session: FakeSession) -> None:
    await session.asked()
    await session.socket.close(4000, "invalid_request_error.beta_api_shape_disabled")


async def dies_mid_utterance(session: FakeSession) -> None:
    await session.asked()
    await session.say("hello", "Hello.", 100)
    session.socket.transport.abort()


async def is_out_of_money(session: FakeSession) -> None:
    await session.asked()
    await session.finish("failed", "insufficient_quota")


async def stumbles_twice(session: FakeSession) -> None:
    for _ in range(2):
        await session.asked()
        await session.finish("failed", "server_error")


@pytest.mark.parametrize(
    ("model", "failed"),
    [
        (expires, Failed("session_expired", retryable=True)),
        (reaches_the_limit, Failed("the realtime service closed", retryable=True)),
        (turns_beta_away, Failed("the realtime service closed", retryable=False)),
        (dies_mid_utterance, Failed("the realtime service closed", retryable=True)),
        (is_out_of_money, Failed("insufficient_quota", retryable=False)),
        (stumbles_twice, Failed("server_error", retryable=True)),
    ],
)
async def test_trouble_ends_the_conversation_and_says_whether_another_may_help(model: Model, failed: Failed) -> None:
    async with connected(model) as (session, _):
        events = [event async for event in session]
    assert events[-1] == failed


@pytest.mark.parametrize(
    ("options", "config", "retryable", "reason"),
    [
        ({"status": HTTPStatus.UNAUTHORIZED}, {}, False, "HTTP 401"),
        ({"status": HTTPStatus.NOT_FOUND}, {}, False, "HTTP 404"),
        ({"status": HTTPStatus.TOO_MANY_REQUESTS}, {}, True, "HTTP 429"),
        ({"status": HTTPStatus.INTERNAL_SERVER_ERROR}, {}, True, "HTTP 500"),
        ({}, {"model": "gpt-telepathy"}, False, "model_not_found"),
        ({}, {"voice": "nobody"}, False, "refused the configuration: invalid_value: Invalid value: …"),
        ({"is_silent": True}, {}, True, "stayed silent"),
    ],
)
async def test_a_conversation_that_cannot_be_opened_says_whose_fault_it_is(
    options: dict[str, Any],
    config: dict[str, Any],
    retryable: bool,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_module, "OPEN_S", 0.5)
    with pytest.raises(AgentUnavailable, match=reason) as refused:
        async with connected(config=config, **options):
            pass
    assert refused.value.retryable is retryable


async def test_a_wrong_key_is_refused_and_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "sk-wrong-9876543210"
    async with asyncio.timeout(DEADLINE_S), fake_realtime() as server:
        with pytest.raises(AgentUnavailable) as refused:
            async with RealtimeAgent(CONFIG, RealtimeAccess(server.url, wrong)).connect(BRIEF):
                pass
    assert not refused.value.retryable
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("bridge")]
    assert wrong not in f"{refused.value} {ours}"


async def test_nobody_listening_can_pass() -> None:
    with pytest.raises(AgentUnavailable) as refused:
        async with RealtimeAgent(CONFIG, RealtimeAccess("ws://127.0.0.1:9/v1/realtime", KEY)).connect(BRIEF):
            pass
    assert refused.value.retryable


async def test_a_server_that_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_socket, "SEND_STALL_S", 0.2)

    async def model(session: FakeSession) -> None:
        session.socket.transport.pause_reading()
        await session.socket.wait_closed()

    async def flood(session: RealtimeSession) -> None:
        while True:
            await session.send_audio(bytes(480_000))

    async with connected(model, config={"greeting": ""}) as (session, _):
        with pytest.raises(AgentUnavailable, match="reads nothing") as gone:
            await flood(session)
    assert gone.value.retryable


async def test_a_server_that_speaks_something_else_is_given_up() -> None:
    async def model(session: FakeSession) -> None:
        for _ in range(30):
            await session.socket.send("<html>")

    async with connected(model) as (session, _):
        with pytest.raises(AgentUnavailable, match="not the realtime protocol") as gone:
            await collect(session, 1)
    assert not gone.value.retryable


async def test_every_session_notes_what_it_cost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bridge.agents.openai_realtime")
    async with connected(greets) as (session, server):
        await collect(session, 4)
        await server.until(lambda: not server.active)
        await server.send("error", error={"code": "response_cancel_not_active"})
        await server.send("brand.new")
        await server.hear("u1", 0, 10)
        await collect(session, 2)
    (record,) = [record for record in caplog.records if record.getMessage() == "realtime session ended"]
    noted = {name: getattr(record, name) for name in ("call_id", "input_tokens", "cached_tokens", "output_tokens")}
    assert noted == {"call_id": "call-1", "input_tokens": 100, "cached_tokens": 40, "output_tokens": 50}
    assert (record.unknown_types, record.ignored_errors) == (  # type: ignore[attr-defined]  # extras of the log record
        {"brand.new": 1},
        {"response_cancel_not_active": 1},
    )
