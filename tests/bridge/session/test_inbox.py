"""What waits for the agent, and what another conversation finds of it."""

from __future__ import annotations

import asyncio

from bridge.session.inbox import (
    MAX_NOTICES,
    AgentInbox,
    CustomerAudio,
    Interrupted,
    KeyPressed,
    PlayedOut,
    ToolAnswered,
)
from tests.bridge.virtual_time import run


def test_oldest_audio_gives_way_and_notices_stay():
    inbox = AgentInbox(8_000, max_audio_ms=40)
    inbox.put_audio(CustomerAudio(bytes(320), 20))
    inbox.put(KeyPressed("1"))
    inbox.put_audio(CustomerAudio(bytes(320), 40))
    inbox.put_audio(CustomerAudio(bytes(320), 60))

    async def drain():
        return [await inbox.get() for _ in range(3)]

    assert run(drain()) == [KeyPressed("1"), CustomerAudio(bytes(320), 40), CustomerAudio(bytes(320), 60)]
    assert inbox.dropped_ms == 20


def test_audio_comes_in_pieces_and_a_notice_does_not_wait_for_one():
    async def scenario():
        inbox, loop = AgentInbox(8_000, max_audio_ms=2_000), asyncio.get_running_loop()
        inbox.give_pieces(40)
        for number in range(1, 6):
            loop.call_later(number, inbox.put_audio, CustomerAudio(bytes([number]) * 320, number * 20))
        loop.call_later(5.5, inbox.put, KeyPressed("1"))
        return [(await inbox.get(), loop.time()) for _ in range(4)]

    assert run(scenario()) == [
        (CustomerAudio(b"\x01" * 320 + b"\x02" * 320, 40), 2.0),
        (CustomerAudio(b"\x03" * 320 + b"\x04" * 320, 80), 4.0),
        (CustomerAudio(b"\x05" * 320, 100), 5.5),
        (KeyPressed("1"), 5.5),
    ]


def test_audio_is_given_at_once_to_whoever_waits_unless_it_cannot_take_it_now():
    async def scenario():
        inbox, loop = AgentInbox(8_000, max_audio_ms=2_000), asyncio.get_running_loop()
        inbox.give_pieces(40)
        taken: list[tuple[bytes, float]] = []
        is_ready = True

        def take(audio: CustomerAudio) -> bool:
            if is_ready:
                taken.append((audio.pcm[::320], loop.time()))
            return is_ready

        for number in range(1, 9):
            loop.call_later(number, inbox.put_audio, CustomerAudio(bytes([number]) * 320, number * 20))
        loop.call_later(4.5, inbox.put, KeyPressed("1"))
        got = [await inbox.get(take)]
        is_ready = False
        got.append(await inbox.get(take))
        return taken, got, loop.time()

    taken, got, now_s = run(scenario())
    assert taken == [(b"\x01\x02", 2.0), (b"\x03\x04", 4.0)]
    assert got == [KeyPressed("1"), CustomerAudio(b"\x05" * 320 + b"\x06" * 320, 120)]
    assert now_s == 6.0


def test_both_legs_of_a_piece_stay_together():
    async def scenario():
        inbox = AgentInbox(8_000, max_audio_ms=2_000)
        inbox.give_pieces(40)
        for number in (1, 2):
            inbox.put_audio(CustomerAudio(bytes([number]) * 320, number * 20, bytes([10 * number]) * 320))
        return await inbox.get()

    assert run(scenario()) == CustomerAudio(b"\x01" * 320 + b"\x02" * 320, 40, b"\x0a" * 320 + b"\x14" * 320)


def test_notices_are_bounded():
    inbox = AgentInbox(8_000, max_audio_ms=40)
    assert [inbox.put(KeyPressed("1")) for _ in range(MAX_NOTICES + 1)] == [True] * MAX_NOTICES + [False]


def test_starting_over_keeps_the_keys_only():
    inbox = AgentInbox(8_000, max_audio_ms=2_000)
    inbox.put_audio(CustomerAudio(bytes(1_600), 100))
    for notice in (Interrupted("a", 5), KeyPressed("1"), PlayedOut("a"), ToolAnswered(1, "t", {}), KeyPressed("2")):
        inbox.put(notice)
    inbox.start_over()
    assert inbox.dropped_ms == 100

    async def drain():
        return [await inbox.get() for _ in range(2)]

    assert run(drain()) == [KeyPressed("1"), KeyPressed("2")]
    inbox.put_audio(CustomerAudio(bytes(32_000), 200))
    assert inbox.dropped_ms == 100
