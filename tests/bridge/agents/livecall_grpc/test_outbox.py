"""What waits for the service is bounded."""

from __future__ import annotations

import asyncio

from bridge.agents.livecall_grpc import wire
from bridge.agents.livecall_grpc.config import AudioEncoding
from bridge.agents.livecall_grpc.outbox import MAX_AUDIO_MS, MAX_NOTICES, Outbox
from bridge.agents.livecall_grpc.proto import live_call_pb2 as pb


def audio(number: int) -> pb.ClientRequest:
    return wire.play_audio(number.to_bytes(2, "little") * 160, 8_000, AudioEncoding.BYTES)


async def everything(outbox: Outbox) -> list[pb.ClientRequest]:
    return [request async for request in outbox]


async def test_outbox_keeps_the_order_and_ends_with_the_last_word():
    outbox = Outbox()
    outbox.put(wire.dtmf("1"))
    outbox.put(wire.dtmf("2"))
    outbox.close(wire.disconnect("error"))
    outbox.close(wire.disconnect("again"))
    outbox.put(wire.dtmf("3"))
    outbox.put_audio(audio(1), 20)
    assert await everything(outbox) == [wire.dtmf("1"), wire.dtmf("2"), wire.disconnect("error")]


async def test_outbox_drops_the_oldest_audio_and_no_key():
    outbox = Outbox()
    outbox.put(wire.dtmf("1"))
    sent = [audio(number) for number in range(MAX_AUDIO_MS // 20 + 5)]
    for request in sent:
        outbox.put_audio(request, 20)
    got = []
    async for request in outbox:
        got.append(request)
        if request == sent[-1]:
            break
    assert got == [wire.dtmf("1"), *sent[5:]]
    assert outbox.dropped_ms == 100


async def test_outbox_gives_up_audio_when_it_closes():
    outbox = Outbox()
    outbox.put_audio(audio(1), 20)
    outbox.put(wire.dtmf("1"))
    outbox.close(wire.disconnect("error"))
    assert await everything(outbox) == [wire.dtmf("1"), wire.disconnect("error")]


async def test_outbox_bounds_notices_and_still_parts():
    outbox = Outbox()
    for _ in range(MAX_NOTICES + 3):
        outbox.put(wire.dtmf("1"))
    outbox.close(wire.disconnect("error"))
    requests = await everything(outbox)
    assert (len(requests), requests[-1], outbox.dropped_notices) == (MAX_NOTICES + 1, wire.disconnect("error"), 3)


async def test_outbox_wakes_who_waits():
    outbox = Outbox()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(everything(outbox))
        await asyncio.sleep(0)
        outbox.put(wire.dtmf("1"))
        await asyncio.sleep(0)
        outbox.close(wire.disconnect("error"))
    assert reading.result() == [wire.dtmf("1"), wire.disconnect("error")]
