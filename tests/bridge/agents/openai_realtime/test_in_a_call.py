"""A whole call with the realtime agent over real sockets: what the customer heard is what the model remembers."""

from __future__ import annotations

import asyncio
import json
import time

from bridge.agents.base import Brief, Speaker
from bridge.agents.openai_realtime import RealtimeAccess, RealtimeAgent
from bridge.session import CallSummary, EndedBy, Limits, bridge_call
from telephony.protocols.events import TransferTarget
from tests.bridge.session.fakes import MemorySink, ScriptedLeg, WordCodec, vowel
from tests.fake_realtime import KEY, FakeSession, fake_realtime

WORDS = "one two three four five six seven eight nine ten"
QUIET_BEFORE_S = 1.0
BRIEF = Brief("call-1")


async def is_interrupted(session: FakeSession) -> None:
    """Ten seconds of speech at once; after the interruption a goodbye."""
    await session.asked()
    await session.say("count", WORDS, 10_000)
    await session.finish()
    await session.until(lambda: session.of("conversation.item.truncate"))
    await session.hear("u1", 1_000, 1_400)
    await session.transcribe("u1", "Stop.")
    await session.begin()
    await session.say("bye", "Goodbye.", 200)
    await session.call("end_call", "{}", "call-1")
    await session.finish()


async def interrupts(leg: ScriptedLeg) -> None:
    leg.say("open")
    leg.answer("hangup", "bye")
    await leg.silence(QUIET_BEFORE_S)
    await leg.stream(vowel(400))
    await leg.silence(60)


async def call_with(url: str, leg: ScriptedLeg, sink: MemorySink, brief: Brief = BRIEF) -> CallSummary:
    agent = RealtimeAgent({"instructions": "Count."}, RealtimeAccess(url, KEY))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        playing = group.create_task(leg.play())
        summary = await bridge_call(
            leg, WordCodec(has_flush=True), agent, brief, Limits(min_call_s=0), time.monotonic, sink
        )
        playing.cancel()
    return summary


async def test_an_interruption_makes_the_model_forget_what_was_not_heard() -> None:
    leg, sink = ScriptedLeg(interrupts), MemorySink()
    async with fake_realtime(is_interrupted) as server:
        summary = await call_with(server.url, leg, sink)
    (session,) = server.sessions
    (truncate,) = session.of("conversation.item.truncate")
    counted = next(turn for turn in sink.turns if turn.item_id == "count")
    assert counted.end_ms is not None
    assert counted.is_interrupted
    heard_ms = counted.end_ms - counted.start_ms
    # The margin is taken off, and the server never counted less than was claimed.
    assert abs(truncate["audio_end_ms"] - (heard_ms - 100)) <= 30
    assert session.refused == []
    assert "flush" in leg.words
    assert counted.heard_text in WORDS
    assert len(counted.heard_text) < len(WORDS) // 2
    assert [(turn.speaker, turn.text) for turn in sink.turns if turn.item_id != "count"] == [
        (Speaker.CUSTOMER, "Stop."),
        (Speaker.AGENT, "Goodbye."),
    ]
    assert summary.ended_by is EndedBy.AGENT_HANGUP
    assert leg.words[-1] == "hangup"


async def test_an_interruption_during_the_answer_cancels_it() -> None:
    async def model(session: FakeSession) -> None:
        await session.asked()
        await session.say("count", WORDS, 4_000)
        # The response is still under way when the customer speaks.
        await session.until(lambda: session.of("response.cancel") and session.of("conversation.item.truncate"))
        await session.socket.close()

    async def vendor(leg: ScriptedLeg) -> None:
        leg.say("open")
        await leg.silence(QUIET_BEFORE_S)
        await leg.stream(vowel(400))
        leg.say("bye")

    leg, sink = ScriptedLeg(vendor), MemorySink()
    async with fake_realtime(model) as server:
        await call_with(server.url, leg, sink)
    types = server.sessions[0].types()
    assert types.index("response.cancel") < types.index("conversation.item.truncate")
    assert server.sessions[0].refused == []


async def quiet(leg: ScriptedLeg) -> None:
    leg.say("open")
    leg.answer("hangup", "bye")
    leg.answer("transfer 101", "bye")
    await leg.silence(60)


async def test_a_model_that_dies_is_taken_up_again_with_what_was_heard() -> None:
    async def model(session: FakeSession) -> None:
        request = await session.asked()
        if "without greeting again" not in request["response"]["instructions"]:
            await session.say("hello", "Hello Lan.", 300, breaks_off=True)
            await session.until(lambda: len(session.heard) > 24 * 2 * 600)
            session.socket.transport.abort()
            return
        await session.say("bye", "Goodbye.", 100)
        await session.call("end_call", "{}", "call-1")
        await session.finish()

    leg, sink = ScriptedLeg(quiet), MemorySink()
    async with fake_realtime(model) as server:
        summary = await call_with(server.url, leg, sink)
    first, second = server.sessions
    contents = [event["item"]["content"][0]["text"] for event in second.of("conversation.item.create")[:1]]
    assert contents == ["Hello Lan."]
    assert (first.refused, second.refused) == ([], [])
    assert summary.ended_by is EndedBy.AGENT_HANGUP
    assert summary.counters.reconnects == 1


async def test_a_model_cannot_have_a_stranger_dialed() -> None:
    async def model(session: FakeSession) -> None:
        await session.asked()
        await session.say("hello", "One moment.", 100)
        await session.call("transfer", '{"target": "+99988877766"}', "call-1")
        await session.finish()
        await session.asked()
        await session.say("sorry", "I cannot.", 100)
        await session.call("transfer", '{"target": "Sales"}', "call-2")
        await session.finish()

    leg, sink = ScriptedLeg(quiet), MemorySink()
    async with fake_realtime(model) as server:
        summary = await call_with(
            server.url, leg, sink, Brief("call-1", transfer_targets=(TransferTarget("101", "Sales"),))
        )
    output = server.sessions[0].of("conversation.item.create")[0]["item"]
    assert (output["call_id"], json.loads(output["output"])["ok"]) == ("call-1", False)
    assert leg.words == ["transfer 101"]
    assert summary.ended_by is EndedBy.TRANSFER
